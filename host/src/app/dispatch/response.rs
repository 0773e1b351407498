//! What became of a request inside its guest, as HTTP. The table of answers is here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::reply::Reply;
use super::streamed::Streamed;
use super::{etag, length, page};
use crate::app::generation::Component;
use crate::guest::bindings;
use crate::guest::resources::{self, Answer, Exchange, Head, ShownId};

/// When a client for which there was no room may ask again.
const SOON: HeaderValue = HeaderValue::from_static("1");

pub(super) fn respond_to(
    exchange: &Exchange,
    answer: Answer,
    debug: bool,
    deadline: Option<Duration>,
    component: &Component,
) -> Response<Reply> {
    match answer {
        Answer::Response(response) => match guest_response(response) {
            Ok((mut response, said)) => {
                if let Err(problem) = length::settle(&exchange.head.method, said, &mut response) {
                    let request_id = tracing::field::display(ShownId(exchange));
                    let handler = component.handler_name(exchange.target.handler);
                    let summary = exchange.summary();
                    tracing::warn!(target: "app", request_id, "{summary}: {handler}: {problem}");
                }
                etag::settle(&exchange.head, &mut response);
                response
            }
            Err(problem) => {
                let request_id = tracing::field::display(ShownId(exchange));
                tracing::error!(target: "app", request_id, "{}: {problem}", exchange.summary());
                page::error(StatusCode::INTERNAL_SERVER_ERROR)
            }
        },
        Answer::Begun(begun) => streamed(*begun, deadline),
        Answer::Failed(failure) => match &failure.message {
            Some(message) if debug => page::traceback(page::status_of(&failure), message),
            _ => page::failure(&failure),
        },
        Answer::Trapped(trap) if debug => page::traceback(StatusCode::INTERNAL_SERVER_ERROR, &trap),
        Answer::Trapped(_) => page::error(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Overran | Answer::Lost => page::error(StatusCode::SERVICE_UNAVAILABLE),
        Answer::Unavailable(reason) => {
            let request_id = tracing::field::display(ShownId(exchange));
            tracing::error!(target: "app", request_id, "{}: {reason}", exchange.summary());
            page::error(StatusCode::SERVICE_UNAVAILABLE)
        }
        Answer::Busy => busy(),
        // Handshakes are answered elsewhere.
        Answer::Accepted(_) | Answer::Served => page::error(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Late => page::error(StatusCode::GATEWAY_TIMEOUT),
        // The client may still read.
        Answer::Gone => page::error(StatusCode::BAD_REQUEST),
    }
}

/// The answer where there is no room.
pub(super) fn busy() -> Response<Reply> {
    let mut response = page::error(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, SOON);
    response
}

/// A body that was late because there was no room is not the client's fault. The client may try again.
pub(super) fn blame_want_of_room(response: &mut Response<Reply>) {
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        *response = page::error(StatusCode::SERVICE_UNAVAILABLE);
    }
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.entry(header::RETRY_AFTER).or_insert(SOON);
    }
}

/// The length that a guest set for its body.
type Said = Result<Option<u64>, String>;

/// A guest's own response, if it may be sent, and the length that it set. The error says what is wrong, for its
/// author.
fn guest_response(guest: bindings::Response) -> Result<(Response<Reply>, Said), String> {
    let head = Head::of(guest.status, guest.reason, guest.headers)?;
    let said = head.content_length();
    let response = with_head(head, |status| {
        Reply::new(match is_bodiless(status) {
            true => Bytes::new(),
            false => guest.body.into(),
        })
    });
    Ok((response, said))
}

/// A guest's streamed response. `deadline`: how long its handler may continue when nobody waits for it.
fn streamed(begun: resources::StreamedResponse, deadline: Option<Duration>) -> Response<Reply> {
    let resources::StreamedResponse {
        head,
        length,
        has_body,
        pieces,
    } = begun;
    // The body tells hyper its length.
    let said = length.filter(|_| !has_body);
    let to_come = if has_body { length } else { Some(0) };
    let body = Streamed::new(pieces, to_come, deadline);
    let mut response = with_head(head, |_| Reply::streamed(body));
    if let Some(length) = said.filter(|_| response.status() != StatusCode::NO_CONTENT) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

fn with_head(head: Head, body: impl FnOnce(StatusCode) -> Reply) -> Response<Reply> {
    let status = StatusCode::from_u16(head.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(body(status));
    *response.status_mut() = status;
    *response.headers_mut() = head.headers;
    if let Some(phrase) = head.reason {
        response.extensions_mut().insert(phrase);
    }
    page::name_status(&mut response);
    page::sign(response.headers_mut());
    response
}

pub(super) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
