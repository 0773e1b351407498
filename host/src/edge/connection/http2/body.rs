//! The body of a response as HTTP/2 needs it. It is under way until the client has taken the last of its bytes, which
//! hyper keeps after the body itself has ended.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

use super::traffic::Stream;

/// A response's body, or none.
#[derive(Debug)]
pub(super) struct ResponseBody<B> {
    body: Option<B>,
    stream: Stream,
}

impl<B> ResponseBody<B> {
    pub(super) fn new(body: Option<B>, stream: Stream) -> Self {
        Self { body, stream }
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
        let frame = Pin::new(body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining);
                self.stream.ready(bytes);
            }
            Poll::Ready(_) => {}
            Poll::Pending => self.stream.idle(),
        }
        let chunk = |data| Chunk {
            data,
            stream: self.stream.clone(),
        };
        frame.map(|frame| Some(frame?.map(|frame| frame.map_data(chunk))))
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

/// Bytes that report to their stream when the connection takes some of them.
#[derive(Debug)]
pub(super) struct Chunk<D> {
    data: D,
    stream: Stream,
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
        self.stream.progressed(count);
    }
}
