//! The socket beneath HTTP/2: what comes in is counted, until nobody listens any more.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::traffic::Traffic;
use crate::connection::Socket;

/// A stream whose reads are noted in a [`Traffic`].
#[derive(Debug)]
pub(super) struct MeteredIo<I> {
    io: I,
    traffic: Arc<Traffic>,
}

impl<I> MeteredIo<I> {
    pub(super) fn new(io: I, traffic: Arc<Traffic>) -> Self {
        Self { io, traffic }
    }
}

impl<I: Socket> AsyncRead for MeteredIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A socket closed with bytes unread is reset, and the reset can overtake what we said last: so a client that
        // is not listened to is heard out all the same, for as long as the connection lets it.
        let mut scrap = [0; 8192];
        while self.traffic.is_flooded() {
            let mut buf = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.traffic.read(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<I: Socket> AsyncWrite for MeteredIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
