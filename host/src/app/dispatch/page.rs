//! The pages that the host makes itself, with the words of Tornado's. Chooses no status.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;

use super::Reply;
use crate::guest::bindings::Failure;
use crate::guest::resources::phrase;

/// The value of the `server` header. Tornado's has the same form.
const SERVER: &str = concat!("Waterspout/", env!("CARGO_PKG_VERSION"));

/// The reason of a status that has none.
const UNKNOWN: &str = "Unknown";

const HTML: &str = "text/html; charset=UTF-8";

/// The default page for an error: Tornado's `RequestHandler.write_error`.
pub fn error(status: StatusCode) -> Response<Reply> {
    let text = ERRORS[usize::from(status.as_u16() - 100)];
    page(status, HTML, Bytes::from_static(text.as_bytes()))
}

/// The default page of every status from 100 on. Made once, as they never change.
static ERRORS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let statuses = (100..1_000).filter_map(|code| StatusCode::from_u16(code).ok());
    let texts = statuses.map(|status| text(status, status.canonical_reason().unwrap_or(UNKNOWN)));
    texts.map(|text| &*text.leak()).collect()
});

/// The default page for a guest's failure, with its own reason where it gave one.
pub fn failure(failure: &Failure) -> Response<Reply> {
    let status = status_of(failure);
    let Some(reason) = &failure.reason else {
        return error(status);
    };
    let mut response = page(status, HTML, text(status, reason).into());
    if let Some(phrase) = phrase(reason) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// A page of this text alone.
pub fn plain(status: StatusCode, text: &'static str) -> Response<Reply> {
    page(status, HTML, Bytes::from_static(text.as_bytes()))
}

/// The status of a failure: 500 where the guest gave one that is not an error.
pub fn status_of(failure: &Failure) -> StatusCode {
    match StatusCode::from_u16(failure.status) {
        Ok(status) if status.is_client_error() || status.is_server_error() => status,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What `debug` shows instead (Tornado's `serve_traceback`).
pub fn traceback(status: StatusCode, text: &str) -> Response<Reply> {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let mut response = page(status, "text/plain; charset=UTF-8", body);
    response.extensions_mut().insert(Traceback);
    response
}

/// Marks a response whose body shows a fault of a guest.
#[derive(Clone)]
pub struct Traceback;

/// Sets Tornado's reason for a status without a usual one. hyper's would be `<none>`.
pub fn name_status(response: &mut Response<Reply>) {
    let has_usual = response.status().canonical_reason().is_some();
    let extensions = response.extensions_mut();
    if !has_usual && extensions.get::<ReasonPhrase>().is_none() {
        extensions.insert(ReasonPhrase::from_static(UNKNOWN.as_bytes()));
    }
}

/// Adds the `server` header.
pub fn sign(headers: &mut HeaderMap) {
    headers
        .entry(header::SERVER)
        .or_insert(HeaderValue::from_static(SERVER));
}

fn text(status: StatusCode, reason: &str) -> String {
    let code = status.as_u16();
    let reason = escape(reason);
    format!("<html><title>{code}: {reason}</title><body>{code}: {reason}</body></html>")
}

/// Escapes a reason. It may come from a guest, which may have made it from a request's text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
}

fn page(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::new(body));
    *response.status_mut() = status;
    name_status(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    sign(headers);
    response
}
