//! A connection that carries a WebSocket: frames in both directions, pings, and the end. Knows no handler.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::poll_fn;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::{LINGER, least_progress};
use crate::base::timer::Timer;
use crate::base::websocket::{self, Reader, Received, Writer, code};
use crate::config::Limits;
use crate::services::sockets::{Closed, Event, Handle, Message, Outgoing, Pings, Session};

/// How long a client may take to answer our close frame, as Tornado has it.
const TO_CLOSE: Duration = Duration::from_secs(5);

/// How many bytes are read at once.
const AT_ONCE: usize = 32 * 1024;

/// How many bytes of frames are made before they are written.
const BATCH: usize = 64 * 1024;

/// How long a compressor is kept that nothing is sent with.
const QUIET: Duration = Duration::from_secs(5);

/// Carries a socket until its end. `read`: what has come behind the handshake already. `set_nodelay`: for TCP_NODELAY.
pub(super) async fn serve<I>(
    io: I,
    read: Bytes,
    session: Session,
    limits: &Limits,
    set_nodelay: fn(&I, bool),
) where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let Session {
        handle,
        deflate,
        pings,
        tell,
    } = session;
    handle.connected(&limits.unsent);
    let mut reader = Reader::new(handle.limits.max_message, deflate.as_ref());
    reader.buffer.extend_from_slice(&read);
    let mut carrier = Carrier {
        io,
        reader,
        writer: Writer::new(deflate),
        clock: Clock::new(pings, limits),
        pong: None,
        closing: Closing::No,
        is_blocked: false,
        set_nodelay,
        handle,
    };
    let closed = poll_fn(|cx| carrier.poll(cx)).await;
    tell(&closed);
    carrier.handle.ended(closed);
    // What else the carrier has is freed now.
    let Carrier { io, .. } = carrier;
    let _ = timeout(LINGER, hang_up(io)).await;
}

