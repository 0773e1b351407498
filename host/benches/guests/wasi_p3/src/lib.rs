//! The peer for `wasmtime serve`, on wasi:http 0.3 without anything in between: the workloads `get`, `json` and
//! `headers`, each at its path. Like Waterspout, it tells the length of what it answers.

use serde_json::Value;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

const HTML: &[u8] = b"text/html; charset=UTF-8";
const JSON: &[u8] = b"application/json; charset=UTF-8";
const NAMES: [&str; 3] = ["user-agent", "accept-language", "x-request-id"];

struct Peer;

wasip3::http::service::export!(Peer);

impl Guest for Peer {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let (content_type, body) = match request.get_path_with_query().as_deref() {
            Some("/json") => (JSON, json(request).await),
            Some("/headers") => (HTML, headers(&request)),
            _ => (HTML, b"Hello, world".to_vec()),
        };
        Ok(respond(content_type, body))
    }
}

async fn json(request: Request) -> Vec<u8> {
    let (sent, end) = wit_future::new(|| Ok(()));
    drop(sent);
    let (stream, _trailers) = Request::consume_body(request, end);
    let bytes = stream.collect().await;
    let value: Value = serde_json::from_slice(&bytes).expect("JSON");
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

fn respond(content_type: &[u8], body: Vec<u8>) -> Response {
    let headers = Fields::new();
    let length = body.len().to_string().into_bytes();
    headers
        .append("content-type", content_type)
        .and_then(|()| headers.append("content-length", &length))
        .expect("headers that may be set");
    let (mut sender, stream) = wit_stream::new();
    let (trailers, none) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _transmitted) = Response::new(headers, Some(stream), none);
    wit_bindgen::spawn_local(async move {
        let rest = sender.write_all(body).await;
        assert!(rest.is_empty(), "the client is gone");
    });
    response
}
