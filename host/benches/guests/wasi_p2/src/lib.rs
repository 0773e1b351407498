//! The peer for `wasmtime serve`, on wasi:http 0.2 without anything in between: the workloads `get`, `json` and
//! `headers`, each at its path. Like Waterspout, it tells the length of what it answers.

use serde_json::Value;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

const HTML: &[u8] = b"text/html; charset=UTF-8";
const JSON: &[u8] = b"application/json; charset=UTF-8";
const NAMES: [&str; 3] = ["user-agent", "accept-language", "x-request-id"];

/// What one call to the host writes at most: the contract of `blocking-write-and-flush`.
const LARGEST_WRITE: usize = 4096;

struct Peer;

wasip2::http::proxy::export!(Peer);

impl Guest for Peer {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (content_type, body) = match request.path_with_query().as_deref() {
            Some("/json") => (JSON, json(&request)),
            Some("/headers") => (HTML, headers(&request)),
            _ => (HTML, b"Hello, world".to_vec()),
        };
        respond(out, content_type, &body);
    }
}

fn json(request: &IncomingRequest) -> Vec<u8> {
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
    let value: Value = serde_json::from_slice(&bytes).expect("JSON");
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

fn respond(out: ResponseOutparam, content_type: &[u8], body: &[u8]) {
    let headers = Fields::new();
    let length = body.len().to_string().into_bytes();
    headers
        .append("content-type", content_type)
        .and_then(|()| headers.append("content-length", &length))
        .expect("headers that may be set");
    let response = OutgoingResponse::new(headers);
    let outgoing = response.body().expect("the body was not taken before");
    ResponseOutparam::set(out, Ok(response));
    let stream = outgoing.write().expect("the stream was not taken before");
    for piece in body.chunks(LARGEST_WRITE) {
        stream
            .blocking_write_and_flush(piece)
            .expect("the client is there");
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).expect("as long as was told");
}
