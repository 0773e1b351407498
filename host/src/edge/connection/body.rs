//! The body of a request. It never reads before it is asked to.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::http1::Reading;
use super::http2::Stream;
use crate::base::body::{BodyError, Source};
use crate::config::Limits;

/// A request's body, within the limits of the server.
///
/// It stays on the wire until it is polled, and only then is a client that `Expect`s it told to
/// go on. When it is dropped early, the connection reads the rest of it and drops that, within bounds; after an error
/// that leaves no rest it closes behind the response.
#[derive(Debug)]
pub struct IncomingBody {
    /// Whom it tells what becomes of it, until its end.
    account: Option<Account>,
    /// Until this is dropped.
    incoming: Option<Incoming>,
    /// The rest of it can't be had.
    has_failed: bool,
    is_too_large: bool,
    taken: u64,
    max_size: u64,
    has_begun: bool,
    /// Until the first poll makes a deadline of it.
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl IncomingBody {
    pub(super) fn new(
        incoming: Incoming,
        limits: &Limits,
        account: impl FnOnce() -> Account,
    ) -> Self {
        Self {
            account: (!incoming.is_end_stream()).then(account),
            incoming: Some(incoming),
            has_failed: false,
            is_too_large: false,
            taken: 0,
            max_size: limits.max_body_size,
            has_begun: false,
            timeout: limits.body_timeout,
            deadline: None,
            timer: None,
        }
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let Some(frame) = ready!(Pin::new(incoming).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|error| body_error(&error))?;
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.taken += bytes;
        if self.taken > self.max_size {
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        if let Some(Account::Stream(stream)) = &self.account {
            stream.took(bytes);
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // hyper may not say so before the next request, where the response has ended first.
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        if self.size_hint().lower() > self.max_size.saturating_sub(self.taken) {
            self.is_too_large = true;
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        self.has_begun = true;
        if let Some(timeout) = self.timeout.take() {
            self.deadline = Some(Instant::now() + timeout);
        }
        let frame = match self.poll_incoming(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.poll_late(cx));
                Some(Err(BodyError::Timeout))
            }
        };
        match &frame {
            Some(Err(BodyError::TooLarge)) => self.is_too_large = true,
            Some(Err(_)) => self.has_failed = true,
            Some(Ok(_)) if !self.is_end_stream() => {}
            Some(Ok(_)) | None => self.account = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Source for IncomingBody {
    fn set_max_size(&mut self, max_size: u64) {
        self.max_size = max_size;
    }

    fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timer = None;
        match self.has_begun {
            true => self.deadline = timeout.map(|timeout| Instant::now() + timeout),
            false => self.timeout = timeout,
        }
    }

    /// Only a body that somebody waits for can be late: one that is here is handed out at any time.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        self.timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)))
            .as_mut()
            .poll(cx)
    }
}

impl Drop for IncomingBody {
    fn drop(&mut self) {
        let (Some(Account::Reading(reading)), Some(incoming)) =
            (self.account.take(), self.incoming.take())
        else {
            return;
        };
        match self.has_failed {
            true => reading.fail(),
            false => reading.abandon(incoming, self.is_too_large),
        }
    }
}

/// What a connection keeps of a body that is on its way.
#[derive(Debug)]
pub(super) enum Account {
    /// In HTTP/1: that its exchange is not over.
    Reading(Reading),
    /// In HTTP/2: how much of it was wanted.
    Stream(Stream),
}

/// hyper marks what it could not parse with the kind of an I/O error; all else is the client's
/// going.
fn body_error(error: &hyper::Error) -> BodyError {
    let kind = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => BodyError::Malformed,
        _ => BodyError::Gone,
    }
}
