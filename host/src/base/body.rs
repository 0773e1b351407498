//! A request's body, for the floors between the connection and the guest. Reads nothing by itself.

mod gunzip;
mod readers;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

pub use gunzip::Gunzip;
pub use readers::Readers;

/// Why a request's body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is, or was declared, larger than `max_body_size`.
    TooLarge,
    /// It did not arrive within `body_timeout`.
    Timeout,
    /// Its framing is broken.
    Malformed,
    /// The client left in the middle of it.
    Gone,
    /// It did not arrive within `body_timeout`, because there was no room for it.
    NoRoom,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the request's body is too large",
            Self::Timeout => "the request's body came too late",
            Self::Malformed => "the request's body is malformed",
            Self::Gone => "the client left before its request's body was complete",
            Self::NoRoom => "there was no room for the request's body within its time",
        })
    }
}

impl std::error::Error for BodyError {}

/// The limits of a body. `None` means "off".
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// In bytes, however it is framed.
    pub max_size: u64,
    /// From the first read to the last byte.
    pub timeout: Option<Duration>,
}

/// A body whose limits can be set later.
pub trait Source: Body<Data = Bytes, Error = BodyError> + Send + Unpin {
    /// Ends with an error past `max_size` bytes.
    fn set_max_size(&mut self, max_size: u64);

    /// Ends with an error when it took longer, from its first read or from now on, whichever is later.
    fn set_timeout(&mut self, timeout: Option<Duration>);

    /// Ready when it has taken too long, though it is not polled because there is no room for more of it.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A body that has not ended, with the part that has come and was not taken. All of it is in one box: few requests
/// have one.
pub struct RequestBody(Box<Inner<dyn Source>>);

struct Inner<B: ?Sized> {
    /// The limits of the configuration.
    most: BodyLimits,
    max_size: u64,
    timeout: Option<Duration>,
    want_of_room: WantOfRoom,
    /// How much has come, taken or not.
    arrived: u64,
    /// What a read of the whole has collected.
    whole: Vec<u8>,
    /// What follows that.
    next: Next,
    trailers: Option<Box<HeaderMap>>,
    readers: Readers,
    body: B,
}

/// How long a body had to wait because there was no room for it.
#[derive(Default)]
struct WantOfRoom {
    since: Option<Instant>,
    before: Duration,
}

impl WantOfRoom {
    fn begin(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.before = self.sum();
        self.since = None;
    }

    fn sum(&self) -> Duration {
        let now = self.since.map(|since| since.elapsed());
        self.before.saturating_add(now.unwrap_or_default())
    }
}

/// The room that a body asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// This many bytes of it. More are to come.
    Growing(u64),
    /// This many bytes, which are all.
    Whole(u64),
}

/// What was last read of a body, until it is taken.
enum Next {
    Unknown,
    Piece(Bytes),
    End,
}

impl RequestBody {
    /// Wraps a body that keeps these limits.
    pub fn new(mut body: impl Source + 'static, limits: BodyLimits) -> Self {
        body.set_max_size(limits.max_size);
        body.set_timeout(limits.timeout);
        Self(Box::new(Inner {
            most: limits,
            max_size: limits.max_size,
            timeout: limits.timeout,
            want_of_room: WantOfRoom::default(),
            arrived: 0,
            whole: Vec::new(),
            next: Next::Unknown,
            trailers: None,
            readers: Readers::default(),
            body,
        }))
    }

    /// The most that there may be to take when all of it has come.
    fn most(&self) -> u64 {
        let framed = self.0.body.size_hint().exact();
        self.kept()
            + match self.0.next {
                Next::End => 0,
                Next::Unknown | Next::Piece(_) => framed.unwrap_or(u64::MAX).min(self.0.max_size),
            }
    }

    /// The least that there will be to take, as its framing promises.
    pub fn promised(&self) -> u64 {
        self.kept() + self.0.body.size_hint().lower()
    }

    fn kept(&self) -> u64 {
        let next = match &self.0.next {
            Next::Piece(piece) => piece.len(),
            Next::Unknown | Next::End => 0,
        };
        (self.0.whole.len() + next) as u64
    }

    /// Sets the size limit, which is never above the configuration's. The error is that more has come already and was
    /// not taken.
    pub fn set_max_size(&mut self, max_size: u64) -> Result<(), BodyError> {
        let max_size = max_size.min(self.0.most.max_size);
        self.0.max_size = max_size;
        self.0.body.set_max_size(max_size);
        self.0.readers.wake();
        match self.kept() > 0 && self.0.arrived > max_size {
            true => Err(BodyError::TooLarge),
            false => Ok(()),
        }
    }

    /// Sets the time limit, which is never above the configuration's.
    pub fn set_timeout(&mut self, timeout: Duration) {
        let most = self.0.most.timeout.unwrap_or(timeout);
        self.0.timeout = Some(timeout.min(most));
        self.0.want_of_room = WantOfRoom::default();
        self.0.body.set_timeout(self.0.timeout);
        // A waiting reader must look at the new time limit.
        self.0.readers.wake();
    }

