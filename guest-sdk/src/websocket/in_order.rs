//! The order of what one instance sends to one socket while there is no room: nothing overtakes what waits. Does not know
//! what is sent.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Semaphore;

use crate::runtime::bindings::waterspout::sockets::sockets::Error;

thread_local! {
    /// The sockets that have no room, each with those who wait for it.
    static WAITING: RefCell<BTreeMap<u64, Rc<Semaphore>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Sends something: immediately, or once there is room and all that came before it is sent.
pub(super) async fn send_in_order<R: Future<Output = Result<(), Error>>>(
    socket: u64,
    send: impl Fn() -> Result<(), Error>,
    ready: impl Fn() -> R,
) -> Result<(), Error> {
    if !WAITING.with_borrow(|waiting| waiting.contains_key(&socket)) {
        match send() {
            Err(Error::Full) => {}
            sent => return sent,
        }
    }
    let place = Place::new(socket);
    let _turn = place.queue.acquire().await;
    loop {
        ready().await?;
        match send() {
            Err(Error::Full) => {}
            sent => return sent,
        }
    }
}

/// A place among those who wait for room in a socket.
struct Place {
    socket: u64,
    queue: Rc<Semaphore>,
}

impl Place {
    fn new(socket: u64) -> Self {
        let queue = WAITING.with_borrow_mut(|waiting| {
            let queue = waiting.entry(socket);
            queue.or_insert_with(|| Rc::new(Semaphore::new(1))).clone()
        });
        Self { socket, queue }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|waiting| {
            // The map's, and this one.
            if Rc::strong_count(&self.queue) == 2 {
                waiting.remove(&self.socket);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use std::future::{poll_fn, ready};
    use std::task::Poll;

    use futures_util::future::LocalBoxFuture;

    use super::*;
    use crate::testing::{goes, look};

    /// A socket with room for a number of messages, and what it has got.
    #[derive(Default)]
    struct Socket {
        room: Cell<usize>,
        sent: RefCell<Vec<u32>>,
    }

    impl Socket {
        fn send(&self, message: u32) -> LocalBoxFuture<'_, Result<(), Error>> {
            let send = move || {
                if self.room.get() == 0 {
                    return Err(Error::Full);
                }
                self.room.set(self.room.get() - 1);
                self.sent.borrow_mut().push(message);
                Ok(())
            };
            let ready = || {
                poll_fn(|_| match self.room.get() {
                    0 => Poll::Pending,
                    _ => Poll::Ready(Ok(())),
                })
            };
            Box::pin(send_in_order(1, send, ready))
        }
    }

    fn waiting() -> usize {
        WAITING.with_borrow(BTreeMap::len)
    }

    #[test]
    fn what_there_is_room_for_goes_immediately() {
        let socket = Socket::default();
        socket.room.set(2);
        goes(&mut socket.send(1)).unwrap();
        goes(&mut socket.send(2)).unwrap();
        assert_eq!((socket.sent.take(), waiting()), (vec![1, 2], 0));
    }

    #[test]
    fn nothing_overtakes_what_waits() {
        let socket = Socket::default();
        let (mut first, mut second) = (socket.send(1), socket.send(2));
        assert!(look(&mut first).is_pending());
        assert!(look(&mut second).is_pending());
        socket.room.set(3);
        let mut third = socket.send(3);
        assert!(look(&mut third).is_pending());
        assert!(look(&mut second).is_pending());
        for future in [&mut first, &mut second, &mut third] {
            // The turn is given when it is over.
            let _ = look(future);
        }
        drop((first, second, third));
        assert_eq!((socket.sent.take(), waiting()), (vec![1, 2, 3], 0));
    }

    #[test]
    fn one_that_is_dropped_while_it_waits_is_not_sent() {
        let socket = Socket::default();
        let (mut first, mut second) = (socket.send(1), socket.send(2));
        assert!(look(&mut first).is_pending());
        assert!(look(&mut second).is_pending());
        drop(first);
        socket.room.set(1);
        goes(&mut second).unwrap();
        drop(second);
        assert_eq!((socket.sent.take(), waiting()), (vec![2], 0));
    }

    #[test]
    fn the_wait_ends_with_the_socket() {
        let closed = Box::pin(send_in_order(
            1,
            || Err(Error::Full),
            || ready(Err(Error::Closed)),
        ));
        let mut closed: LocalBoxFuture<_> = closed;
        assert!(matches!(goes(&mut closed), Err(Error::Closed)));
        drop(closed);
        assert_eq!(waiting(), 0);
    }
}
