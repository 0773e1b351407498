//! A connection that carries a WebSocket: frames in both directions, pings, and the end. Knows neither what uses it nor how
//! it was opened.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;
use tracing::debug;

use super::incoming::{Closed, Event, Message};
use super::outgoing::Outgoing;
use crate::base::timer::Timer;
use crate::base::websocket::{self, Deflate, Reader, Received, Role, Writer, code};

/// How long a peer may take to answer our close frame, as Tornado has it.
const TO_CLOSE: Duration = Duration::from_secs(5);

/// How many bytes are read at once.
const AT_ONCE: usize = 32 * 1024;

/// How many bytes of frames are made before they are written.
const BATCH: usize = 64 * 1024;

/// How long a compressor is kept that nothing is sent with.
const QUIET: Duration = Duration::from_secs(5);

/// What a connection is carried for, and where its messages go: a socket of this server, or one that a guest has opened
/// to another.
pub trait Endpoint {
    /// Wakes this task when there is something to be sent, or room for events.
    fn listen(&self, cx: &Context<'_>);

    /// Hands out what waits, as long as it is wanted, and says how things are. The task that listens is woken where it is
    /// to be cut off.
    fn turn(&self, cx: &mut Context<'_>, take: Option<Take<'_>>) -> Turn;

    /// Whether there is room for another event. Else the task that listens is woken when there is.
    fn has_room(&self) -> bool;

    fn hears_pings(&self) -> bool;

    fn hears_pongs(&self) -> bool;

    /// Something has come.
    fn arrived(&self, event: Event);

    /// Nothing more comes. The task that listens is woken when it is idle.
    fn hears_no_more(&self);

    /// This many bytes are kept, of messages that are not whole.
    fn keeps(&self, bytes: usize);

    /// Whether all that has come was told, as far as the answer to the peer's end waits for that.
    fn is_idle(&self) -> bool;

    /// Messages with so many bytes were taken, to be sent.
    fn sent(&self, messages: u64, bytes: u64);

    /// The peer took so many bytes.
    fn took(&self, bytes: usize);

    /// Begins to close. Nothing happens where that has begun already.
    fn close(&self, farewell: Option<(u16, String)>);

    /// Whether it wants to write by itself while the task rests.
    fn writes_by_itself(&self) -> bool {
        false
    }

    /// The task rests, and until its next turn frames may be written to this descriptor by others. `None`: not any more.
    fn rests(&self, descriptor: Option<RawFd>) {
        let _ = descriptor;
    }
}

/// Takes what waits. `false`: no more is wanted.
pub type Take<'t> = &'t mut dyn FnMut(Outgoing) -> bool;

/// How an endpoint is.
pub struct Turn {
    /// The connection is to end without a word.
    pub is_cut: bool,
    /// Whether small pieces are to go out immediately, if that has changed.
    pub nodelay: Option<bool>,
    /// Whether there is room for another event. Else the task that listens is woken when there is.
    pub has_room: bool,
    /// Whether more waits to be sent.
    pub has_more: bool,
    /// Whether it wants to know what the peer takes.
    pub counts: bool,
    /// What is said at the end, once all else was handed out. `None`: it stays open, or there is more.
    pub farewell: Option<Option<(u16, String)>>,
}

/// What a connection is carried by.
pub struct Terms {
    pub role: Role,
    pub deflate: Option<Deflate>,
    pub pings: Pings,
    /// Bytes of a message from the peer.
    pub max_message: usize,
    /// `None`: the peer may take as long as it likes.
    pub progress: Option<Progress>,
}

/// Tornado's `websocket_ping_interval` and `websocket_ping_timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pings {
    /// `None`: none are sent.
    pub interval: Option<Duration>,
    /// How long the answer may take; `None`: as long as the interval.
    pub timeout: Option<Duration>,
}

/// What the peer has to take, or it is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub within: Duration,
    /// In bytes.
    pub least: u64,
}

