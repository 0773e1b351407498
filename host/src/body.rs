//! A request's body as the floors between the connection and the guest know it. Reads nothing by itself.

mod gunzip;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use http_body::{Body, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

pub use gunzip::Gunzip;

/// Why a request's body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is, or was declared, larger than `max_body_size`.
    TooLarge,
    /// It did not arrive within `body_timeout`.
    Timeout,
    /// Its framing is broken.
    Malformed,
    /// The client went away in the middle of it.
    Gone,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the request's body is too large",
            Self::Timeout => "the request's body came too late",
            Self::Malformed => "the request's body is malformed",
            Self::Gone => "the client left before its request's body was complete",
        })
    }
}

impl std::error::Error for BodyError {}

/// A body that is still on its way.
pub struct RequestBody {
    body: UnsyncBoxBody<Bytes, BodyError>,
    max_size: u64,
}

impl RequestBody {
    /// Wraps a body that ends with an error past `max_size` bytes.
    pub fn new(
        body: impl Body<Data = Bytes, Error = BodyError> + Send + 'static,
        max_size: u64,
    ) -> Self {
        Self {
            body: body.boxed_unsync(),
            max_size,
        }
    }

    /// How much may come at most.
    pub fn max_size(&self) -> u64 {
        self.body.size_hint().exact().unwrap_or(self.max_size)
    }

    /// What its framing promises.
    pub fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// The next piece that is not empty; `None` at the end. Trailers are passed over.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await;
            let Some(frame) = frame.transpose()? else {
                return Ok(None);
            };
            match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            }
        }
    }
}
