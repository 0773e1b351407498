//! Whether a request may be sent again, after its kept connection was closed by the server, and what of its body is
//! left for that (RFC 9110, section 9.2.2). Sends nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, Response};
use http_body::{Body, Frame, SizeHint};
use hyper_util::client::legacy;
use tokio::sync::oneshot;

use super::{Failure, Outgoing};

/// Whether a response has come by a connection. The connector makes it, and each response carries it.
#[derive(Clone, Default)]
pub struct Answered(Arc<AtomicBool>);

impl Answered {
    /// Notes that one has.
    pub fn note<B>(response: &Response<B>) {
        if let Some(Self(answered)) = response.extensions().get() {
            answered.store(true, Relaxed);
        }
    }

    /// Whether this happened to a connection that was kept from an earlier request. Its server may have closed it
    /// before it saw this one.
    pub fn before(error: &legacy::Error) -> bool {
        let mut extras = Extensions::new();
        if let Some(connection) = error.connect_info() {
            connection.get_extras(&mut extras);
        }
        let answered = extras.get::<Self>();
        answered.is_some_and(|Self(answered)| answered.load(Relaxed))
    }
}

/// A body that is given back, where its request ended before any of it was read.
pub struct Untouched {
    body: Option<Outgoing>,
    back: Option<oneshot::Sender<Outgoing>>,
}

impl Untouched {
    /// A body, and where it is given back.
    pub fn new(body: Outgoing) -> (Self, oneshot::Receiver<Outgoing>) {
        let (back, receiver) = oneshot::channel();
        let body = Self {
            body: Some(body),
            back: Some(back),
        };
        (body, receiver)
    }

    /// A body that is not given back.
    pub fn last(body: Outgoing) -> Self {
        Self {
            body: Some(body),
            back: None,
        }
    }
}

impl Body for Untouched {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_some() {
            this.back = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for Untouched {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits for it where there is a response.
            let _ = back.send(body);
        }
    }
}