/// Closes the connection for writing, and hears the client out: a socket that is closed with unread bytes is reset, and
/// the reset can overtake the close frame.
async fn hang_up(mut io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
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

struct Carrier<I> {
    io: I,
    handle: Handle,
    reader: Reader,
    writer: Writer,
    /// The answer to the latest ping.
    pong: Option<Bytes>,
    closing: Closing,
    /// The client takes no more at the moment.
    is_blocked: bool,
    set_nodelay: fn(&I, bool),
    clock: Clock,
}

/// How far the end is.
enum Closing {
    No,
    /// The client has closed, or has broken the rules. It gets the answers to what came before, and then this.
    Heard(Option<(u16, String)>, Closed),
    /// We have said that we close. What the client has said, if it has.
    Said(Option<Closed>),
}

impl Closing {
    /// What the client has said, at the end.
    fn heard(&mut self) -> Closed {
        match std::mem::replace(self, Self::Said(None)) {
            Self::Heard(_, closed) | Self::Said(Some(closed)) => closed,
            Self::No | Self::Said(None) => Closed::default(),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Carrier<I> {
    /// Ready at the end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        self.handle.listen(cx);
        if self.handle.poll_cut(cx).is_ready() {
            return Poll::Ready(self.closing.heard());
        }
        if let Some(nodelay) = self.handle.nodelay() {
            (self.set_nodelay)(&self.io, nodelay);
        }
        if let Err(closed) = self.read_on() {
            return Poll::Ready(closed);
        }
        loop {
            self.fill();
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
                Poll::Ready(Ok(_)) => {
                    if let Err(closed) = self.read_on() {
                        return Poll::Ready(closed);
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Closed::default()),
                Poll::Pending if written.is_ready() => {}
                Poll::Pending => break,
            }
        }
        self.poll_clock(cx)
    }

    /// Whether the client may send more.
    fn may_read(&self) -> bool {
        match self.closing {
            // Answers to pings that it does not take are not piled up.
            Closing::No => self.handle.has_room() && !(self.is_blocked && self.pong.is_some()),
            Closing::Said(None) => true,
            Closing::Heard(..) | Closing::Said(Some(_)) => false,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [const { MaybeUninit::uninit() }; AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut read);
        polled.map_ok(|()| {
            self.reader.buffer.extend_from_slice(read.filled());
            read.filled().len()
        })
    }

    /// Takes the messages in what was read. An error ends the connection.
    fn read_on(&mut self) -> Result<(), Closed> {
        if self.reader.buffer.is_empty() {
            return Ok(());
        }
        let (handle, clock) = (&self.handle, &mut self.clock);
        let (pong, closing) = (&mut self.pong, &mut self.closing);
        let meter = &handle.family.meter.sockets;
        let read = self.reader.read(|received| match received {
            // Behind a close frame nothing counts (RFC 6455, section 5.5.1).
            _ if matches!(closing, Closing::Heard(..) | Closing::Said(Some(_))) => {}
            Received::Close(said) => {
                let (code, reason) = said.clone().unzip();
                let reason = reason.filter(|reason| !reason.is_empty());
                let closed = Closed { code, reason };
                *closing = match closing {
                    // The client's own words are the answer.
                    Closing::No => Closing::Heard(said, closed),
                    Closing::Heard(..) | Closing::Said(_) => Closing::Said(Some(closed)),
                };
            }
            Received::Ping(data) => {
                if handle.hears_pings() {
                    handle.arrived(Event::Ping(data.clone()));
                }
                *pong = Some(data);
            }
            Received::Pong(data) => {
                clock.ponged();
                if handle.hears_pongs() {
                    handle.arrived(Event::Pong(data));
                }
            }
            Received::Text(data) => {
                meter.received.count();
                meter.received_bytes.add(data.len() as u64);
                handle.arrived(Event::Message(Message::Text(data)));
            }
            Received::Binary(data) => {
                meter.received.count();
                meter.received_bytes.add(data.len() as u64);
                handle.arrived(Event::Message(Message::Binary(data)));
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
            self.reader.buffer.clear();
            self.handle.hears_no_more();
            self.clock.hears_no_more();
        }
        Ok(())
    }

    /// Makes frames of what waits.
    fn fill(&mut self) {
        if matches!(self.closing, Closing::Said(_)) || self.writer.len() >= BATCH {
            return;
        }
        if let Closing::Heard(farewell, _) = &mut self.closing
            && self.handle.is_idle()
        {
            let _ = self.handle.close(farewell.take());
        }
        if let Some(pong) = self.pong.take() {
            self.writer.pong(pong);
        }
        let (writer, meter) = (&mut self.writer, &self.handle.family.meter.sockets);
        let mut sent = 0;
        let mut bytes = 0;
        self.handle.take(|outgoing| {
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
                Outgoing::Published(message, binary) => {
                    bytes += message.size();
                    writer.published(&message, binary);
                }
            }
            writer.len() < BATCH
        });
        if sent > 0 {
            meter.sent.add(sent);
            meter.sent_bytes.add(bytes as u64);
            self.clock.sent();
        }
        if let Some(farewell) = self.handle.farewell() {
            self.writer.close(farewell);
            self.closing = match &mut self.closing {
                Closing::Heard(_, closed) => Closing::Said(Some(std::mem::take(closed))),
                Closing::No | Closing::Said(_) => Closing::Said(None),
            };
            self.clock.closes();
        }
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
                self.handle.took(*bytes);
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
                    let _ = self.handle.close(Some(farewell));
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
    write_timeout: Option<Duration>,
    /// What a client has to take within that.
    least: u64,
    next_ping: Option<Instant>,
    /// Until when the answer to our ping has to be here.
    pong_due: Option<Instant>,
    /// Since when the client takes too little, and how much it took since.
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
    /// The client is cut off.
    TooSlow,
    Rest,
}

impl Clock {
    fn new(pings: Pings, limits: &Limits) -> Self {
        Self {
            pings,
            write_timeout: limits.write_timeout,
            least: least_progress(limits),
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
                if *taken >= self.least {
                    (*since, *taken) = (Instant::now(), 0);
                }
            }
            None => {}
        }
    }

    /// The first thing that is due. `None`: nothing, and the task is woken when something is.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Option<Due> {
        let too_slow = match (self.stalled, self.write_timeout) {
            (Some((since, _)), Some(limit)) => Some(since + limit),
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
