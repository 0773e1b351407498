//! What is refused before a guest is entered: requests that pages of other origins send, and those that lack the token of
//! `xsrf_cookies`. In Tornado, what `RequestHandler._execute` does before `prepare`. Makes no token.

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::page;
use super::reply::Reply;
use super::response::busy;
use crate::base::body::BodyError;
use crate::base::cookies;
use crate::base::cross_origin::{self, Sender};
use crate::base::websocket;
use crate::base::xsrf::{self, Refused};
use crate::guest::description::Class;
use crate::guest::resources::{App, Exchange, ShownId, Target, host};

/// The largest form in which the host looks for a token.
const MAX_FORM: u64 = 1 << 20;

/// The name of the token in a query or a form.
const ARGUMENT: &str = "_xsrf";

/// The headers that may have the token: Tornado's own, and Django's.
const HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("x-xsrftoken"),
    HeaderName::from_static("x-csrftoken"),
];

/// Why a request is refused, for the log.
#[derive(Clone, Debug)]
pub(super) struct Why(pub(super) String);

/// Where a request's token still has to be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Nowhere: it is there, or not needed.
    Settled,
    /// In the form that is its body.
    InForm,
}

/// Checks the head of a request. `declared`: the length of its body at least.
#[expect(
    clippy::result_large_err,
    reason = "the answer is moved on as it is, once"
)]
pub(super) fn check(
    app: &App,
    head: &Parts,
    target: &Target,
    declared: u64,
    debug: bool,
) -> Result<Token, Response<Reply>> {
    let guard = &target.guard;
    if xsrf::is_safe(&head.method) || !(guard.xsrf || guard.cross_origin) {
        return Ok(Token::Settled);
    }
    let token = match guard.xsrf {
        true => {
            check_token(app, head, &target.class, declared).map_err(|why| refused(why, debug))?
        }
        false => Token::Settled,
    };
    if guard.cross_origin {
        let origin = head.headers.get(header::ORIGIN);
        let sender = cross_origin::sender(&head.headers, origin, host(head));
        if !is_allowed(&sender, target) {
            return Err(refused(sender, debug));
        }
    }
    Ok(token)
}

/// Whether the origin of a handshake's page is one that may connect.
pub(super) fn may_connect(head: &Parts, target: &Target) -> bool {
    let origin = websocket::origin(&head.headers);
    let sender = cross_origin::sender(&head.headers, origin, host(head));
    match sender {
        Sender::Own => true,
        Sender::Other { origin, .. } => origin.is_some_and(|origin| target.guard.trusts(origin)),
    }
}

/// Whether the page that sends a request may. A handler that decides about origins itself is asked for each that is named.
fn is_allowed(sender: &Sender, target: &Target) -> bool {
    match sender {
        Sender::Own => true,
        Sender::Other {
            origin: None | Some(""),
            ..
        } => false,
        Sender::Other {
            origin: Some(origin),
            ..
        } => target.class.hooks.check_trusted_origin || target.guard.trusts(origin),
    }
}

/// Looks for the token in the query and the headers.
fn check_token(app: &App, head: &Parts, class: &Class, declared: u64) -> Result<Token, Refused> {
    let in_query = head
        .uri
        .query()
        .and_then(|query| argument(query.as_bytes()));
    let in_header = || HEADERS.iter().find_map(|name| head.headers.get(name));
    let brought = match &in_query {
        Some(token) => Some(&**token),
        None => in_header().map(HeaderValue::as_bytes),
    };
    let cookie = cookie(app, &head.headers);
    match xsrf::check(cookie.as_deref(), brought) {
        Ok(()) => Ok(Token::Settled),
        Err(_) if may_be_in_form(head, class, declared) => Ok(Token::InForm),
        Err(why) => Err(why),
    }
}

fn may_be_in_form(head: &Parts, class: &Class, declared: u64) -> bool {
    let kind = content_type(&head.headers);
    let is_form = kind.eq_ignore_ascii_case(URLENCODED) || kind.eq_ignore_ascii_case(MULTIPART);
    is_form && declared <= MAX_FORM && !class.hooks.stream_request_body
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// The type of a body, without its parameters.
fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = text.split_once(';').map_or(text, |(kind, _)| kind);
    kind.trim()
}

