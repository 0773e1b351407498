//! What a handler says of the length of a body that it gives whole. The body's own length goes out in any case: what is
//! said beside it is checked here, and never mended without a word.

use http::{HeaderValue, Method, Response, StatusCode, header};

use super::reply::Reply;

/// Holds what was said against the body. A response without one, to HEAD, may say what the body would be. An error: what
/// is wrong, for the handler's author.
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
