//! The peer for `wasmtime serve`, on wasi:http 0.2 without anything in between: the workloads `get`, `json`,
//! `headers`, `upload` and `stream`, each at its path. Like Waterspout, it tells the length of what it answers.

use std::convert::Infallible;
use std::future::ready;
use std::iter::once;

use futures_util::FutureExt;
use futures_util::stream;
use multer::Multipart;
use serde_json::Value;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

const HTML: &[u8] = b"text/html; charset=UTF-8";
const JSON: &[u8] = b"application/json; charset=UTF-8";
const TEXT: &[u8] = b"text/plain; charset=UTF-8";
const PIECE: usize = 65_536;
const PIECES: usize = 16;
const NAMES: [&str; 3] = ["user-agent", "accept-language", "x-request-id"];

/// What one call to the host writes at most: the contract of `blocking-write-and-flush`.
const LARGEST_WRITE: usize = 4096;

struct Peer;

wasip2::http::proxy::export!(Peer);

impl Guest for Peer {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        if request.path_with_query().as_deref() == Some("/stream") {
            let pieces = (0..PIECES).map(|_| vec![b'x'; PIECE]);
            return respond(out, HTML, PIECE * PIECES, pieces);
        }
        let (content_type, body) = match request.path_with_query().as_deref() {
            Some("/json") => (JSON, json(&request)),
            Some("/headers") => (HTML, headers(&request)),
            Some("/upload") => {
                let content_type = request.headers().get("content-type").concat();
                // All of it is here, so nothing has to be waited for.
                let answer = upload(&content_type, body(&request)).now_or_never();
                (TEXT, answer.expect("no wait"))
            }
            _ => (HTML, b"Hello, world".to_vec()),
        };
        respond(out, content_type, body.len(), once(body));
    }
}

fn body(request: &IncomingRequest) -> Vec<u8> {
    let body = request.consume().expect("the body was not taken before");
    let stream = body.stream().expect("the stream was not taken before");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(65_536) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => break,
            Err(error) => panic!("the body is broken: {error}"),
        }
    }
    bytes
}

fn json(request: &IncomingRequest) -> Vec<u8> {
    let value: Value = serde_json::from_slice(&body(request)).expect("JSON");
    serde_json::to_vec(&value).expect("JSON")
}

fn headers(request: &IncomingRequest) -> Vec<u8> {
    let headers = request.headers();
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

fn respond(
    out: ResponseOutparam,
    content_type: &[u8],
    length: usize,
    body: impl Iterator<Item = Vec<u8>>,
) {
    let headers = Fields::new();
    let length = length.to_string().into_bytes();
    headers
        .append("content-type", content_type)
        .and_then(|()| headers.append("content-length", &length))
        .expect("headers that may be set");
    let response = OutgoingResponse::new(headers);
    let outgoing = response.body().expect("the body was not taken before");
    ResponseOutparam::set(out, Ok(response));
    let stream = outgoing.write().expect("the stream was not taken before");
    for piece in body {
        for piece in piece.chunks(LARGEST_WRITE) {
            stream
                .blocking_write_and_flush(piece)
                .expect("the client is there");
        }
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).expect("as long as was told");
}
