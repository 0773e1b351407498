//! The answers of the native peer: for each workload the same as Waterspout and its guests, with the same libraries.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::ready;
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{RepeatWith, StreamExt, Take, once, repeat_with};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use multer::Multipart;
use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::time::sleep;

use crate::workload::{NOT_FOUND, PAGE, PIECE, PIECES, READ};

const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json; charset=UTF-8";
const TEXT: &str = "text/plain; charset=UTF-8";

/// The path of the slow answer.
pub const SLOW: &str = "/slow";

/// How long it takes.
pub const WAIT: Duration = Duration::from_millis(100);

type Piece = Result<Frame<Bytes>, Infallible>;
type Pieces = StreamBody<Take<RepeatWith<fn() -> Piece>>>;

/// The workloads by their paths. Every answer is compared with Waterspout's.
pub async fn answer(
    request: Request<Incoming>,
) -> Result<Response<Either<Full<Bytes>, Pieces>>, Infallible> {
    if request.uri().path() == "/stream" {
        return Ok(stream().map(Either::Right));
    }
    Ok(whole(request).await.map(Either::Left))
}

async fn whole(request: Request<Incoming>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/" => tagged(Bytes::from_static(b"Hello, world")),
        "/lifecycle" => tagged(lifecycle().await),
        "/json" => posted(JSON, json(request).await),
        "/headers" => tagged(headers(&request)),
        "/upload" => posted(TEXT, upload(request).await),
        "/page" => {
            let response = tagged(Bytes::from_static(PAGE.as_bytes()));
            let accepts = request.headers().get(header::ACCEPT_ENCODING).cloned();
            compressed(response, accepts.as_ref())
        }
        SLOW => {
            sleep(WAIT).await;
            tagged(Bytes::from_static(b"at last"))
        }
        _ => page(StatusCode::NOT_FOUND, HTML, NOT_FOUND.into()),
    }
}

/// What the guest `stream` does: each piece is made when the one before it was taken.
fn stream() -> Response<Pieces> {
    let piece: fn() -> Piece = || Ok(Frame::data(vec![b'x'; PIECE].into()));
    let pieces = StreamBody::new(repeat_with(piece).take(PIECES));
    let mut response = page(StatusCode::OK, HTML, Bytes::new()).map(|_| pieces);
    let length = HeaderValue::from(PIECE * PIECES);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    response
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

/// What the example `upload` does: the body is read whole, then taken apart.
async fn upload(request: Request<Incoming>) -> Option<Bytes> {
    let (head, body) = request.into_parts();
    let boundary = boundary(&head.headers)?;
    let body = body.collect().await.ok()?.to_bytes();
    let mut form = Multipart::new(once(ready(Ok::<_, Infallible>(body))), boundary);
    let mut answer = Vec::new();
    while let Some(field) = form.next_field().await.ok()? {
        let file = field.file_name().zip(field.content_type());
        let file = file.map(|(name, content_type)| format!("{name}: {content_type}"));
        let body = field.bytes().await.ok()?;
        match file {
            Some(file) => writeln!(answer, "{file}, {} bytes", body.len()).ok()?,
            None => answer.extend([&body, &b"\n"[..]].concat()),
        }
    }
    Some(answer.into())
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    multer::parse_boundary(content_type).ok()
}

/// The same as `compress_response` for clients that take gzip, with the library's default level.
fn compressed(
    mut response: Response<Full<Bytes>>,
    accepts: Option<&HeaderValue>,
) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if accepts.is_none_or(|accepts| accepts != "gzip") {
        return response;
    }
    if let Ok(encoded) = gzip(PAGE.as_bytes()) {
        let gzip = HeaderValue::from_static("gzip");
        headers.insert(header::CONTENT_ENCODING, gzip);
        *response.body_mut() = Full::from(encoded);
    }
    response
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish()
}

/// The answer to `POST`. To a bad request there is none.
fn posted(content_type: &'static str, body: Option<Bytes>) -> Response<Full<Bytes>> {
    match body {
        Some(body) => page(StatusCode::OK, content_type, body),
        None => page(StatusCode::BAD_REQUEST, HTML, Bytes::new()),
    }
}

/// The answer to `GET`, with the hash of the body.
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
