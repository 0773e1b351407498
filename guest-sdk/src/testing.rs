//! What the SDK's own tests share: futures that are ready, or are polled once.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
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
