//! A large body that is complete: it is sent by flushes, so that the host has no more of it in memory than its client
//! is about to take. Says nothing of what is in it.

use std::cell::Cell;
use std::pin::Pin;

use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderName, Method};

use crate::runtime::bindings::waterspout::web::response::{self as host, FlushError, ResponseHead};
use crate::runtime::bindings::waterspout::web::types::Response;
use crate::web::context::Context;

/// How long a piece is. A body that is no longer is sent whole. The host would take more, and then have as much in
/// memory for each client that is slow.
const MAX_PIECE: usize = 64 * 1024;

/// The longest body of which the host makes an `ETag`, for which it has to have all of it.
const MAX_HASHED: usize = 1 << 20;

/// How much of such bodies one instance keeps at a time. More goes to the host as a whole, which knows which
/// connection to cut off. This memory must be enough for all handlers.
const MAX_KEPT: usize = 4 << 20;

thread_local! {
    static KEPT: Cell<usize> = const { Cell::new(0) };
}

/// Whether a response has a body that is better sent in pieces.
pub(crate) fn is_large(response: &Response) -> bool {
    response.body.len() > MAX_PIECE
}

impl Context {
    /// Sends all of a large body except its last piece, which stays in the response.
    pub(crate) fn send_in_pieces(
        &self,
        response: Response,
    ) -> Pin<Box<dyn Future<Output = Response> + '_>> {
        Box::pin(self.send_most_of(response))
    }

    async fn send_most_of(&self, mut response: Response) -> Response {
        let length = response.body.len();
        let is_begun = self.is_flushed();
        if !is_begun && self.is_the_hosts(&response) {
            return response;
        }
        let Some(_kept) = Kept::new(length) else {
            return response;
        };
        let mut head = (!is_begun).then(|| head(&response, length));
        let last = (length - 1) / MAX_PIECE * MAX_PIECE;
        for piece in response.body[..last].chunks(MAX_PIECE) {
            let brings_head = head.is_some();
            let sent = host::flush(self.request.number(), head.take(), piece.to_vec()).await;
            match sent {
                Ok(()) => {}
                // The host says what is wrong with the head, as with any other.
                Err(FlushError::Invalid(_)) if brings_head => return response,
                Err(_) => break,
            }
        }
        response.body.drain(..last);
        response
    }

    /// Whether the host has to have the whole: it makes the `ETag`, compares it with the client's, or looks whether the
    /// length is what the handler says.
    fn is_the_hosts(&self, response: &Response) -> bool {
        let find = |name: HeaderName| {
            let mut headers = response.headers.iter();
            headers.find(|(other, _)| *other == name.as_str())
        };
        let has_etag = |method: &Method| {
            let is_asked = matches!(*method, Method::GET | Method::HEAD);
            is_asked
                && match find(ETAG) {
                    Some((_, etag)) => !etag.is_empty(),
                    None => response.body.len() <= MAX_HASHED,
                }
        };
        find(CONTENT_LENGTH).is_some()
            || (response.status == 200 && has_etag(self.request.method()))
    }
}

fn head(response: &Response, length: usize) -> ResponseHead {
    let mut headers = response.headers.clone();
    let length = length.to_string().into_bytes();
    headers.push((CONTENT_LENGTH.as_str().to_owned(), length));
    ResponseHead {
        status: response.status,
        reason: response.reason.clone(),
        headers,
    }
}

/// The memory of one body that is sent in pieces.
struct Kept(usize);

impl Kept {
    fn new(length: usize) -> Option<Self> {
        let kept = KEPT.get().checked_add(length)?;
        (kept <= MAX_KEPT).then(|| {
            KEPT.set(kept);
            Self(length)
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.set(KEPT.get() - self.0);
    }
}
