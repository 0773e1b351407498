//! The read of a request's body that is under way, kept where its reader no longer waits. To drop it would be to lose
//! the piece that it has already. Reads nothing by itself.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::bindings::waterspout::web::request::{self as host, BodyError};
use crate::bindings::waterspout::web::types::RequestId;

type Piece = Result<Option<Vec<u8>>, BodyError>;
type Read = Pin<Box<dyn Future<Output = Piece>>>;

/// A read that nobody waits for, if there is one.
#[derive(Default)]
pub struct Reading(Cell<Option<Read>>);

impl Reading {
    /// The next piece: that of the read that is under way, or of a new one.
    pub async fn next(&self, request: RequestId) -> Piece {
        let read = self.0.take();
        let read = read.unwrap_or_else(|| Box::pin(host::body_chunk(request)));
        let waiting = Waiting {
            place: &self.0,
            read: Some(read),
        };
        waiting.await
    }

    pub fn is_under_way(&self) -> bool {
        let read = self.0.take();
        let is_under_way = read.is_some();
        self.0.set(read);
        is_under_way
    }

    /// Ends what is under way.
    pub fn give_up(&self) {
        drop(self.0.take());
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading(…)")
    }
}

/// Who waits for a read, and puts it back if it is dropped before.
struct Waiting<'a> {
    place: &'a Cell<Option<Read>>,
    read: Option<Read>,
}

impl Future for Waiting<'_> {
    type Output = Piece;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Piece> {
        let read = self.read.as_mut().expect("it is polled until it is ready");
        let piece = ready!(read.as_mut().poll(task));
        self.read = None;
        Poll::Ready(piece)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.read.is_some() {
            self.place.set(self.read.take());
        }
    }
}
