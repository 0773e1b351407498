//! A response whose body is read piece by piece.

use std::fmt;

use http::HeaderMap;

use crate::httpclient::exchange::{Clock, Sent};
use crate::httpclient::response::{HttpClientError, HttpResponse};
use crate::httputil::usual_reason;

/// A response whose body is still to be read.
#[non_exhaustive]
pub struct StreamedResponse {
    /// The status.
    pub code: u16,
    /// The usual reason of that status.
    pub reason: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The URL that answered, at the end of all redirects.
    pub effective_url: String,
    sent: Sent,
    clock: Clock,
}

impl StreamedResponse {
    pub(super) fn new(mut sent: Sent, effective_url: String, clock: Clock) -> Self {
        Self {
            code: sent.code,
            reason: usual_reason(sent.code).to_owned(),
            headers: std::mem::take(&mut sent.headers),
            effective_url,
            sent,
            clock,
        }
    }

    /// The next piece of the body, never empty; none at its end. The server sends no faster than this is called.
    /// Nothing is lost where this future is dropped before it is ready, as `with_timeout` does it: the next call goes
    /// on.
    pub async fn body_chunk(&mut self) -> Result<Option<Vec<u8>>, HttpClientError> {
        self.sent.piece(&mut self.clock).await
    }

    /// All that is left of the body, up to `most`.
    pub(super) async fn read_to_end(&mut self, most: usize) -> Result<Vec<u8>, HttpClientError> {
        let mut body = Vec::new();
        while let Some(piece) = self.body_chunk().await? {
            if body.len() + piece.len() > most {
                let message = format!("The body is larger than max_body_size, {most} bytes");
                return Err(HttpClientError::new(599, message));
            }
            // A body of one piece is not copied.
            match body.is_empty() {
                true => body = piece,
                false => body.extend_from_slice(&piece),
            }
        }
        Ok(body)
    }

    pub(super) fn whole(self, body: Vec<u8>) -> HttpResponse {
        HttpResponse {
            code: self.code,
            reason: self.reason,
            headers: self.headers,
            body,
            effective_url: self.effective_url,
            request_time: self.clock.elapsed(),
        }
    }
}

impl fmt::Debug for StreamedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedResponse")
            .field("code", &self.code)
            .field("headers", &self.headers)
            .field("effective_url", &self.effective_url)
            .finish_non_exhaustive()
    }
}