    /// What came after its end, which was read.
    pub fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.0.trailers.take()
    }

    /// The readers of the body.
    pub fn readers(&mut self) -> &mut Readers {
        &mut self.0.readers
    }

    /// Ready when there is something to take: a piece or the end. It stays here until then, so a dropped read loses
    /// nothing.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        match self.0.whole.is_empty() {
            true => self.poll_next(cx),
            false => Poll::Ready(Ok(())),
        }
    }

    /// What there is to take, never empty: `Some(None)` at the end. What a read of the whole has collected is one
    /// piece.
    pub fn take_chunk(&mut self) -> Option<Option<Bytes>> {
        let inner = &mut *self.0;
        if !inner.whole.is_empty() {
            return Some(Some(std::mem::take(&mut inner.whole).into()));
        }
        match std::mem::replace(&mut inner.next, Next::Unknown) {
            Next::Unknown => None,
            Next::Piece(piece) => Some(Some(piece)),
            Next::End => {
                inner.next = Next::End;
                Some(None)
            }
        }
    }

    /// Ready when all has come, or `most` bytes of it. It is kept in memory that grows with what comes, whatever was
    /// announced; `poll_room` is ready when there is room for that.
    pub fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
        most: u64,
        mut poll_room: impl FnMut(Room, &mut Context<'_>) -> Poll<()>,
    ) -> Poll<Result<(), BodyError>> {
        loop {
            ready!(self.poll_next(cx))?;
            let kept = self.kept();
            if kept > most {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            if matches!(self.0.next, Next::End) {
                let room = poll_room(Room::Whole(kept), cx);
                return self.poll_room(room, cx);
            }
            if kept > self.0.whole.capacity() as u64 {
                let step = self.step().clamp(kept, most);
                let mut room = poll_room(Room::Growing(step), cx).map(|()| step);
                if room.is_pending() && step > kept {
                    room = poll_room(Room::Growing(kept), cx).map(|()| kept);
                }
                let room = match room {
                    Poll::Ready(room) => room,
                    Poll::Pending => return self.poll_room(Poll::Pending, cx),
                };
                self.0.want_of_room.end();
                let more = room - self.0.whole.len() as u64;
                let more = usize::try_from(more).unwrap_or_default();
                self.0.whole.reserve_exact(more);
            }
            let inner = &mut *self.0;
            if let Next::Piece(piece) = std::mem::replace(&mut inner.next, Next::Unknown) {
                inner.whole.extend_from_slice(&piece);
            }
        }
    }

    /// How much room to make next: twice of what there is, but no more than can come.
    fn step(&self) -> u64 {
        const LEAST: u64 = 4096;
        let twice = self.0.whole.capacity() as u64 * 2;
        twice.max(LEAST).min(self.most())
    }

    /// Where there is no room, the time limit still counts, and then this is why the body is late.
    fn poll_room(&mut self, room: Poll<()>, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let inner = &mut *self.0;
        if room.is_ready() {
            inner.want_of_room.end();
            return Poll::Ready(Ok(()));
        }
        inner.want_of_room.begin();
        inner.readers.waits(cx.waker());
        ready!(inner.body.poll_late(cx));
        Poll::Ready(Err(BodyError::NoRoom))
    }

    /// All that was not taken, once it has come. It stays.
    pub fn whole(&self) -> Option<&[u8]> {
        matches!(self.0.next, Next::End).then_some(&self.0.whole)
    }

    /// All that was not taken before, once it has come.
    pub fn take_whole(&mut self) -> Option<Vec<u8>> {
        let inner = &mut *self.0;
        matches!(inner.next, Next::End).then(|| std::mem::take(&mut inner.whole))
    }

    /// Ready when it is known what comes next. Trailers are kept.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let inner = &mut *self.0;
        while matches!(inner.next, Next::Unknown) {
            let Poll::Ready(frame) = Pin::new(&mut inner.body).poll_frame(cx) else {
                inner.readers.waits(cx.waker());
                return Poll::Pending;
            };
            let frame = frame.transpose().map_err(|error| {
                let waited = inner.want_of_room.sum();
                let is_ours = inner.timeout.is_some_and(|timeout| waited > timeout / 2);
                match error {
                    BodyError::Timeout if is_ours => BodyError::NoRoom,
                    error => error,
                }
            })?;
            let Some(frame) = frame else {
                inner.next = Next::End;
                break;
            };
            match frame.into_data() {
                Ok(data) if !data.is_empty() => {
                    inner.arrived += data.len() as u64;
                    inner.next = Next::Piece(data);
                }
                Ok(_) => {}
                Err(frame) => inner.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        Poll::Ready(Ok(()))
    }
}
