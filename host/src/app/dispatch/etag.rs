//! `ETag` and `If-None-Match`, as Tornado's `finish` handles them (RFC 9110, sections 8.8.3 and 13.1.2): a client that
//! has the response already gets 304.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use sha1::{Digest, Sha1};

use super::Reply;

/// The largest body that is hashed, in bytes. The event loop waits meanwhile.
const MOST: usize = 1 << 20;

/// Sets the hash of a whole body as `ETag`, unless the handler has set one; an empty one means none. Answers 304
/// without the body where the client has it.
pub fn settle(request: &Parts, response: &mut Response<Reply>) {
    let asks = matches!(request.method, Method::GET | Method::HEAD);
    if !asks || response.status() != StatusCode::OK {
        return;
    }
    match response.headers().get(header::ETAG) {
        Some(said) if said.is_empty() => {
            response.headers_mut().remove(header::ETAG);
        }
        Some(_) => {}
        None => {
            if let Some(body) = response.body().bytes().filter(|body| body.len() <= MOST) {
                let etag = of(body);
                response.headers_mut().insert(header::ETAG, etag);
            }
        }
    }
    let etag = response.headers().get(header::ETAG);
    if etag.is_some_and(|etag| is_named(&request.headers, etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Reply::new(Default::default());
        for name in [
            header::CONTENT_ENCODING,
            header::CONTENT_LANGUAGE,
            header::CONTENT_TYPE,
        ] {
            response.headers_mut().remove(name);
        }
    }
}

/// Tornado's `compute_etag` of a body.
fn of(body: &[u8]) -> HeaderValue {
    let mut etag = *b"\"0123456789012345678901234567890123456789\"";
    // The buffer has the size of a hash.
    let _ = base16ct::lower::encode(&Sha1::digest(body), &mut etag[1..41]);
    HeaderValue::from_bytes(&etag).unwrap_or(HeaderValue::from_static(""))
}

/// Whether `If-None-Match` names this entity tag, or any. Weak ones count like strong ones.
pub fn is_named(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let etag = opaque(etag.as_bytes()).next();
    let known = request.get_all(header::IF_NONE_MATCH);
    known.iter().map(HeaderValue::as_bytes).any(|known| {
        let unquoted = known.split(|byte| *byte == b'"').next();
        unquoted.is_some_and(|text| text.contains(&b'*'))
            || etag.is_some_and(|etag| opaque(known).any(|other| other == etag))
    })
}

/// The text between the quotes of each entity tag. It may have any bytes, because clients send back what they got.
fn opaque(tags: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = tags.iter().rposition(|byte| *byte == b'"').unwrap_or(0);
    tags[..end].split(|byte| *byte == b'"').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_found_whatever_is_in_them_and_between_them() {
        let found = |tags: &str| -> Vec<String> {
            let found = opaque(tags.as_bytes());
            found
                .map(|tag| String::from_utf8_lossy(tag).into())
                .collect()
        };
        assert_eq!(
            found(r#""a", W/"b","c,d" , "e f""#),
            ["a", "b", "c,d", "e f"]
        );
        assert_eq!(found(r#""","a""#), ["", "a"]);
        assert_eq!(found(r#"a, "b", "c"#), ["b"]);
        for none in ["", "*", "a", "\"", "\"a"] {
            assert_eq!(found(none), [""; 0], "{none}");
        }
    }
}