/// What a connection is beside bytes.
pub struct Wire<I> {
    /// For TCP_NODELAY.
    pub set_nodelay: fn(&I, bool),
    /// Where bytes can be written as they are, if there is such a place.
    pub descriptor: fn(&I) -> Option<RawFd>,
}

impl<I> Default for Wire<I> {
    fn default() -> Self {
        Self {
            set_nodelay: |_, _| {},
            descriptor: |_| None,
        }
    }
}

/// Others write no more to a connection when this is dropped.
struct Resting<'e, E: Endpoint>(&'e E);

impl<E: Endpoint> Drop for Resting<'_, E> {
    fn drop(&mut self) {
        self.0.rests(None);
    }
}

/// Carries messages until the end, and says how the peer has closed. `read`: what has come behind the handshake already.
/// The stream is handed back for [`hang_up`].
pub async fn carry<I, E>(
    io: I,
    read: Bytes,
    endpoint: &E,
    terms: Terms,
    wire: Wire<I>,
) -> (Closed, I)
where
    I: AsyncRead + AsyncWrite + Unpin,
    E: Endpoint,
{
    let mut reader = Reader::new(terms.role, terms.max_message, terms.deflate.as_ref());
    reader.push(&read);
    let mut carrier = Carrier {
        io,
        reader,
        kept: 0,
        writer: Writer::new(terms.role, terms.deflate),
        clock: Clock::new(terms.pings, terms.progress),
        pong: None,
        closing: Closing::No,
        is_blocked: false,
        has_room: true,
        counts: false,
        wire,
        endpoint,
    };
    // Behind the carrier, and so dropped before its connection is.
    let _resting = Resting(endpoint);
    let closed = poll_fn(|cx| carrier.poll(cx)).await;
    endpoint.rests(None);
    (closed, carrier.io)
}

/// Closes the connection for writing, and hears the peer out: a socket that is closed with unread bytes is reset, and
/// the reset can overtake the close frame.
pub async fn hang_up(mut io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    /// How much is heard.
    const MOST: usize = 4 << 20;
    io.shutdown().await?;
    let mut scrap = [0; 1024];
    let mut heard = 0;
    while heard < MOST {
        match io.read(&mut scrap).await? {
            0 => break,
            bytes => heard += bytes,
        }
    }
    Ok(())
}

struct Carrier<'e, I, E> {
    io: I,
    endpoint: &'e E,
    reader: Reader,
    /// How much of what has come is kept, as the endpoint knows it.
    kept: usize,
    writer: Writer,
    /// The answer to the latest ping, if the client takes nothing.
    pong: Option<Bytes>,
    closing: Closing,
    /// The peer takes no more at the moment.
    is_blocked: bool,
    /// How the endpoint was at its latest turn.
    has_room: bool,
    counts: bool,
    wire: Wire<I>,
    clock: Clock,
}

/// How far the end is.
enum Closing {
    No,
    /// The peer has closed, or has broken the rules. It gets the answers to what came before, and then this.
    Heard(Option<(u16, String)>, Closed),
    /// We have said that we close. What the peer has said, if it has.
    Said(Option<Closed>),
}

