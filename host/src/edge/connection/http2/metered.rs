//! The socket beneath HTTP/2. Input is counted. When input is no longer accepted, the client is told why, because
//! hyper can't do that.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use super::traffic::Traffic;
use crate::edge::connection::Socket;
use crate::edge::connection::opening::PREFACE;

const ENHANCE_YOUR_CALM: u32 = 11;

/// A stream whose reads are noted in a [`Traffic`].
#[derive(Debug)]
pub(super) struct MeteredIo<I> {
    io: I,
    traffic: Arc<Traffic>,
    heard: Frames,
    said: Frames,
    /// The frame that is still to be sent to a client whose input is ignored.
    last_words: Option<LastWords>,
}

/// A frame that is written in several steps.
#[derive(Debug)]
struct LastWords {
    frame: [u8; 17],
    written: usize,
}

impl<I> MeteredIo<I> {
    pub(super) fn new(io: I, traffic: Arc<Traffic>) -> Self {
        Self {
            io,
            traffic,
            heard: Frames::after(PREFACE.len()),
            said: Frames::after(0),
            last_words: None,
        }
    }
}

impl<I: Socket> MeteredIo<I> {
    /// Sends that frame, where no other frame is under way.
    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(words) = &mut self.last_words else {
            return Poll::Ready(Ok(()));
        };
        if words.written == 0 && !self.said.is_between() {
            return Poll::Ready(Ok(()));
        }
        while words.written < words.frame.len() {
            let rest = &words.frame[words.written..];
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                bytes => words.written += bytes,
            }
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

/// GOAWAY, behind this stream.
fn goaway(last_stream: u32) -> LastWords {
    let mut frame = [0; 17];
    frame[..5].copy_from_slice(&[0, 0, 8, 7, 0]);
    frame[9..13].copy_from_slice(&last_stream.to_be_bytes());
    frame[13..].copy_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
    LastWords { frame, written: 0 }
}

impl<I: Socket> AsyncRead for MeteredIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // A socket closed with unread bytes is reset, and the reset can overtake our last frame. So input that is
        // ignored is still read, as long as the connection lasts.
        let mut scrap = [0; 8192];
        while this.traffic.is_flooded() {
            if this.last_words.is_none() {
                this.last_words = Some(goaway(this.heard.last_stream()));
            }
            if let Poll::Ready(said) = this.poll_last_words(cx) {
                said?;
            }
            let mut buf = ReadBuf::new(&mut scrap);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        let bytes = &buf.filled()[before..];
        this.traffic.read(bytes.len(), this.heard.read(bytes));
        Poll::Ready(Ok(()))
    }
}

impl<I: Socket> AsyncWrite for MeteredIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_last_words(cx))?;
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.said.read(&buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_last_words(cx))?;
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let taken = left.min(buf.len());
            self.said.read(&buf[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_last_words(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
