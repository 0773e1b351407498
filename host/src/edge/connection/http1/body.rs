//! The body of a response as HTTP/1 needs it. Holds nothing of the connection except its exchange.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

use super::activity::Answering;
use crate::base::backlog::{Backlog, Charge, FREE};

/// A response's body, or none. It keeps its exchange open until hyper has taken all of it.
#[derive(Debug)]
pub(super) struct ResponseBody<B> {
    body: Option<B>,
    /// The charge for bytes in memory, where they are many. For a whole body: until it is taken.
    charge: Option<Box<Charge>>,
    unsent: Backlog,
    answering: Answering,
}

impl<B> ResponseBody<B> {
    /// `held`: how much of it is in memory.
    pub(super) fn new(body: Option<B>, held: u64, unsent: &Backlog, answering: Answering) -> Self {
        let mut this = Self {
            body,
            charge: None,
            unsent: unsent.clone(),
            answering,
        };
        this.charge = this.charge(held);
        this
    }

    fn charge(&self, bytes: u64) -> Option<Box<Charge>> {
        (bytes > FREE).then(|| Box::new(self.answering.activity().charge(&self.unsent, bytes)))
    }
}

impl<B: Body<Data: Buf> + Unpin> Body for ResponseBody<B> {
    type Data = Chunk<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
        let chunk = |data: B::Data| {
            let charge = self.charge.take();
            let charge = charge.or_else(|| {
                let bytes = data.remaining() as u64;
                // Of a body that is still being made, another piece may wait behind this one.
                (bytes > FREE).then(|| self.charge(bytes * 2)).flatten()
            });
            Chunk {
                data,
                _charge: charge,
            }
        };
        Poll::Ready(frame.map(|frame| Ok(frame?.map_data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// Bytes that count as held in memory until they are written.
#[derive(Debug)]
pub(super) struct Chunk<D> {
    data: D,
    _charge: Option<Box<Charge>>,
}

impl<D: Buf> Buf for Chunk<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.data.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}
