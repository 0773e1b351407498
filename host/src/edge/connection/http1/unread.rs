//! A body that is not read to its end. The connection reads and drops it, up to a limit, so that it can serve the next
//! request. Does not know why the body is not read.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;

/// How many bytes of a body are read to be dropped.
pub(super) const MAX_DROPPED: u64 = 65_536;

/// How long a client may take to send them, once its response is sent.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// One body, shared by its reader, which may be on another thread, and its connection.
#[derive(Debug)]
pub(super) struct Unread(Mutex<State>);

#[derive(Debug)]
struct State {
    body: Holder,
    /// The bytes that were dropped.
    dropped: u64,
    /// The head of the response is made: what has no reader now will never have one.
    is_answered: bool,
    /// The response says that the connection closes behind it.
    closes: bool,
    /// More of it has come than was wanted.
    is_long: bool,
}

#[derive(Debug)]
enum Holder {
    /// At its reader. The connection is woken when it comes back.
    Away(Option<Waker>),
    /// Here, because it has no reader.
    Here(Incoming),
    /// It has ended, or was given up.
    Over,
    /// The same, and what follows it can't be trusted, or won't come.
    Failed,
}

impl Unread {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            body: Holder::Away(None),
            dropped: 0,
            is_answered: false,
            closes: false,
            is_long: false,
        }))
    }

    /// It has no reader any more, and this is left of it. Returns the waker to be called for that.
    #[must_use]
    pub(super) fn give_back(&self, incoming: Incoming, is_long: bool) -> Option<Waker> {
        let mut state = self.state();
        state.is_long = is_long;
        let place = match state.closes {
            true => Holder::Failed,
            false => Holder::Here(incoming),
        };
        match std::mem::replace(&mut state.body, place) {
            Holder::Away(waker) => waker,
            _ => None,
        }
    }

    /// Its reader is done with it. Returns the waker to be called for that: where the response is sent, nothing else
    /// would wake the connection.
    #[must_use]
    pub(super) fn end(&self) -> Option<Waker> {
        let mut state = self.state();
        let Holder::Away(waker) = &mut state.body else {
            return None;
        };
        let waker = waker.take();
        state.body = Holder::Over;
        waker.filter(|_| state.is_answered)
    }

    /// The head of the response is made. `closes`: it says that the connection closes. Then none of the body is read
    /// to be dropped.
    pub(super) fn answered(&self, closes: bool) {
        let mut state = self.state();
        state.is_answered = true;
        state.closes = closes;
        if closes && matches!(state.body, Holder::Here(_)) {
            over(state, Holder::Failed);
        }
    }

    /// Has hyper close the connection behind the response, because the rest of the body is not waited for.
    pub(super) fn give_up(&self) {
        over(self.state(), Holder::Failed);
    }

    pub(super) fn is_here(&self) -> bool {
        matches!(self.state().body, Holder::Here(_))
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self.state().body, Holder::Away(_))
    }

    pub(super) fn is_long(&self) -> bool {
        self.state().is_long
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state().body, Holder::Failed)
    }

    /// Drops what has come of it. `is_bounded`: it is known to end soon. Returns whether hyper must be polled again.
    pub(super) fn poll(&self, is_bounded: bool, cx: &mut Context<'_>) -> bool {
        let mut state = self.state();
        let is_answered = state.is_answered;
        let incoming = match &mut state.body {
            Holder::Away(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => *waker = Some(cx.waker().clone()),
                }
                return false;
            }
            Holder::Here(incoming) if is_answered => incoming,
            _ => return false,
        };
        let bytes = match Pin::new(incoming).poll_frame(cx) {
            Poll::Pending => return false,
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, |data| data.len() as u64),
            Poll::Ready(None) => return over(state, Holder::Over),
            Poll::Ready(Some(Err(_))) => return over(state, Holder::Failed),
        };
        state.dropped += bytes;
        if state.dropped > MAX_DROPPED && !is_bounded {
            return over(state, Holder::Failed);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn over(mut state: MutexGuard<'_, State>, end: Holder) -> bool {
    let before = std::mem::replace(&mut state.body, end);
    drop(state);
    drop(before);
    true
}