impl Closing {
    /// What the peer has said, at the end.
    fn heard(&mut self) -> Closed {
        match std::mem::replace(self, Self::Said(None)) {
            Self::Heard(_, closed) | Self::Said(Some(closed)) => closed,
            Self::No | Self::Said(None) => Closed::default(),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin, E: Endpoint> Carrier<'_, I, E> {
    /// Ready at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        self.endpoint.listen(cx);
        if let Err(closed) = self.read_on() {
            return Poll::Ready(closed);
        }
        let mut bytes_read = 0;
        loop {
            let Some(has_more) = self.fill(cx) else {
                return Poll::Ready(self.closing.heard());
            };
            if let Closing::Said(None) = self.closing
                && let Err(closed) = self.read_on()
            {
                // What was kept back for want of room may have the peer's answer.
                return Poll::Ready(closed);
            }
            let written = self.poll_write(cx);
            if matches!(self.closing, Closing::Said(Some(_))) && self.writer.is_empty() {
                return Poll::Ready(self.closing.heard());
            }
            let read = match written {
                Poll::Ready(Err(_)) => return Poll::Ready(self.closing.heard()),
                _ if self.may_read() => self.poll_read(cx),
                _ => Poll::Pending,
            };
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Closed::default()),
                Poll::Ready(Ok(bytes)) => {
                    if let Err(closed) = self.read_on() {
                        return Poll::Ready(closed);
                    }
                    bytes_read += bytes;
                    if bytes_read >= AT_ONCE {
                        // Without end from a peer that sends as fast as it can: others come in between.
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Closed::default()),
                // What comes to be sent from now on wakes this task.
                Poll::Pending if written.is_ready() && (has_more || !self.writer.is_empty()) => {}
                Poll::Pending => break,
            }
        }
        let clock = self.poll_clock(cx);
        if clock.is_pending() && self.endpoint.writes_by_itself() && self.is_free() {
            self.endpoint.rests((self.wire.descriptor)(&self.io));
        }
        clock
    }

    /// Whether a plain frame may be written now.
    fn is_free(&self) -> bool {
        let is_open = matches!(self.closing, Closing::No);
        is_open && self.writer.is_empty() && self.writer.is_plain() && self.pong.is_none()
    }

