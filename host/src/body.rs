//! A request's body as the floors between the connection and the guest know it. Reads nothing by itself.

mod gunzip;
mod readers;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

pub use gunzip::Gunzip;
pub use readers::Readers;

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

/// A body that is still on its way, with what has come of it and was not taken. All of it is in one box: few requests
/// have one.
pub struct RequestBody(Box<Inner<dyn Source>>);

struct Inner<B: ?Sized> {
    /// What the configuration allows.
    most: BodyLimits,
    max_size: u64,
    /// How much has come, whether it was taken or not.
    arrived: u64,
    /// What a read of the whole has put together.
    whole: Vec<u8>,
    /// What follows that.
    next: Next,
    trailers: Option<Box<HeaderMap>>,
    readers: Readers,
    body: B,
}

/// What was seen of a body last, until it is taken.
enum Next {
    Unknown,
    Piece(Bytes),
    End,
}

impl RequestBody {
    /// Wraps a body that keeps these limits.
    pub fn new(mut body: impl Source + 'static, limits: BodyLimits) -> Self {
        body.set_max_size(limits.max_size);
        body.set_timeout(limits.timeout);
        Self(Box::new(Inner {
            most: limits,
            max_size: limits.max_size,
            arrived: 0,
            whole: Vec::new(),
            next: Next::Unknown,
            trailers: None,
            readers: Readers::default(),
            body,
        }))
    }

    /// How much may be there to take at most, when all of it has come.
    pub fn most(&self) -> u64 {
        let framed = self.0.body.size_hint().exact();
        self.kept()
            + match self.0.next {
                Next::End => 0,
                Next::Unknown | Next::Piece(_) => framed.unwrap_or(u64::MAX).min(self.0.max_size),
            }
    }

    /// How much will be there to take at least, as its framing promises.
    pub fn promised(&self) -> u64 {
        self.kept() + self.0.body.size_hint().lower()
    }

    fn kept(&self) -> u64 {
        let next = match &self.0.next {
            Next::Piece(piece) => piece.len(),
            Next::Unknown | Next::End => 0,
        };
        (self.0.whole.len() + next) as u64
    }

    /// Sets how much may come, but never more than the configuration allows. The error is that more has come already,
    /// and was not taken.
    pub fn set_max_size(&mut self, max_size: u64) -> Result<(), BodyError> {
        let max_size = max_size.min(self.0.most.max_size);
        self.0.max_size = max_size;
        self.0.body.set_max_size(max_size);
        self.0.readers.wake();
        match self.kept() > 0 && self.0.arrived > max_size {
            true => Err(BodyError::TooLarge),
            false => Ok(()),
        }
    }

    /// Sets how long it may take, but never longer than the configuration allows.
    pub fn set_timeout(&mut self, timeout: Duration) {
        let most = self.0.most.timeout.unwrap_or(timeout);
        self.0.body.set_timeout(Some(timeout.min(most)));
        // Who waits has to look at the new clock.
        self.0.readers.wake();
    }

    /// What came after its end, which was read.
    pub fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.0.trailers.take()
    }

    /// Who reads it, and who waits for that.
    pub fn readers(&mut self) -> &mut Readers {
        &mut self.0.readers
    }

    /// Ready when there is something to take: a piece or the end. It stays here until then, so nothing is lost where
    /// nobody comes back for it.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        match self.0.whole.is_empty() {
            true => self.poll_next(cx),
            false => Poll::Ready(Ok(())),
        }
    }

    /// What there is to take, never empty: `Some(None)` at the end. What was put together for a read of the whole is
    /// one piece.
    pub fn take_chunk(&mut self) -> Option<Option<Bytes>> {
        let inner = &mut *self.0;
        if !inner.whole.is_empty() {
            return Some(Some(std::mem::take(&mut inner.whole).into()));
        }
        match std::mem::replace(&mut inner.next, Next::Unknown) {
            Next::Unknown => None,
            Next::Piece(piece) => Some(Some(piece)),
            Next::End => {
                inner.next = Next::End;
                Some(None)
            }
        }
    }

    /// Ready when all is here. `has_room` says whether so many bytes may be.
    pub fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
        mut has_room: impl FnMut(u64) -> bool,
    ) -> Poll<Result<(), BodyError>> {
        loop {
            ready!(self.poll_next(cx))?;
            if !has_room(self.kept()) {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            let promised = self.promised();
            let inner = &mut *self.0;
            match std::mem::replace(&mut inner.next, Next::Unknown) {
                Next::Piece(piece) => {
                    if inner.whole.is_empty() {
                        let promised = usize::try_from(promised).unwrap_or_default();
                        inner.whole.reserve_exact(promised);
                    }
                    inner.whole.extend_from_slice(&piece);
                }
                end => {
                    inner.next = end;
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// All that was not taken before, once it is here.
    pub fn take_whole(&mut self) -> Option<Vec<u8>> {
        let inner = &mut *self.0;
        matches!(inner.next, Next::End).then(|| std::mem::take(&mut inner.whole))
    }

    /// Ready when it is known what comes next. Trailers are kept.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let inner = &mut *self.0;
        while matches!(inner.next, Next::Unknown) {
            let Poll::Ready(frame) = Pin::new(&mut inner.body).poll_frame(cx) else {
                inner.readers.waits(cx.waker());
                return Poll::Pending;
            };
            let Some(frame) = frame.transpose()? else {
                inner.next = Next::End;
                break;
            };
            match frame.into_data() {
                Ok(data) if !data.is_empty() => {
                    inner.arrived += data.len() as u64;
                    inner.next = Next::Piece(data);
                }
                Ok(_) => {}
                Err(frame) => inner.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        Poll::Ready(Ok(()))
    }
}
