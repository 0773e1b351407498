//! The socket as hyper sees it: every read and write is noted. It never ends a connection by
//! itself.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::activity::{Activity, Heard};
use super::{LINGER, Socket};

const URI_TOO_LONG: &[u8] =
    b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Up to so many bytes of several buffers are put together: to copy them takes less than to tell the system of each.
const AT_ONCE: usize = 1024;

/// A stream whose reads and writes are noted in an [`Activity`], and which closes in stages.
#[derive(Debug)]
pub(super) struct TimedIo<I> {
    io: I,
    activity: Arc<Activity>,
    heard: Heard,
    max_line: usize,
    line_is_too_long: bool,
    hung_up: bool,
}

impl<I> TimedIo<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>, max_line: usize) -> Self {
        Self {
            io,
            activity,
            heard: Heard::default(),
            max_line,
            line_is_too_long: false,
            hung_up: false,
        }
    }

    /// Whether reading has failed at a request line that reached the limit.
    pub(super) fn line_is_too_long(&self) -> bool {
        self.line_is_too_long
    }

    /// Answers such a line: hyper would have taken it for a head too large.
    pub(super) async fn refuse_line(mut self)
    where
        I: Socket,
    {
        self.line_is_too_long = false;
        let answered = async {
            self.write_all(URI_TOO_LONG).await?;
            self.shutdown().await
        };
        let _ = timeout(LINGER, answered).await;
    }

    fn note_write(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.activity.wrote(*bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.stalled(),
        }
        written
    }
}

impl<I: Socket> AsyncRead for TimedIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buf) else {
            this.activity.starved(|| this.io.has_unread());
            return Poll::Pending;
        };
        read?;
        let fresh = &buf.filled()[before..];
        if !fresh.is_empty() && this.activity.read(fresh, &mut this.heard) >= this.max_line {
            this.line_is_too_long = true;
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Socket> AsyncWrite for TimedIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.note_write(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        let written = if length <= AT_ONCE {
            let mut space = [MaybeUninit::uninit(); AT_ONCE];
            let mut whole = ReadBuf::uninit(&mut space);
            bufs.iter().for_each(|buf| whole.put_slice(buf));
            Pin::new(&mut self.io).poll_write(cx, whole.filled())
        } else {
            Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
        };
        self.note_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Hangs up, then hears out a client that is still sending: a socket closed with bytes unread
    /// is reset, and the reset can overtake the answer (RFC 9112, 9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line_is_too_long {
            // `refuse_line` has the last word.
            return Poll::Ready(Ok(()));
        }
        if !self.hung_up {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.hung_up = true;
            if !self.activity.closing() {
                return Poll::Ready(Ok(()));
            }
        }
        let mut scrap = [0; 8192];
        while !self.activity.is_deaf() {
            let mut buf = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
