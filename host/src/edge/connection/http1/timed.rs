//! The socket as hyper sees it: every read and write is noted, and what breaks the rules of framing is held back. It
//! never ends a connection by itself.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::activity::Activity;
use super::framing::{Breach, Framing};
use super::{LINGER, Refusal, Socket};

/// How many bytes of a client are heard that was hung up on.
const MAX_HEARD: usize = 64 * 1024 * 1024;

/// Up to so many bytes of several buffers are put together: to copy them takes less than to tell the system of each.
const AT_ONCE: usize = 1024;

/// A stream whose reads and writes are noted in an [`Activity`], and which closes in stages.
#[derive(Debug)]
pub(super) struct TimedIo<I> {
    io: I,
    activity: Arc<Activity>,
    framing: Framing,
    hung_up: bool,
    /// Bytes that came after that.
    heard: usize,
}

impl<I> TimedIo<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>, max_line: usize) -> Self {
        Self {
            io,
            activity,
            framing: Framing::new(max_line),
            hung_up: false,
            heard: 0,
        }
    }

    /// With what a head is to be refused that hyper was not shown whole.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.framing.breach().map(Breach::refusal)
    }

    /// Whether the client was told that nothing more is said. hyper leaves that to others where a request has asked for
    /// another protocol, though nobody answered that.
    pub(super) fn has_hung_up(&self) -> bool {
        self.hung_up
    }

    /// What hyper reads where something is held back.
    fn held_back(&self) -> Poll<io::Result<()>> {
        match self.framing.is_in_head() {
            // The connection sees to it when it is done with what was before.
            true => Poll::Pending,
            false => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        }
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

impl<I: Socket> TimedIo<I> {
    /// Answers a head that is to be refused.
    pub(super) async fn refuse(mut self, status: StatusCode) {
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let answered = async {
            self.write_all(answer.as_bytes()).await?;
            self.shutdown().await
        };
        let _ = timeout(LINGER, answered).await;
    }

    /// Says that nothing more is said, and hears the client out.
    pub(super) async fn hang_up(mut self) {
        let _ = timeout(LINGER, self.shutdown()).await;
    }
}

impl<I: Socket> AsyncRead for TimedIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.framing.breach().is_some() {
            return this.held_back();
        }
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buf) else {
            this.activity.starved(|| this.io.has_unread());
            return Poll::Pending;
        };
        read?;
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let passed = this.framing.read(fresh);
        this.activity.read(&this.framing);
        if this.framing.breach().is_some() {
            buf.set_filled(before + passed);
            if passed == 0 {
                return this.held_back();
            }
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
            let heard = buf.filled().len();
            self.heard += heard;
            if heard == 0 || self.heard > MAX_HEARD {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
