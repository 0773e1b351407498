//! What comes before the first request of some connections: the TLS handshake, and finding out which HTTP is spoken.
//! Reads no request.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::maybe_done;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::{FRESH, Socket};
use crate::config::Limits;
use crate::tls::Tls;

/// The beginning of every HTTP/2 connection (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Does the TLS handshake, and returns whether the client wants HTTP/2. `None`: it failed.
pub(super) async fn handshake<I: Socket>(
    io: I,
    tls: &Tls,
    limits: &Limits,
    stop: impl Future<Output = ()>,
) -> Option<(TlsStream<I>, bool)> {
    let acceptor = TlsAcceptor::from(tls.config().clone());
    let io = within(limits.header_timeout, acceptor.accept(io), stop).await?;
    let is_http2 = io.get_ref().1.alpn_protocol() == Some(b"h2");
    Some((io, is_http2))
}

/// Reads what tells HTTP/2 from HTTP/1, and returns which it is. `None`: the connection ended.
pub(super) async fn preface<I: Socket>(
    mut io: I,
    limits: &Limits,
    stop: impl Future<Output = ()>,
) -> Option<(Prefaced<I>, bool)> {
    let mut stop = pin!(maybe_done(stop));
    let mut begin = [0; PREFACE.len()];
    let first = io.read(&mut begin);
    let mut length = within(limits.idle_connection_timeout, first, stop.as_mut()).await?;
    let since = Instant::now();
    let reading = async {
        while length > 0 && length < PREFACE.len() && PREFACE.starts_with(&begin[..length]) {
            match io.read(&mut begin[length..]).await? {
                0 => break,
                bytes => length += bytes,
            }
        }
        Ok(())
    };
    within(limits.header_timeout, reading, stop).await?;
    let is_http2 = length == PREFACE.len() && begin == *PREFACE;
    let begun = Prefaced {
        io,
        begin,
        next: 0,
        length,
        since,
    };
    Some((begun, is_http2))
}

/// Waits for `opening` as long as `limit`, and only for a short time when the connection is to stop.
async fn within<T>(
    limit: Option<Duration>,
    opening: impl Future<Output = io::Result<T>>,
    stop: impl Future<Output = ()>,
) -> Option<T> {
    let stopped = async {
        stop.await;
        tokio::time::sleep(FRESH).await;
    };
    let opened = async {
        match limit {
            Some(limit) => timeout(limit, opening)
                .await
                .unwrap_or_else(|late| Err(late.into())),
            None => opening.await,
        }
    };
    tokio::select! {
        opened = opened => opened
            .inspect_err(|error| debug!(target: "general", %error, "a connection came to nothing"))
            .ok(),
        () = stopped => None,
    }
}

impl<I: Socket> Socket for TlsStream<I> {
    fn has_unread(&self) -> bool {
        self.get_ref().0.has_unread()
    }

    fn set_nodelay(&self, nodelay: bool) {
        self.get_ref().0.set_nodelay(nodelay);
    }
}

/// A stream whose first bytes were read, and are read again.
#[derive(Debug)]
pub(super) struct Prefaced<I> {
    io: I,
    begin: [u8; PREFACE.len()],
    next: usize,
    length: usize,
    since: Instant,
}

impl<I> Prefaced<I> {
    /// When the first byte came, where one has.
    pub(super) fn since(&self) -> Option<Instant> {
        (self.length > 0).then_some(self.since)
    }
}

impl<I: Socket> Socket for Prefaced<I> {
    fn has_unread(&self) -> bool {
        self.next < self.length || self.io.has_unread()
    }

    fn set_nodelay(&self, nodelay: bool) {
        self.io.set_nodelay(nodelay);
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Prefaced<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.next == self.length {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let end = self.length.min(self.next + buf.remaining());
        buf.put_slice(&self.begin[self.next..end]);
        self.next = end;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Prefaced<I> {
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
