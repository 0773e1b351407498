//! The socket as hyper sees it. Every read and write is noted, and bytes that break the rules of framing are held
//! back. Never ends a connection by itself.

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

/// How many bytes of a client are read after the connection was closed for writing.
const MAX_HEARD: usize = 64 * 1024 * 1024;

/// Several buffers of at most this many bytes are copied into one: that takes less time than a system call for each.
const AT_ONCE: usize = 1024;

/// A stream whose reads and writes are noted in an [`Activity`], and which closes in stages.
#[derive(Debug)]
pub(super) struct TimedIo<I> {
    io: I,
    activity: Arc<Activity>,
    framing: Framing,
    hung_up: bool,
    /// The bytes that came after that.
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

    /// The stream itself.
    pub(super) fn into_inner(self) -> I {
        self.io
    }

    /// The refusal of a head that hyper did not get.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.framing.breach().map(Breach::refusal)
    }

    /// Whether the connection was closed for writing. hyper leaves that to others where a request has asked for
    /// another protocol, even if that was not granted.
    pub(super) fn has_hung_up(&self) -> bool {
        self.hung_up
    }

    /// What hyper reads where bytes are held back.
    fn held_back(&self) -> Poll<io::Result<()>> {
        match self.framing.is_in_head() {
            // The connection refuses it when it is done with what came before.
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

    /// Closes the connection for writing, and reads what the client still sends.
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

    /// Closes the connection for writing, then reads what the client still sends. A socket that is closed with unread
    /// bytes is reset, and the reset can overtake the answer (RFC 9112, 9.6).
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
