//! The body of a response, which tells its request when the connection has taken the last of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::invoke::Sent;

/// A whole body.
pub struct Reply {
    bytes: Bytes,
    sent: Option<Sent>,
}

impl Reply {
    /// A body that tells nobody.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, sent: None }
    }

    /// What is in it, until it is sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same, encoded.
    pub fn replace(&mut self, bytes: Bytes) {
        self.bytes = bytes;
    }

    /// Drops `sent` when the connection is done with this body.
    pub fn tells(&mut self, sent: Sent) {
        self.sent = Some(sent);
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
