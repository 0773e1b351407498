//! The peer: a server of hyper alone, which does for one answer what Waterspout's connections do.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Serves until the process ends, with as many threads as it has cores.
pub fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // A task like any other: what `block_on` is given runs on no worker.
    runtime.block_on(async { tokio::spawn(accept(address)).await? })
}

async fn accept(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve_connection(stream));
    }
}

async fn serve_connection(stream: TcpStream) {
    let answer = service_fn(async |_| Ok::<_, Infallible>(hello()));
    // An error is a client that has left.
    let _ = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// What `examples/hello` answers; every run is compared with it.
fn hello() -> Response<Full<Bytes>> {
    const SERVER: &str = concat!("Waterspout/", env!("CARGO_PKG_VERSION"));
    let mut response = Response::new(Full::from("Hello, world"));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=UTF-8"),
    );
    headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
    response
}
