//! The peer: a server of hyper alone, which does for each answer what Waterspout and its guests do.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::net::{TcpListener, TcpStream};

use crate::workload::{NOT_FOUND, READ};

const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json; charset=UTF-8";

/// What Waterspout has without a configuration: `connection` and `max_header_size`.
const BUFFER: usize = 65_536;

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
    let answer = service_fn(async |request| Ok::<_, Infallible>(answer(request).await));
    // An error is a client that has left.
    let _ = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(BUFFER)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// The workloads by their paths. Every answer is compared with Waterspout's.
async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/" => tagged(Bytes::from_static(b"Hello, world")),
        "/lifecycle" => tagged(lifecycle().await),
        "/json" => match json(request).await {
            Some(body) => page(StatusCode::OK, JSON, body),
            None => page(StatusCode::BAD_REQUEST, HTML, Bytes::new()),
        },
        "/headers" => tagged(headers(&request)),
        _ => page(StatusCode::NOT_FOUND, HTML, NOT_FOUND.into()),
    }
}

thread_local! {
    static FINISHED: Cell<u64> = const { Cell::new(0) };
}

/// What the guest `lifecycle` does, function by function.
#[derive(Default)]
struct Lifecycle {
    greeting: &'static str,
    name: &'static str,
    body: Vec<u8>,
}

impl Lifecycle {
    fn initialize(&mut self) {
        self.greeting = "Hello";
    }

    async fn prepare(&mut self) {
        self.name = "world";
    }

    async fn get(&mut self) {
        for part in [self.greeting, ", ", self.name] {
            self.body.extend_from_slice(part.as_bytes());
        }
    }

    fn on_finish(&mut self) {
        FINISHED.set(FINISHED.get() + 1);
    }
}

async fn lifecycle() -> Bytes {
    let mut handler = Lifecycle::default();
    handler.initialize();
    handler.prepare().await;
    handler.get().await;
    handler.on_finish();
    handler.body.into()
}

async fn json(request: Request<Incoming>) -> Option<Bytes> {
    let body = request.into_body().collect().await.ok()?.to_bytes();
    let value: Value = serde_json::from_slice(&body).ok()?;
    Some(serde_json::to_vec(&value).ok()?.into())
}

fn headers(request: &Request<Incoming>) -> Bytes {
    let mut body = Vec::new();
    for name in READ {
        let value = request.headers().get(name);
        body.extend_from_slice(value.map_or(b"", HeaderValue::as_bytes));
        body.push(b'\n');
    }
    body.into()
}

/// What `GET` gets, with the hash of the body.
fn tagged(body: Bytes) -> Response<Full<Bytes>> {
    let etag = format!("\"{:x}\"", Sha1::digest(&body));
    let mut response = page(StatusCode::OK, HTML, body);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn page(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    const SERVER: &str = concat!("Waterspout/", env!("CARGO_PKG_VERSION"));
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::SERVER, HeaderValue::from_static(SERVER));
    response
}
