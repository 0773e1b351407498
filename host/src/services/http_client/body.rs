//! A response's body as it comes. It is no faster than its reader, and each piece has a time limit. Keeps its turn
//! under `max_clients`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::fault::Fault;

/// What comes from the server.
pub struct Incoming {
    body: hyper::body::Incoming,
    between: Duration,
    /// The deadline of the next piece, while it is waited for.
    late: Option<Pin<Box<Sleep>>>,
    /// Given back at the end.
    turn: Option<OwnedSemaphorePermit>,
}

impl Incoming {
    pub fn new(
        body: hyper::body::Incoming,
        between: Duration,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let turn = turn.filter(|_| !body.is_end_stream());
        Self {
            body,
            between,
            late: None,
            turn,
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.late = None;
            if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
                this.turn = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Fault::of_body)));
        }
        let (between, now) = (this.between, Instant::now());
        let late = this.late.get_or_insert_with(|| {
            let until = now.checked_add(between);
            Box::pin(tokio::time::sleep_until(
                until.unwrap_or(now + super::OTHER_TIMEOUT),
            ))
        });
        ready!(late.as_mut().poll(cx));
        this.turn = None;
        Poll::Ready(Some(Err(Fault::ReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