/// Reads the form of a request, which stays for its handler, and looks for the token in there. The error is the answer.
pub(super) async fn check_form(exchange: &Exchange, debug: bool) -> Result<(), Response<Reply>> {
    let app = &exchange.app;
    let Some(_place) = app.forms.enter() else {
        return Err(busy());
    };
    let headers = &exchange.head.headers;
    let look = |form: &[u8]| {
        let found = match content_type(headers).eq_ignore_ascii_case(MULTIPART) {
            true => field(headers, form),
            false => argument(form),
        };
        let cookie = cookie(app, headers);
        xsrf::check(cookie.as_deref(), found.as_deref())
    };
    let memory = app.forms.memory();
    let status = match exchange.look_ahead(memory, MAX_FORM, look).await {
        Ok(Some(Ok(()))) => return Ok(()),
        Ok(Some(Err(why))) => return Err(refuse_late(exchange, why, debug)),
        Ok(None) => return Err(refuse_late(exchange, Refused::Missing, debug)),
        Err(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        Err(BodyError::NoRoom) => return Err(busy()),
        Err(BodyError::Timeout) => StatusCode::REQUEST_TIMEOUT,
        Err(BodyError::Malformed | BodyError::Gone) => StatusCode::BAD_REQUEST,
    };
    Err(page::error(status))
}

fn refuse_late(exchange: &Exchange, why: Refused, debug: bool) -> Response<Reply> {
    let request_id = tracing::field::display(ShownId(exchange));
    let summary = exchange.summary();
    tracing::warn!(target: "general", request_id, "403 {summary}: {why}");
    page_of(&why, debug)
}

fn refused(why: impl std::fmt::Display, debug: bool) -> Response<Reply> {
    let mut response = page_of(&why, debug);
    response.extensions_mut().insert(Why(why.to_string()));
    response
}

fn page_of(why: &impl std::fmt::Display, debug: bool) -> Response<Reply> {
    match debug {
        true => page::traceback(StatusCode::FORBIDDEN, &format!("403: Forbidden: {why}")),
        false => page::error(StatusCode::FORBIDDEN),
    }
}

fn cookie<'a>(app: &App, headers: &'a HeaderMap) -> Option<std::borrow::Cow<'a, [u8]>> {
    cookies::find(headers, &app.protection.xsrf_cookie_name)
}

/// The token in a query or a form that is like one. As in Tornado, the last one counts, without the spaces around it.
fn argument(text: &[u8]) -> Option<Vec<u8>> {
    let pairs = url::form_urlencoded::parse(text);
    let named = pairs.filter(|(name, _)| name == ARGUMENT);
    let (_, value) = named.last()?;
    stripped(value.as_bytes())
}

fn stripped(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    (!value.is_empty()).then(|| value.to_vec())
}

/// The token in a form with parts. All of it is here, so nothing waits.
fn field(headers: &HeaderMap, form: &[u8]) -> Option<Vec<u8>> {
    let boundary = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = multer::parse_boundary(boundary).ok()?;
    let whole = Ok::<_, std::io::Error>(Bytes::copy_from_slice(form));
    let mut parts = multer::Multipart::new(stream::iter([whole]), boundary);
    let found = async {
        let mut found = None;
        while let Ok(Some(part)) = parts.next_field().await {
            if part.name() == Some(ARGUMENT) && part.file_name().is_none() {
                found = part.bytes().await.ok();
            }
        }
        found
    };
    stripped(&found.now_or_never()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_both_kinds_of_form() {
        assert_eq!(argument(b"a=b&_xsrf=+2%7C1+").unwrap(), b"2|1");
        assert_eq!(argument(b"_xsrf=1&_xsrf=2").unwrap(), b"2");
        assert_eq!(argument(b"_xsrf=&a=b"), None);
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("multipart/form-data; boundary=x");
        headers.insert(header::CONTENT_TYPE, kind);
        let part = |name: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let form = part("file", "_xsrf") + &part("_xsrf", "2|1") + "--x--\r\n";
        assert_eq!(field(&headers, form.as_bytes()).unwrap(), b"2|1");
        let other = part("a", "b") + "--x--\r\n";
        assert_eq!(field(&headers, other.as_bytes()), None);
        assert_eq!(field(&headers, b"no form"), None);
    }
}
