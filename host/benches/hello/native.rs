//! The peer: a server of hyper alone, unencrypted or with HTTP/2 over TLS, with the settings of Waterspout without a
//! configuration. Its answers are in `answers`.

mod answers;

use std::net::SocketAddr;
use std::path::Path;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub use self::answers::{SLOW, WAIT};
use crate::certificate;

/// The values of Waterspout without a configuration: `connection` and `max_header_size`.
pub const BUFFER: usize = 65_536;

/// The same for HTTP/2: `connection::http2`, `max_header_size` and `max_concurrent_streams`.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 256 * 1024;
const HEADERS: u32 = 65_536;
const STREAMS: u32 = 100;

/// Serves until the process ends, with as many threads as it has cores; with the certificate of a folder, HTTP/2 over
/// TLS.
pub fn serve(address: SocketAddr, certificate: Option<&Path>) -> anyhow::Result<()> {
    let tls = certificate.map(certificate::acceptor).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // A task like any other: the future of `block_on` runs on no worker thread.
    runtime.block_on(async { tokio::spawn(accept(address, tls)).await? })
}

async fn accept(address: SocketAddr, tls: Option<TlsAcceptor>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match &tls {
            None => tokio::spawn(serve_connection(stream)),
            Some(tls) => tokio::spawn(serve_encrypted(stream, tls.clone())),
        };
    }
}

async fn serve_connection(stream: TcpStream) {
    // An error is a client that has left.
    let _ = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(BUFFER)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service_fn(answers::answer))
        .await;
}

async fn serve_encrypted(stream: TcpStream, tls: TlsAcceptor) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let _ = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(stream), service_fn(answers::answer))
        .await;
}
