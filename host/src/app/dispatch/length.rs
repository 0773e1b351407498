//! The `Content-Length` that a handler set for a whole body. The host sends the body's own length. The handler's is
//! only checked here, and never corrected silently.

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::reply::Reply;

/// Compares the length that was set with the body. A response without a body, to HEAD, may give the length of the body
/// that it would have. The error says what is wrong, for the handler's author.
pub fn settle(
    method: &Method,
    said: Result<Option<u64>, String>,
    response: &mut Response<Reply>,
) -> Result<(), String> {
    let Some(said) = said? else {
        return Ok(());
    };
    let has_none = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status());
    let length = response.body().bytes().map(|body| body.len() as u64);
    match length {
        _ if has_none => Ok(()),
        Some(0) if *method == Method::HEAD => {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(said));
            Ok(())
        }
        Some(length) if length != said => Err(format!(
            "the handler set the `content-length` {said}, and its body has {length} bytes"
        )),
        _ => Ok(()),
    }
}
