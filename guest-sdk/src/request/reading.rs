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

/// How far the reading in pieces has come.
#[derive(Default)]
pub struct Reading {
    /// A read that nobody waits for, if there is one.
    left: Cell<Option<Read>>,
    has_taken: Cell<bool>,
}

impl Reading {
    /// The next piece: that of the read that is under way, or of a new one.
    pub async fn next(&self, request: RequestId) -> Piece {
        let read = self.left.take();
        let read = read.unwrap_or_else(|| Box::pin(host::body_chunk(request)));
        let waiting = Waiting {
            place: &self.left,
            read: Some(read),
        };
        let piece = waiting.await;
        if let Ok(Some(_)) = piece {
            self.has_taken.set(true);
        }
        piece
    }

    /// Whether a piece was handed out.
    pub fn has_taken(&self) -> bool {
        self.has_taken.get()
    }

    pub fn is_under_way(&self) -> bool {
        let read = self.left.take();
        let is_under_way = read.is_some();
        self.left.set(read);
        is_under_way
    }

    /// Ends what is under way.
    pub fn give_up(&self) {
        drop(self.left.take());
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
