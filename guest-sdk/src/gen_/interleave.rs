//! Starting a future now and awaiting it later.

use std::cell::RefCell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

/// Starts futures now and awaits them later: while `body` waits for anything, what it has
/// [started](Tasks::start) runs. Tornado's
/// [interleaving](https://www.tornadoweb.org/en/stable/guide/coroutines.html#interleaving), its `convert_yielded` and
/// asyncio's `create_task`.
///
/// What was started may use all that was there before `interleave`, `cx` and the handler's fields too. It ends with
/// its body, finished or not, and before that with its [`Started`]: nothing goes on that nobody can await any more.
/// For two things that are both known beforehand, [`join!`](crate::gen_::join) is simpler.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn chunk(number: u32) -> Result<Option<String>> { Ok(None) }
/// # async fn show(cx: &Context, chunk: String) -> Result { cx.write(chunk) }
/// # async fn get(cx: &Context) -> Result {
/// use waterspout_sdk::gen_::interleave;
///
/// interleave(async |tasks| {
///     let mut number = 0;
///     let mut next = tasks.start(chunk(number));
///     while let Some(chunk_) = next.await? {
///         number += 1;
///         next = tasks.start(chunk(number)); // is loaded …
///         show(cx, chunk_).await?; // … while this one is shown
///     }
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub async fn interleave<'env, T>(body: impl AsyncFnOnce(&Tasks<'env>) -> T) -> T {
    let tasks = Tasks {
        started: RefCell::default(),
    };
    let mut running = FuturesUnordered::new();
    let mut body = pin!(body(&tasks));
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(output) = body.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            running.extend(tasks.started.take());
            // One that has ended may be what the body waits for.
            let Poll::Ready(Some(())) = running.poll_next_unpin(cx) else {
                return Poll::Pending;
            };
        }
    })
    .await
}

/// Where the body of an [`interleave`] starts futures.
pub struct Tasks<'env> {
    started: RefCell<Vec<LocalBoxFuture<'env, ()>>>,
}

impl<'env> Tasks<'env> {
    /// Starts `future`: it runs from the body's next `await` on, whatever that waits for.
    pub fn start<T: 'env>(&self, future: impl Future<Output = T> + 'env) -> Started<'_, T> {
        let (mut sender, receiver) = oneshot::channel();
        self.started.borrow_mut().push(Box::pin(async move {
            let output = match select(pin!(future), pin!(sender.closed())).await {
                Either::Left((output, _)) => output,
                Either::Right(_) => return,
            };
            // The receiver may be gone.
            let _ = sender.send(output);
        }));
        Started {
            receiver,
            scope: PhantomData,
        }
    }
}

/// A future that runs, and is awaited for its output. Dropped, it ends.
#[must_use = "what was started ends when this is dropped"]
pub struct Started<'scope, T> {
    receiver: oneshot::Receiver<T>,
    /// The body of the `interleave`, outside of which nothing would run it.
    scope: PhantomData<&'scope ()>,
}

impl<T> Future for Started<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = Pin::new(&mut self.receiver).poll(cx);
        output
            .map(|output| output.unwrap_or_else(|_| unreachable!("it runs until this is dropped")))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};
    use std::rc::Rc;

    use futures_executor::block_on;
    use futures_util::task::noop_waker_ref;

    use super::*;
    use crate::testing::{CountOnDrop, after};

    #[test]
    fn what_was_started_runs_while_the_body_waits_for_something_else() {
        let log = RefCell::new(Vec::new());
        let say = |word| log.borrow_mut().push(word);
        let sum = block_on(interleave(async |tasks| {
            let started = tasks.start(async {
                say("started");
                after(2, ()).await;
                say("ended");
                1
            });
            say("body");
            after(5, ()).await;
            say("awaits");
            let more = tasks.start(ready(2));
            more.await + started.await
        }));
        assert_eq!(sum, 3);
        assert_eq!(log.take(), ["body", "started", "ended", "awaits"]);
    }

    #[test]
    fn what_was_started_ends_with_its_handle_and_with_the_body() {
        let dropped = Rc::new(Cell::new(0));
        let endless = || {
            let counted = CountOnDrop(dropped.clone());
            async move {
                let _counted = counted;
                pending::<()>().await
            }
        };
        block_on(interleave(async |tasks| {
            let (first, _second) = (tasks.start(endless()), tasks.start(endless()));
            after(2, ()).await;
            drop(first);
            after(2, ()).await;
            assert_eq!(dropped.get(), 1);
        }));
        assert_eq!(dropped.get(), 2);

        let mut whole = Box::pin(interleave(async |tasks| tasks.start(endless()).await));
        let cx = &mut Context::from_waker(noop_waker_ref());
        assert!(whole.as_mut().poll(cx).is_pending());
        drop(whole);
        assert_eq!(dropped.get(), 3);
    }
}
