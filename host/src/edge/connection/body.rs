//! The body of a request. Never reads before it is asked to.

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
/// It stays on the wire until it is polled. Only then is a client that sent `Expect` told to continue. When the body
/// is dropped early, the connection reads and drops the rest, up to a limit. After an error that leaves no rest, the
/// connection closes behind the response.
#[derive(Debug)]
pub struct IncomingBody {
    /// What is told how the body ends, until it has ended.
    account: Option<Account>,
    /// Until this is dropped.
    incoming: Option<Incoming>,
    /// The rest of it can't be had.
    has_failed: bool,
    is_too_large: bool,
    taken: u64,
    max_size: u64,
    has_begun: bool,
    /// The time limit, until the first poll turns it into a deadline.
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

    /// Only a body that is waited for can be late. Data that has come is handed out at any time.
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

/// What a connection keeps of a body that has not ended.
#[derive(Debug)]
pub(super) enum Account {
    /// In HTTP/1: its exchange is not over.
    Reading(Reading),
    /// In HTTP/2: how much of it was read.
    Stream(Stream),
}

/// The kind of an error. hyper gives what it could not parse the kind of an I/O error; all else means that the client
/// is gone.
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
