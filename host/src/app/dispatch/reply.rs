//! The body of a response, whole or in pieces. It reports to its request when the connection has taken the last of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::compress::Encoder;
use super::streamed::{Cut, Streamed};
use crate::guest::invoke::Sent;
use crate::services::static_files::Pieces;

/// A body.
pub struct Reply {
    body: Payload,
    sent: Option<Sent>,
}

enum Payload {
    Whole(Bytes),
    /// Whole, and shared with other responses.
    Shared(Bytes),
    /// In a box, so that a whole body stays small.
    Streamed(Box<Streamed>),
    File(Box<Pieces>),
}

impl Reply {
    /// A body that reports to nobody.
    pub fn new(bytes: Bytes) -> Self {
        Self {
            body: Payload::Whole(bytes),
            sent: None,
        }
    }

    /// A body that is in memory anyway.
    pub fn shared(bytes: Bytes) -> Self {
        Self {
            body: Payload::Shared(bytes),
            sent: None,
        }
    }

    /// A part of a file.
    pub fn file(pieces: Pieces) -> Self {
        Self {
            body: Payload::File(Box::new(pieces)),
            sent: None,
        }
    }

    /// A body that is still being made.
    pub fn streamed(streamed: Streamed) -> Self {
        Self {
            body: Payload::Streamed(Box::new(streamed)),
            sent: None,
        }
    }

    /// The whole body, until it is sent. `None`: it is still being made.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.body {
            Payload::Whole(bytes) | Payload::Shared(bytes) => Some(bytes),
            Payload::Streamed(_) | Payload::File(_) => None,
        }
    }

    /// How many bytes are kept only until they are sent.
    pub fn own_length(&self) -> u64 {
        match &self.body {
            Payload::Whole(bytes) => bytes.len() as u64,
            Payload::Shared(_) | Payload::Streamed(_) | Payload::File(_) => 0,
        }
    }

    /// Whether it is read from a file.
    pub fn is_file(&self) -> bool {
        matches!(self.body, Payload::File(_))
    }

    /// Replaces the whole body by its encoded form.
    pub fn replace(&mut self, bytes: Bytes) {
        self.body = Payload::Whole(bytes);
    }

    /// Encodes the rest of a body that is still being made.
    pub fn encode(&mut self, encoder: Encoder) {
        if let Payload::Streamed(streamed) = &mut self.body {
            streamed.encode(encoder);
        }
    }

    /// Drops `sent` when the connection is done with this body.
    pub fn tells(&mut self, sent: Sent) {
        self.sent = Some(sent);
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.body {
            Payload::Whole(bytes) | Payload::Shared(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Payload::Streamed(streamed) => streamed.poll_frame(cx),
            Payload::File(pieces) => pieces.poll_piece(cx).map(|piece| {
                piece.map(|piece| match piece {
                    Ok(bytes) => Ok(Frame::data(bytes)),
                    Err(error) => {
                        tracing::error!(target: "general", "a static file breaks off: {error}");
                        Err(Cut)
                    }
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Payload::Whole(bytes) | Payload::Shared(bytes) => bytes.is_empty(),
            Payload::Streamed(streamed) => streamed.is_end_stream(),
            Payload::File(pieces) => pieces.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Payload::Whole(bytes) | Payload::Shared(bytes) => {
                SizeHint::with_exact(bytes.len() as u64)
            }
            Payload::Streamed(streamed) => streamed.size_hint(),
            Payload::File(pieces) => SizeHint::with_exact(pieces.left()),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let (Payload::Streamed(streamed), Some(sent)) = (&self.body, &self.sent) {
            streamed.tell(sent);
        }
    }
}