    /// Whether the peer may send more.
    fn may_read(&self) -> bool {
        if self.reader.has_more() {
            return false;
        }
        match self.closing {
            // Answers to pings that it does not take are not piled up.
            Closing::No => self.has_room && !(self.is_blocked && self.pong.is_some()),
            Closing::Said(None) => true,
            Closing::Heard(..) | Closing::Said(Some(_)) => false,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        thread_local! {
            /// Where this thread reads to. Quiet sockets have no buffer.
            static SPACE: Cell<BytesMut> = Cell::default();
        }
        let mut space = SPACE.take();
        space.reserve(AT_ONCE);
        let polled = poll_read_buf(Pin::new(&mut self.io), cx, &mut space);
        self.reader.take_in(&mut space);
        SPACE.set(space);
        polled
    }

    /// Takes the messages in what was read. An error ends the connection.
    fn read_on(&mut self) -> Result<(), Closed> {
        if !self.reader.has_more() {
            return Ok(());
        }
        let is_open = matches!(self.closing, Closing::No);
        let (endpoint, clock) = (self.endpoint, &mut self.clock);
        let (pong, closing) = (&mut self.pong, &mut self.closing);
        let writer = &mut self.writer;
        let has_room = || !is_open || endpoint.has_room();
        let read = self.reader.read(has_room, |received| match received {
            // Behind a close frame nothing counts (RFC 6455, section 5.5.1).
            _ if matches!(closing, Closing::Heard(..) | Closing::Said(Some(_))) => {}
            Received::Close(said) => {
                let (code, reason) = said.clone().unzip();
                let reason = reason.filter(|reason| !reason.is_empty());
                let closed = Closed {
                    is_said: true,
                    code,
                    reason,
                };
                *closing = match closing {
                    // The peer's own words are the answer.
                    Closing::No => Closing::Heard(said, closed),
                    Closing::Heard(..) | Closing::Said(_) => Closing::Said(Some(closed)),
                };
            }
            Received::Ping(data) => {
                if endpoint.hears_pings() {
                    endpoint.arrived(Event::Ping(data.clone()));
                }
                // To a client that takes them, each (RFC 6455, section 5.5.2); else only the latest (5.5.3).
                match writer.len() < BATCH {
                    true => writer.pong(data),
                    false => *pong = Some(data),
                }
            }
            Received::Pong(data) => {
                clock.ponged();
                if endpoint.hears_pongs() {
                    endpoint.arrived(Event::Pong(data));
                }
            }
            Received::Text(data) => {
                endpoint.arrived(Event::Message(Message::Text(data)));
            }
            Received::Binary(data) => {
                endpoint.arrived(Event::Message(Message::Binary(data)));
            }
        });
        if let Err(breach) = read {
            let is_open = matches!(self.closing, Closing::No);
            debug!(target: "general", why = breach.why, code = breach.code, is_open, "a WebSocket broke the rules");
            match self.closing {
                Closing::No => {
                    let farewell = Some((breach.code, String::new()));
                    self.closing = Closing::Heard(farewell, Closed::default());
                }
                // Behind its close frame.
                Closing::Heard(..) | Closing::Said(Some(_)) => {}
                Closing::Said(None) => return Err(Closed::default()),
            }
        }
        if let Closing::Heard(..) = self.closing {
            self.reader.clear();
            self.endpoint.hears_no_more();
            self.clock.hears_no_more();
        }
        let kept = self.reader.kept();
        if kept != self.kept {
            self.kept = kept;
            self.endpoint.keeps(kept);
        }
        Ok(())
    }

    /// Makes frames of what waits, and returns whether there is more to be done once these are written. `None`: the
    /// connection is cut off.
    fn fill(&mut self, cx: &mut Context<'_>) -> Option<bool> {
        let is_said = matches!(self.closing, Closing::Said(_));
        let takes = !is_said && self.writer.len() < BATCH;
        if takes {
            if let Closing::Heard(farewell, _) = &mut self.closing
                && self.endpoint.is_idle()
            {
                self.endpoint.close(farewell.take());
            }
            if let Some(pong) = self.pong.take() {
                self.writer.pong(pong);
            }
        }
        let writer = &mut self.writer;
        let (mut sent, mut bytes) = (0, 0);
        let mut take = |outgoing| {
            sent += 1;
            match outgoing {
                Outgoing::Message(Message::Text(text)) => {
                    bytes += text.len();
                    writer.text(text);
                }
                Outgoing::Message(Message::Binary(binary)) => {
                    bytes += binary.len();
                    writer.binary(binary);
                }
                Outgoing::Ping(data) => {
                    sent -= 1;
                    writer.ping(data);
                }
                Outgoing::Rest(rest) => {
                    sent -= 1;
                    writer.rest_of(rest);
                }
                Outgoing::Published(message, binary) => {
                    bytes += message.size();
                    writer.published(&message, binary);
                }
            }
            writer.len() < BATCH
        };
        let take: Option<Take<'_>> = if takes { Some(&mut take) } else { None };
        let turn = self.endpoint.turn(cx, take);
        if turn.is_cut {
            return None;
        }
        (self.has_room, self.counts) = (turn.has_room, turn.counts);
        if let Some(nodelay) = turn.nodelay {
            (self.wire.set_nodelay)(&self.io, nodelay);
        }
        if sent > 0 {
            self.endpoint.sent(sent, bytes as u64);
            if self.writer.compresses() {
                self.clock.sent();
            }
        }
        if let Some(farewell) = turn.farewell {
            self.writer.close(farewell);
            self.closing = match &mut self.closing {
                Closing::Heard(_, closed) => Closing::Said(Some(std::mem::take(closed))),
                Closing::No | Closing::Said(_) => Closing::Said(None),
            };
            self.clock.closes();
        }
        // Where there are many frames, the answer to a ping and the end wait as well.
        Some(!is_said && (turn.has_more || !takes))
    }

    /// Ready with how much was written, if anything was to be written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.writer.is_empty() {
            self.is_blocked = false;
            return Poll::Pending;
        }
        let mut places = [IoSlice::new(&[]); websocket::AT_ONCE];
        let written = match self.writer.pieces(&mut places) {
            1 => Pin::new(&mut self.io).poll_write(cx, &places[0]),
            count => Pin::new(&mut self.io).poll_write_vectored(cx, &places[..count]),
        };
        self.is_blocked = written.is_pending();
        match &written {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(bytes)) => {
                self.writer.wrote(*bytes);
                if self.counts {
                    self.endpoint.took(*bytes);
                }
                self.clock.wrote(*bytes, self.writer.is_empty());
                if self.writer.is_empty() {
                    // TLS may keep some of it.
                    if let Poll::Ready(Err(error)) = Pin::new(&mut self.io).poll_flush(cx) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
            Poll::Pending => self.clock.stalled(),
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    /// What is due by the clock.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        while let Some(due) = self.clock.poll_due(cx) {
            match due {
                Due::TooSlow => return Poll::Ready(self.closing.heard()),
                Due::Ping => {
                    self.writer.ping(Bytes::new());
                    cx.waker().wake_by_ref();
                }
                Due::NoPong => {
                    let farewell = (code::NORMAL, "ping timed out".to_owned());
                    self.endpoint.close(Some(farewell));
                    cx.waker().wake_by_ref();
                }
                Due::Rest => self.writer.rest(),
            }
        }
        Poll::Pending
    }
}

