//! A request's body as the floors between the connection and the guest know it. Reads nothing by itself.

mod gunzip;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, SizeHint};

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

/// What a body may take. `None` means "off".
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes, however it is framed.
    pub max_size: u64,
    /// From the first read to the last byte.
    pub timeout: Option<Duration>,
}

/// A body whose limits can be set by who knows what it is for.
pub trait Source: Body<Data = Bytes, Error = BodyError> + Send + Unpin {
    /// Ends with an error past `max_size` bytes.
    fn set_max_size(&mut self, max_size: u64);

    /// Ends with an error when it took longer, from its first read or from now on, whichever is later.
    fn set_timeout(&mut self, timeout: Option<Duration>);
}

/// A body that is still on its way. All of it is in one box: few requests have one.
pub struct RequestBody(Box<Inner<dyn Source>>);

struct Inner<B: ?Sized> {
    /// What the configuration allows.
    most: BodyLimits,
    max_size: u64,
    trailers: Option<Box<HeaderMap>>,
    body: B,
}

impl RequestBody {
    /// Wraps a body that keeps these limits.
    pub fn new(mut body: impl Source + 'static, limits: BodyLimits) -> Self {
        body.set_max_size(limits.max_size);
        body.set_timeout(limits.timeout);
        Self(Box::new(Inner {
            most: limits,
            max_size: limits.max_size,
            trailers: None,
            body,
        }))
    }

    /// How much may come at most.
    pub fn max_size(&self) -> u64 {
        let exact = self.0.body.size_hint().exact();
        exact.unwrap_or(self.0.max_size)
    }

    /// Sets how much may come, but never more than the configuration allows.
    pub fn set_max_size(&mut self, max_size: u64) {
        let max_size = max_size.min(self.0.most.max_size);
        self.0.max_size = max_size;
        self.0.body.set_max_size(max_size);
    }

    /// Sets how long it may take, but never longer than the configuration allows.
    pub fn set_timeout(&mut self, timeout: Duration) {
        let most = self.0.most.timeout.unwrap_or(timeout);
        self.0.body.set_timeout(Some(timeout.min(most)));
    }

    /// What came after its end, which was read.
    pub fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.0.trailers.take()
    }

    /// What its framing promises.
    pub fn size_hint(&self) -> SizeHint {
        self.0.body.size_hint()
    }

    /// The next piece that is not empty; `None` at the end. Trailers are kept.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let body = &mut self.0.body;
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
            let Some(frame) = frame.transpose()? else {
                return Ok(None);
            };
            match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                Ok(_) => {}
                Err(frame) => self.0.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
    }
}
