//! A process that has run out of descriptors. Alone in its file: the limit is the process's.

#[path = "harness/client.rs"]
#[allow(dead_code, reason = "the other test program uses the rest")]
mod client;

use std::fs::File;
use std::time::Duration;

use bytes::Bytes;
use client::Client;
use http::{Request, Response};
use http_body_util::Full;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use waterspout::base::client::Client as Asks;
use waterspout::base::shards::Shards;
use waterspout::config::{Limits, Listen};
use waterspout::edge::connection::IncomingBody;
use waterspout::edge::server::Server;

#[tokio::test]
async fn accepting_survives_a_lack_of_descriptors() {
    let server = Server::new(
        Shards::here(),
        Limits::default(),
        async |request: Request<IncomingBody>, _: Asks| {
            Response::new(Full::<Bytes>::from(request.uri().path().to_owned()))
        },
    );
    let any = Listen::Tcp(([127, 0, 0, 1], 0).into());
    let bound = server.set_listeners(&[any]).await.unwrap();
    let Listen::Tcp(address) = bound[0] else {
        unreachable!()
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();

    let few = libc::rlimit {
        rlim_cur: 64,
        rlim_max: 64,
    };
    // SAFETY: the pointer is to a live value.
    #[allow(unsafe_code, reason = "only the system sets limits")]
    let is_set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) };
    assert_eq!(is_set, 0);
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }

    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut client = Client::over(TcpStream::from_std(socket.into()).unwrap());
    client
        .send("GET /patient HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let early = tokio::time::timeout(Duration::from_millis(200), client.stream.readable()).await;
    assert!(early.is_err(), "accepted without a descriptor");
    assert_eq!(server.connections(), 0);

    drop(files);
    assert_eq!(client.answer().await.body, "/patient");
}