/// When something is due, whatever comes.
struct Clock {
    pings: Pings,
    progress: Option<Progress>,
    next_ping: Option<Instant>,
    /// Until when the answer to our ping has to be here.
    pong_due: Option<Instant>,
    /// Since when the peer takes too little, and how much it took since.
    stalled: Option<(Instant, u64)>,
    /// When we said that we close.
    closing: Option<Instant>,
    /// When something was sent last, where there is a compressor.
    sent: Option<Instant>,
    timer: Timer,
}

enum Due {
    Ping,
    NoPong,
    /// The peer is cut off.
    TooSlow,
    Rest,
}

impl Clock {
    fn new(pings: Pings, progress: Option<Progress>) -> Self {
        Self {
            pings,
            progress,
            next_ping: pings.interval.map(|interval| Instant::now() + interval),
            pong_due: None,
            stalled: None,
            closing: None,
            sent: None,
            timer: Timer::default(),
        }
    }

    fn ponged(&mut self) {
        self.pong_due = None;
    }

    fn hears_no_more(&mut self) {
        self.next_ping = None;
        self.pong_due = None;
    }

    fn closes(&mut self) {
        self.hears_no_more();
        self.closing = Some(Instant::now());
    }

    fn sent(&mut self) {
        self.sent = Some(Instant::now());
    }

    fn stalled(&mut self) {
        self.stalled.get_or_insert_with(|| (Instant::now(), 0));
    }

    fn wrote(&mut self, bytes: usize, is_all: bool) {
        match &mut self.stalled {
            Some(_) if is_all => self.stalled = None,
            Some((since, taken)) => {
                *taken += bytes as u64;
                if self
                    .progress
                    .is_some_and(|progress| *taken >= progress.least)
                {
                    (*since, *taken) = (Instant::now(), 0);
                }
            }
            None => {}
        }
    }

    /// The first thing that is due. `None`: nothing, and the task is woken when something is.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Option<Due> {
        let too_slow = match (self.stalled, self.progress) {
            (Some((since, _)), Some(progress)) => Some(since + progress.within),
            _ => None,
        };
        let not_closed = self.closing.map(|since| since + TO_CLOSE);
        let rest = self.sent.map(|sent| sent + QUIET);
        let next = [too_slow, not_closed, self.pong_due, self.next_ping, rest];
        let next = next.into_iter().flatten().min()?;
        if self.timer.poll_until(next, cx).is_pending() {
            return None;
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= next);
        if is_due(too_slow) || is_due(not_closed) {
            return Some(Due::TooSlow);
        }
        if is_due(self.pong_due) {
            self.pong_due = None;
            self.next_ping = None;
            return Some(Due::NoPong);
        }
        if is_due(rest) {
            self.sent = None;
            return Some(Due::Rest);
        }
        let interval = self.pings.interval?;
        let timeout = self.pings.timeout.unwrap_or(interval).min(interval);
        self.next_ping = Some(next + interval);
        self.pong_due = Some(next + timeout);
        Some(Due::Ping)
    }
}
