//! The edge alone: server and connections with a service that is no guest. And the logs, which take a process.

mod connection;
mod http2;
mod log;
mod malformed;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use waterspout::base::body::BodyError;
use waterspout::base::client;
use waterspout::base::shards::Shards;
use waterspout::config::Limits;
use waterspout::config::Listen;
use waterspout::edge::connection::{IncomingBody, Service};
use waterspout::edge::server::Server;

/// Longer than the limits that a test crosses, far shorter than those that it must not.
pub const SHORT: Duration = Duration::from_millis(200);

pub fn limits() -> Limits {
    Limits::default()
}

pub async fn start<S: Service>(limits: Limits, service: S) -> (Server<S>, SocketAddr) {
    let server = Server::new(Shards::here(), limits, service);
    let any = Listen::Tcp(([127, 0, 0, 1], 0).into());
    let bound = server.set_listeners(&[any]).await.unwrap();
    (server, address(&bound[0]))
}

pub fn address(listen: &Listen) -> SocketAddr {
    match listen {
        Listen::Tcp(address) | Listen::Http(address) => *address,
        Listen::Unix { .. } | Listen::Systemd(_) => panic!("not an address"),
    }
}

/// Answers with the path, or with the body where there is one.
pub async fn echo(request: Request<IncomingBody>, _: client::Client) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    match request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
    {
        Ok(body) if body.is_empty() => Response::new(path.into()),
        Ok(body) => Response::new(body.into()),
        Err(error) => status(match error {
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Timeout => StatusCode::REQUEST_TIMEOUT,
            BodyError::Malformed | BodyError::Gone => StatusCode::BAD_REQUEST,
            BodyError::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }),
    }
}

pub fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
