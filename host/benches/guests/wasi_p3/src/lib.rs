//! The peer for `wasmtime serve`, on wasi:http 0.3 without anything in between: the workloads `get`, `json`,
//! `headers`, `upload` and `stream`, each at its path. Like Waterspout, it tells the length of what it answers.

use std::convert::Infallible;
use std::future::ready;
use std::iter::once;

use futures_util::stream;
use multer::Multipart;
use serde_json::Value;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

const HTML: &[u8] = b"text/html; charset=UTF-8";
const JSON: &[u8] = b"application/json; charset=UTF-8";
const TEXT: &[u8] = b"text/plain; charset=UTF-8";
const PIECE: usize = 65_536;
const PIECES: usize = 16;
const NAMES: [&str; 3] = ["user-agent", "accept-language", "x-request-id"];

struct Peer;

wasip3::http::service::export!(Peer);

impl Guest for Peer {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        if request.get_path_with_query().as_deref() == Some("/stream") {
            return Ok(respond(HTML, PIECE * PIECES, pieces()));
        }
        let (content_type, body) = match request.get_path_with_query().as_deref() {
            Some("/json") => (JSON, json(request).await),
            Some("/headers") => (HTML, headers(&request)),
            Some("/upload") => {
                let content_type = request.get_headers().get("content-type").concat();
                (TEXT, upload(&content_type, body(request).await).await)
            }
            _ => (HTML, b"Hello, world".to_vec()),
        };
        Ok(respond(content_type, body.len(), once(body)))
    }
}

async fn body(request: Request) -> Vec<u8> {
    let (sent, end) = wit_future::new(|| Ok(()));
    drop(sent);
    let (stream, _trailers) = Request::consume_body(request, end);
    stream.collect().await
}

async fn json(request: Request) -> Vec<u8> {
    let value: Value = serde_json::from_slice(&body(request).await).expect("JSON");
    serde_json::to_vec(&value).expect("JSON")
}

fn headers(request: &Request) -> Vec<u8> {
    let headers = request.get_headers();
    let mut body = Vec::new();
    for name in NAMES {
        body.extend(headers.get(name).first().expect(name));
        body.push(b'\n');
    }
    body
}

/// The form has a title and a file, and is here as a whole.
async fn upload(content_type: &[u8], body: Vec<u8>) -> Vec<u8> {
    let content_type = str::from_utf8(content_type).expect("a type in ASCII");
    let boundary = multer::parse_boundary(content_type).expect("a form");
    let mut form = Multipart::new(stream::once(ready(Ok::<_, Infallible>(body))), boundary);
    let mut answer = Vec::new();
    while let Some(field) = form.next_field().await.expect("a form") {
        let file = field.file_name().zip(field.content_type());
        let file = file.map(|(name, content_type)| format!("{name}: {content_type}"));
        let body = field.bytes().await.expect("a whole form");
        match file {
            Some(file) => answer.extend(format!("{file}, {} bytes\n", body.len()).into_bytes()),
            None => answer.extend([&body, &b"\n"[..]].concat()),
        }
    }
    answer
}

fn pieces() -> impl Iterator<Item = Vec<u8>> {
    (0..PIECES).map(|_| vec![b'x'; PIECE])
}

fn respond(
    content_type: &[u8],
    length: usize,
    body: impl Iterator<Item = Vec<u8>> + 'static,
) -> Response {
    let headers = Fields::new();
    let length = length.to_string().into_bytes();
    headers
        .append("content-type", content_type)
        .and_then(|()| headers.append("content-length", &length))
        .expect("headers that may be set");
    let (mut sender, stream) = wit_stream::new();
    let (trailers, none) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _transmitted) = Response::new(headers, Some(stream), none);
    wit_bindgen::spawn_local(async move {
        for piece in body {
            let rest = sender.write_all(piece).await;
            assert!(rest.is_empty(), "the client is gone");
        }
    });
    response
}
