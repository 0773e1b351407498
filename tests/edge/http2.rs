//! HTTP/2 with large bodies, which call for many frames, and with bodies that nobody reads.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::net::TcpStream;
use waterspout::base::client;
use waterspout::config::Limits;
use waterspout::edge::connection::IncomingBody;

use super::{limits, start};
use crate::harness::soon;

const SIZE: usize = 100 << 20;

fn with_h2c() -> Limits {
    Limits {
        h2c: true,
        max_body_size: u64::MAX,
        ..limits()
    }
}

async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

/// A body of so many bytes.
struct Long(usize);

impl Body for Long {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static BYTES: [u8; 16_384] = [b'x'; 16_384];
        let length = self.0.min(BYTES.len());
        self.0 -= length;
        let piece = Bytes::from_static(&BYTES[..length]);
        Poll::Ready((length > 0).then_some(Ok(Frame::data(piece))))
    }
}

/// The client gives window in small steps, and so sends thousands of frames that are only that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_no_flood() {
    let service = |request: Request<IncomingBody>, _: client::Client| async move {
        let mut body = request.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.unwrap().data_ref().map_or(0, Bytes::len);
        }
        match length {
            0 => Response::new(Long(SIZE)),
            length => Response::new(Long(length / SIZE)),
        }
    };
    let (_server, address) = start(with_h2c(), service).await;
    let mut client = connect(address).await;

    let download = Request::get("http://a/").body(()).unwrap();
    let (response, _) = client.send_request(download, true).unwrap();
    let mut body = soon(response).await.unwrap().into_body();
    let mut length = 0;
    while let Some(piece) = soon(body.data()).await {
        let piece = piece.unwrap();
        length += piece.len();
        body.flow_control().release_capacity(piece.len()).unwrap();
    }
    assert_eq!(length, SIZE);

    let mut client = client.ready().await.unwrap();
    let upload = Request::post("http://a/").body(()).unwrap();
    let (response, mut stream) = client.send_request(upload, false).unwrap();
    let mut left = SIZE;
    while left > 0 {
        stream.reserve_capacity(16_384);
        let room = soon(std::future::poll_fn(|cx| stream.poll_capacity(cx))).await;
        let length = room.unwrap().unwrap().min(left);
        left -= length;
        stream
            .send_data(vec![b'x'; length].into(), left == 0)
            .unwrap();
    }
    let mut body = soon(response).await.unwrap().into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x");
}

/// What they take of the connection's window is given back.
#[tokio::test]
async fn bodies_that_nobody_reads_cost_no_request() {
    let ignore = |_: Request<IncomingBody>, _: client::Client| async { Response::new(Long(1)) };
    let (server, address) = start(with_h2c(), ignore).await;
    let mut client = connect(address).await;
    for length in [5, 20_000, 60_000, 1_000_000].repeat(10) {
        client = client.ready().await.unwrap();
        let request = Request::post("http://a/").body(()).unwrap();
        let (response, mut stream) = client.send_request(request, false).unwrap();
        stream.send_data(vec![b'x'; length].into(), true).unwrap();
        let mut body = soon(response).await.unwrap().into_body();
        assert_eq!(soon(body.data()).await.unwrap().unwrap(), "x", "{length}");
    }
    assert_eq!(server.connections(), 1);
}
