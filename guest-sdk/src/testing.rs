//! What the SDK's own tests share: futures that are ready, or are polled once.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::future::LocalBoxFuture;

pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of a future that is ready.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    match poll(pin!(future)) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Is ready when it is polled for the `turn`th time, and wakes in between.
pub async fn after<T>(turns: u32, output: T) -> T {
    for _ in 1..turns {
        crate::gen_::moment().await;
    }
    output
}

pub struct CountOnDrop(pub Rc<Cell<u32>>);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Looks at a future once.
pub fn look<T>(future: &mut LocalBoxFuture<T>) -> Poll<T> {
    poll(future.as_mut())
}

/// The output of a future that is ready.
pub fn goes<T>(future: &mut LocalBoxFuture<T>) -> T {
    match look(future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Several waits, one after the other.
pub fn waiters<'a, T>(
    count: usize,
    wait: impl Fn() -> LocalBoxFuture<'a, T>,
) -> Vec<LocalBoxFuture<'a, T>> {
    let mut all: Vec<_> = (0..count).map(|_| wait()).collect();
    all.iter_mut()
        .for_each(|one| assert!(look(one).is_pending()));
    all
}

/// Which of them continue.
pub fn gone(waiters: &mut [LocalBoxFuture<()>]) -> Vec<bool> {
    waiters.iter_mut().map(|one| look(one).is_ready()).collect()
}
