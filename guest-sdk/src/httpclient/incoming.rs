//! The body of a response as it arrives. A read continues when it is not awaited. What it has read is there for the
//! next reader, also after a read was dropped.

use std::cell::Cell;
use std::future::{IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use wit_bindgen::{FutureReader, StreamReader, StreamResult};

use crate::runtime::bindings::wasi::http::types::{ErrorCode, Trailers};
use crate::runtime::kept::Kept;

/// How much is read in one step.
///
/// Memory for it is needed during the wait, for each fetch of an instance.
const PIECE: usize = 16 * 1024;

type End = Result<Option<Trailers>, ErrorCode>;
type Piece = Result<Option<Vec<u8>>, ErrorCode>;

pub struct Incoming {
    wait: Kept,
    place: Rc<Place>,
}

/// The state while nothing is read.
struct Place {
    /// Until its end.
    stream: Cell<Option<StreamReader<u8>>>,
    /// The result after the stream's end.
    ending: Cell<Option<FutureReader<End>>>,
    /// A piece that was read and not taken.
    piece: Cell<Option<Piece>>,
    is_over: Cell<bool>,
}

impl Incoming {
    pub fn new((stream, ending): (StreamReader<u8>, FutureReader<End>)) -> Self {
        Self {
            wait: Kept::default(),
            place: Rc::new(Place {
                stream: Cell::new(Some(stream)),
                ending: Cell::new(Some(ending)),
                piece: Cell::new(None),
                is_over: Cell::new(false),
            }),
        }
    }

    /// The next piece; none at the end.
    pub fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Piece> {
        loop {
            if let Some(piece) = self.place.piece.take() {
                return Poll::Ready(piece);
            }
            if self.place.is_over.get() {
                return Poll::Ready(Ok(None));
            }
            ready!(self.wait.poll(task, || Box::pin(read(self.place.clone()))));
        }
    }
}

impl Place {
    fn end(&self, ended: End) {
        self.is_over.set(true);
        self.piece.set(Some(ended.map(|_| None)));
    }
}

/// Reads until there is a piece, or the end.
async fn read(place: Rc<Place>) {
    if let Some(stream) = place.stream.take() {
        let mut stream = Returned {
            stream: Some(stream),
            place: &place,
        };
        while let Some(reader) = &mut stream.stream {
            let (result, piece) = read_once(reader, &place).await;
            if !piece.is_empty() {
                place.piece.set(Some(Ok(Some(piece))));
                return;
            }
            if result == StreamResult::Dropped {
                stream.stream = None;
            }
        }
    }
    if let Some(ending) = place.ending.take() {
        let ended = read_end(ending, &place).await;
        place.end(ended);
    }
}

async fn read_once(reader: &mut StreamReader<u8>, place: &Place) -> (StreamResult, Vec<u8>) {
    let reading = pin!(reader.read(Vec::with_capacity(PIECE)));
    or_given_up(reading, |reading| {
        let (_, piece) = reading.cancel();
        if !piece.is_empty() {
            place.piece.set(Some(Ok(Some(piece))));
        }
    })
    .await
}

async fn read_end(ending: FutureReader<End>, place: &Place) -> End {
    let reading = pin!(ending.into_future());
    or_given_up(reading, |reading| match reading.cancel() {
        Ok(ended) => place.end(ended),
        Err(ending) => place.ending.set(Some(ending)),
    })
    .await
}

/// A stream that goes back to its place when this is dropped.
struct Returned<'a> {
    stream: Option<StreamReader<u8>>,
    place: &'a Place,
}

impl Drop for Returned<'_> {
    fn drop(&mut self) {
        self.place.stream.set(self.stream.take());
    }
}

/// Reads to the end, unless it is given up. If it is ready at that moment, `give_up` has the result.
async fn or_given_up<F: Future>(
    reading: Pin<&mut F>,
    give_up: impl FnMut(Pin<&mut F>),
) -> F::Output {
    let mut read = Read {
        reading: Some(reading),
        give_up,
    };
    poll_fn(|task| {
        let Some(reading) = &mut read.reading else {
            return Poll::Pending;
        };
        let output = ready!(reading.as_mut().poll(task));
        read.reading = None;
        Poll::Ready(output)
    })
    .await
}

struct Read<'a, F, G: FnMut(Pin<&mut F>)> {
    /// Until it is ready.
    reading: Option<Pin<&'a mut F>>,
    give_up: G,
}

impl<F, G: FnMut(Pin<&mut F>)> Drop for Read<'_, F, G> {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.take() {
            (self.give_up)(reading);
        }
    }
}
