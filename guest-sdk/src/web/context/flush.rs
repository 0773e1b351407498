//! A response that is sent piece by piece. Says nothing of what is in it.

use anyhow::{bail, ensure};
use http::{HeaderName, HeaderValue};

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::response::{self as host, FlushError, ResponseHead};
use crate::web::context::Context;
use crate::web::response::{header, wire};

impl Context {
    /// Sends what was written so far, and before it the head: Tornado's
    /// [`flush`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.flush). After it,
    /// [`write`](Self::write) adds to the body; the head can't be changed any more.
    ///
    /// It waits until the client has taken what was flushed before: a handler is never much faster than its reader.
    /// `deadline` counts until the first flush. A body whose `Content-Length` was set has to have that length; any
    /// other is sent in chunks. There is no `ETag` but one that was set.
    ///
    /// An error where the client is gone: the handler ends with it, unless it was cancelled before. An error in a
    /// handler that has flushed makes no page: the connection is cut, so that no client takes the body for whole.
    /// So it is, too, where a flush is not waited for to its end.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use std::time::Duration;
    /// # async fn get(cx: &Context) -> Result {
    /// for second in 1..=3 {
    ///     cx.write(format!("{second} "))?;
    ///     cx.flush().await?;
    ///     sleep(Duration::from_secs(1)).await;
    /// }
    /// cx.write("done")
    /// # }
    /// ```
    pub async fn flush(&self) -> Result {
        ensure!(!self.is_finished(), "Cannot flush() after finish()");
        let _turn = self.turn().await;
        let (mut head, body) = {
            let mut response = self.response.borrow_mut();
            let body = std::mem::take(&mut response.body);
            (response.take_head(), body)
        };
        if head.is_none() && body.is_empty() {
            return self.send(None, body).await;
        }
        // Whole, where it is not too long: what is split has to be copied.
        if body.len() <= MAX_PIECE {
            return self.send(head, body).await;
        }
        for piece in body.chunks(MAX_PIECE) {
            self.send(head.take(), piece.to_vec()).await?;
        }
        Ok(())
    }

    /// Sets a trailer, a field that follows the body of a response that was [flushed](Self::flush), in place of others
    /// of that name. The header `Trailer` has to name it. Clients over HTTP/1.1 get it only where they said
    /// `TE: trailers`, and no client with a `Content-Length`.
    ///
    /// An error where HTTP allows no such name or value, or the head is not out or names no such trailer.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.set_header("Trailer", "X-Rows")?;
    /// let mut rows = 0;
    /// for row in ["a", "b"] {
    ///     cx.write(row)?;
    ///     cx.flush().await?;
    ///     rows += 1;
    /// }
    /// cx.set_trailer("X-Rows", rows)
    /// # }
    /// ```
    pub fn set_trailer<N, V>(&self, name: N, value: V) -> Result
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let (name, value) = header(name, value)?;
        ensure!(self.is_flushed(), "Cannot set a trailer before flush()");
        let trailers = {
            let mut response = self.response.borrow_mut();
            response.trailers.retain(|(other, _)| *other != name);
            response.trailers.push((name, value));
            response
                .trailers
                .iter()
                .cloned()
                .map(wire)
                .collect::<Vec<_>>()
        };
        host::set_trailers(self.request.number(), &trailers).or_else(refuse)
    }

    async fn send(&self, head: Option<ResponseHead>, piece: Vec<u8>) -> Result {
        let brings_head = head.is_some();
        let sent = host::flush(self.request.number(), head, piece).await;
        if brings_head && matches!(sent, Err(FlushError::Invalid(_))) {
            // It may be the head that was wrong. Then there will be another.
            self.response.borrow_mut().is_flushed = false;
        }
        sent.or_else(refuse)
    }

    /// Waits until no other flush is under way. A handler may have futures side by side, each of which flushes.
    async fn turn(&self) -> Turn<'_> {
        while self.response.borrow().is_flushing {
            self.flushed.notified().await;
        }
        self.response.borrow_mut().is_flushing = true;
        Turn(self)
    }
}

/// The longest piece that the host takes.
const MAX_PIECE: usize = 1 << 20;

/// The flush that is under way.
struct Turn<'a>(&'a Context);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.response.borrow_mut().is_flushing = false;
        self.0.flushed.notify_waiters();
    }
}

fn refuse(error: FlushError) -> Result {
    match error {
        FlushError::Gone => bail!("the client is gone"),
        FlushError::Invalid(why) | FlushError::Other(why) => bail!(why),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{self, Wake, Waker};

    use super::*;
    use crate::testing::{block_on, poll};

    struct Silent;

    impl Wake for Silent {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_flush_that_waits_is_known_once_and_one_that_was_dropped_not_at_all() {
        let cx = Context::of_test(1);
        let first = block_on(cx.turn());
        let silent = Arc::new(Silent);
        let waker = Waker::from(silent.clone());
        let known = || Arc::strong_count(&silent) - 2;
        let mut task = task::Context::from_waker(&waker);
        {
            let mut second = pin!(cx.turn());
            for _ in 0..1000 {
                assert!(second.as_mut().poll(&mut task).is_pending());
            }
            assert_eq!(known(), 1);
        }
        assert_eq!(known(), 0);
        let mut third = pin!(cx.turn());
        assert!(poll(third.as_mut()).is_pending());
        drop(first);
        let _turn = block_on(third);
    }
}
