//! One socket: hyper reads requests from it, the service answers them, and timers beneath hyper end it. Never accepts
//! and never routes.

mod body;
mod http1;
mod http2;
mod opening;
mod refuse;
mod socket;
mod watchdog;
mod websocket;

use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures_util::future::{BoxFuture, Either, maybe_done};
use http::{Extensions, Method, Request, Response, Uri};
use http_body::Body;
use tracing::info;

use self::body::Account;
pub use self::body::IncomingBody;
pub use self::refuse::{Refusal, refuse};
pub use self::socket::Socket;
use crate::base::access::{self, Details, Summary};
use crate::base::backlog::Held;
use crate::base::client::{Client, PeerCertificate, Protocol};
use crate::base::request_id;
use crate::config::Limits;
use crate::tls::Tls;

/// How long to read on after the connection was closed for writing.
const LINGER: Duration = Duration::from_secs(2);

/// The lowest rate in bytes a second at which a client must take a response that waits for it, over `write_timeout`.
const LEAST_RATE: u64 = 256;

/// The bytes that a client must take within `write_timeout` to count as progress.
fn least_progress(limits: &Limits) -> u64 {
    let millis = limits.write_timeout.map_or(0, |limit| limit.as_millis());
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    (millis.saturating_mul(LEAST_RATE) / 1000).max(1)
}

/// How long a client that has just connected may take to send a request when its connection is to stop. It does not
/// know of the stop yet.
const FRESH: Duration = Duration::from_secs(1);

/// How much a connection buffers in each direction before it waits, if heads need no more.
const BUFFER: usize = 65_536;

/// Answers requests.
///
/// The future is dropped when its client is gone. That is noticed as soon as the client has closed its side, or both,
/// and everything that it sent before was read. So it is not noticed behind a body of more than one read that nothing
/// reads, nor behind a pipelined request.
pub trait Service: Clone + Send + Sync + 'static {
    /// The body of its responses.
    type Body: Body<Data: Buf + Send, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers one request.
    fn call(
        &self,
        request: Request<IncomingBody>,
        client: Client,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Called for a request that was refused before the service could answer it.
    fn refused(&self, _status: u16) {}
}

impl<F, R, B> Service for F
where
    F: Fn(Request<IncomingBody>, Client) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<B>> + Send,
    B: Body<Data: Buf + Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Body = B;

    fn call(
        &self,
        request: Request<IncomingBody>,
        client: Client,
    ) -> impl Future<Output = Response<B>> + Send {
        self(request, client)
    }
}

/// Serves the requests of one connection until it ends.
///
/// When `stop` is ready, the requests in flight are the last ones. An idle connection ends immediately. A client that
/// has just connected may still send one request.
///
/// A connection that becomes a WebSocket is not over then: what is returned carries it to its end.
pub fn serve_connection<I, S>(
    io: I,
    remote_ip: Option<IpAddr>,
    tls: Option<&Tls>,
    limits: &Arc<Limits>,
    service: &S,
    stop: impl Future<Output = ()> + Unpin,
) -> impl Future<Output = Option<Carried>>
where
    I: Socket + Send + 'static,
    S: Service,
{
    let client = |protocol| Client {
        remote_ip: remote_ip.into(),
        protocol,
        is_proxied: false,
    };
    // In boxes: every connection is as large as the largest of these, and most are the first.
    match tls {
        None if !limits.h2c => {
            let client = client(Protocol::Http);
            Either::Left(http1::serve(io, None, client, limits, service, stop))
        }
        None => {
            let client = client(Protocol::Http);
            let served = Box::pin(serve_either(io, client, limits, service, stop));
            Either::Right(Either::Left(served))
        }
        Some(tls) => {
            let client = client(Protocol::Https);
            let served = Box::pin(serve_encrypted(io, client, tls, limits, service, stop));
            Either::Right(Either::Right(served))
        }
    }
}

/// A WebSocket that a connection carries, until its end.
pub type Carried = BoxFuture<'static, ()>;

/// Serves a client that may speak either HTTP/1 or HTTP/2.
async fn serve_either<I, S>(
    io: I,
    client: Client,
    limits: &Arc<Limits>,
    service: &S,
    stop: impl Future<Output = ()>,
) -> Option<Carried>
where
    I: Socket + Send + 'static,
    S: Service,
{
    // So that it can be polled again when it is ready.
    let mut stop = pin!(maybe_done(stop));
    match opening::preface(io, limits, stop.as_mut()).await? {
        (io, true) => {
            http2::serve(io, client, limits, service, stop).await;
            None
        }
        (io, false) => {
            let since = io.since();
            http1::serve(io, since, client, limits, service, stop).await
        }
    }
}

/// Serves a client over TLS. ALPN says which HTTP it speaks.
async fn serve_encrypted<I, S>(
    io: I,
    client: Client,
    tls: &Tls,
    limits: &Arc<Limits>,
    service: &S,
    stop: impl Future<Output = ()>,
) -> Option<Carried>
where
    I: Socket + Send + 'static,
    S: Service,
{
    let mut stop = pin!(maybe_done(stop));
    let (io, is_http2) = opening::handshake(io, tls, limits, stop.as_mut()).await?;
    let service = &Certified {
        service: service.clone(),
        certificate: PeerCertificate::of(io.get_ref().1.peer_certificates()),
    };
    match (io, is_http2) {
        (io, true) => {
            http2::serve(io, client, limits, service, stop).await;
            None
        }
        (io, false) => http1::serve(io, None, client, limits, service, stop).await,
    }
}

/// A service whose requests have the certificate that the client has shown.
#[derive(Clone)]
struct Certified<S> {
    service: S,
    certificate: Option<PeerCertificate>,
}

impl<S: Service> Service for Certified<S> {
    type Body = S::Body;

    fn call(
        &self,
        mut request: Request<IncomingBody>,
        client: Client,
    ) -> impl Future<Output = Response<S::Body>> + Send {
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        self.service.call(request, client)
    }

    fn refused(&self, status: u16) {
        self.service.refused(status);
    }
}

/// How many bytes of a response are in memory before they are asked for, where that is much.
fn held(extensions: &Extensions) -> u64 {
    extensions.get::<Held>().map_or(0, |Held(bytes)| *bytes)
}

/// Reports a request that the service has not answered to the service and the access log. `asked` is `None` where its
/// head could not be read.
fn tell_refusal(
    service: &impl Service,
    refusal: &Refusal,
    asked: Option<(&Method, &Uri)>,
    client: Client,
) {
    let status = refusal.status.as_u16();
    service.refused(status);
    let request = Summary { asked, client };
    access::refused(&request, status, &refusal.why, || Details {
        request_id: request_id::make(),
        generation: None,
        handler: None,
    });
}

/// Logs a head that was not answered, because it did not come in time.
fn tell_late_head(client: Client) {
    info!(target: "general", "closed ({client}): the head of a request took longer than `header_timeout`");
}
