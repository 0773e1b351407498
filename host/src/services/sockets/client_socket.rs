//! A WebSocket that a guest has opened to another server: what has come and waits for the guest, and what waits to be
//! sent. Opens no connection.

use std::sync::Mutex;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::carrier::{Endpoint, Take, Turn};
use super::incoming::{Closed, Event, Incoming, Message};
use super::lock;
use super::outgoing::{Outgoing, Queue, Room, SendError};
use super::socket::{Phase, farewell};
use crate::base::timer::Timer;

/// How long the end may take from when the guest asks for it: what was sent before goes out, and the server answers. As
/// Tornado has it.
const TO_CLOSE: Duration = Duration::from_secs(5);

/// How long the guest may take to answer what came before the server's end. One that reads no more is not waited for longer.
const TO_ANSWER: Duration = Duration::from_secs(1);

/// What one may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Messages that may wait for the guest. Then the server is not read.
    pub max_events: usize,
    /// Bytes that may wait to be sent.
    pub max_unsent: usize,
    /// Bytes of a message from the server.
    pub max_message: usize,
}

/// The two queues of one.
pub struct ClientSocket {
    limits: ClientLimits,
    state: Mutex<State>,
    /// The connection's task.
    connection: AtomicWaker,
    has_room: Notify,
    has_more: Notify,
}

struct State {
    phase: Phase,
    incoming: Incoming,
    /// Whether the guest has taken a message, and has not asked for the next: its answer may still come.
    may_answer: bool,
    /// Until when answers are waited for, once the server sends no more.
    answers_end: Option<Instant>,
    /// Whether that time is over.
    is_late: bool,
    outgoing: Queue,
    /// What is said at the end.
    farewell: Option<(u16, String)>,
    /// How the server has closed it.
    closed: Closed,
    /// When its time is over, once it closes.
    end: Option<Instant>,
    timer: Timer,
}

impl ClientSocket {
    pub fn new(limits: ClientLimits) -> Self {
        Self {
            limits,
            state: Mutex::new(State {
                phase: Phase::Open,
                incoming: Incoming::default(),
                may_answer: false,
                answers_end: None,
                is_late: false,
                outgoing: Queue::default(),
                farewell: None,
                closed: Closed::default(),
                end: None,
                timer: Timer::default(),
            }),
            connection: AtomicWaker::new(),
            has_room: Notify::new(),
            has_more: Notify::new(),
        }
    }

    /// Takes a message to be sent.
    pub fn send(&self, message: Message) -> Result<(), SendError> {
        self.push(Outgoing::Message(message))
    }

    /// Sends a ping.
    pub fn ping(&self, data: Bytes) -> Result<(), SendError> {
        self.push(Outgoing::Ping(data))
    }

    fn push(&self, outgoing: Outgoing) -> Result<(), SendError> {
        let mut state = lock(&self.state);
        if state.phase != Phase::Open {
            return Err(SendError::Closed);
        }
        state.outgoing.offer(outgoing, self.room())?;
        drop(state);
        self.connection.wake();
        Ok(())
    }

    fn room(&self) -> Room {
        Room {
            max_unsent: self.limits.max_unsent,
            max_message: self.limits.max_message,
        }
    }

    /// Waits until a message is taken.
    pub async fn writable(&self) -> Result<(), SendError> {
        loop {
            let room = self.has_room.notified();
            {
                let state = lock(&self.state);
                if state.phase != Phase::Open {
                    return Err(SendError::Closed);
                }
                if state.outgoing.has_room(self.room()) {
                    return Ok(());
                }
            }
            room.await;
        }
    }

    /// The next message. `Ok(None)`: there is none yet. An error: there is none any more.
    pub fn take_message(&self) -> Result<Option<Message>, SendError> {
        let mut state = lock(&self.state);
        let was_full = !state.incoming.has_room(self.limits.max_events);
        match state.incoming.pop() {
            Some(Event::Message(message)) => {
                state.may_answer = true;
                drop(state);
                if was_full {
                    self.connection.wake();
                }
                Ok(Some(message))
            }
            _ if state.phase == Phase::Closed => Err(SendError::Closed),
            _ => {
                self.answered(&mut state);
                Ok(None)
            }
        }
    }

    /// Waits until there is a message to take, or none any more.
    pub async fn ready(&self) {
        loop {
            let more = self.has_more.notified();
            {
                let mut state = lock(&self.state);
                if !state.incoming.is_empty() || state.phase == Phase::Closed {
                    return;
                }
                self.answered(&mut state);
            }
            more.await;
        }
    }

    /// The guest asks for the next message, and there is none.
    fn answered(&self, state: &mut State) {
        if state.may_answer {
            state.may_answer = false;
            if state.answers_end.is_some() {
                self.connection.wake();
            }
        }
    }

    /// Begins to close, as a guest asks for it. Nothing happens where that has begun already.
    pub fn close_with(&self, code: Option<u16>, reason: Option<String>) -> Result<(), SendError> {
        self.begin_to_close(farewell(code, reason)?);
        Ok(())
    }

    /// Begins to close. Nothing happens where that has begun already.
    pub fn begin_to_close(&self, farewell: Option<(u16, String)>) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            state.farewell = farewell;
            state.end = Some(Instant::now() + TO_CLOSE);
            drop(state);
            self.connection.wake();
            self.has_room.notify_waiters();
        }
    }

    /// The connection has ended.
    pub fn ended(&self, closed: Closed) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Closed {
            return;
        }
        state.phase = Phase::Closed;
        state.closed = closed;
        state.outgoing.clear();
        drop(state);
        self.has_room.notify_waiters();
        self.has_more.notify_waiters();
    }

    /// How the server has closed it; nothing before.
    pub fn closed(&self) -> Closed {
        lock(&self.state).closed.clone()
    }
}

impl Endpoint for ClientSocket {
    fn listen(&self, cx: &Context<'_>) {
        self.connection.register(cx.waker());
    }

    fn turn(&self, cx: &mut Context<'_>, take: Option<Take<'_>>) -> Turn {
        let mut state = lock(&self.state);
        let mut turn = Turn {
            is_cut: state.is_cut(cx),
            // It is set from the beginning.
            nodelay: None,
            has_room: state.incoming.has_room(self.limits.max_events),
            has_more: false,
            counts: false,
            farewell: None,
        };
        let mut has_room_again = false;
        if let Some(take) = take {
            has_room_again = state.outgoing.hand_out(self.room(), take);
            if state.phase == Phase::Closing && state.outgoing.is_empty() {
                turn.farewell = Some(state.farewell.take());
            }
        }
        turn.has_more = !state.outgoing.is_empty();
        drop(state);
        if has_room_again {
            self.has_room.notify_waiters();
        }
        turn
    }

    fn has_room(&self) -> bool {
        lock(&self.state).incoming.has_room(self.limits.max_events)
    }

    fn hears_pings(&self) -> bool {
        false
    }

    fn hears_pongs(&self) -> bool {
        false
    }

    fn arrived(&self, event: Event) {
        let mut state = lock(&self.state);
        // Once it closes the server is read to its end, even if nobody takes that.
        let is_kept = match state.phase {
            Phase::Open => true,
            Phase::Closing => state.incoming.has_room(self.limits.max_events),
            Phase::Closed => false,
        };
        if is_kept {
            state.incoming.push(event);
            drop(state);
            self.has_more.notify_waiters();
        }
    }

    fn hears_no_more(&self) {
        let mut state = lock(&self.state);
        let end = Instant::now() + TO_ANSWER;
        state.answers_end.get_or_insert(end);
    }

    /// There are few of these, and each is bounded.
    fn keeps(&self, _bytes: usize) {}

    /// The answer to the server's end waits until the guest has come back for more, or closes, but not for long.
    fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        let has_answered = !state.may_answer && state.incoming.is_empty();
        has_answered || state.is_late || state.phase != Phase::Open
    }

    fn sent(&self, _messages: u64, _bytes: u64) {}

    fn took(&self, _bytes: usize) {}

    fn close(&self, farewell: Option<(u16, String)>) {
        self.begin_to_close(farewell);
    }
}

impl State {
    /// Where the end takes too long.
    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(end) = self.end {
            return self.timer.poll_until(end, cx).is_ready();
        }
        if let Some(end) = self.answers_end
            && !self.is_late
            && self.timer.poll_until(end, cx).is_ready()
        {
            // It counts as idle now.
            self.is_late = true;
            cx.waker().wake_by_ref();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io;
    use std::pin::{Pin, pin};
    use std::task::{Poll, Waker};

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
    use tokio::time::timeout;

    use super::*;
    use crate::base::websocket::Role;
    use crate::services::sockets::Wire;
    use crate::services::sockets::carrier::{Pings, Terms, carry};

    const LIMITS: ClientLimits = ClientLimits {
        max_events: 2,
        max_unsent: 100,
        max_message: 1000,
    };

    fn text(text: &str) -> Message {
        Message::Text(text.to_owned().into())
    }

    fn turn(socket: &ClientSocket, take: Option<Take<'_>>) -> Turn {
        socket.turn(&mut Context::from_waker(Waker::noop()), take)
    }

    /// All that waits is handed out.
    fn taken(socket: &ClientSocket) {
        turn(socket, Some(&mut |_| true));
    }

    #[tokio::test]
    async fn what_has_come_is_taken_before_the_end() {
        let socket = ClientSocket::new(LIMITS);
        assert_eq!(socket.take_message(), Ok(None));
        for word in ["a", "b"] {
            assert!(socket.has_room());
            socket.arrived(Event::Message(text(word)));
        }
        assert!(!socket.has_room());
        socket.ended(Closed {
            is_said: true,
            code: Some(4000),
            reason: None,
        });
        for word in ["a", "b"] {
            socket.ready().await;
            assert_eq!(socket.take_message(), Ok(Some(text(word))));
        }
        socket.ready().await;
        assert_eq!(socket.take_message(), Err(SendError::Closed));
        assert_eq!(socket.closed().code, Some(4000));
    }

    #[tokio::test]
    async fn what_nobody_takes_is_dropped_once_it_closes() {
        let socket = ClientSocket::new(LIMITS);
        socket.begin_to_close(None);
        for word in ["a", "b", "c", "d"] {
            socket.arrived(Event::Message(text(word)));
        }
        assert_eq!(socket.take_message(), Ok(Some(text("a"))));
        assert_eq!(socket.take_message(), Ok(Some(text("b"))));
        assert_eq!(socket.take_message(), Ok(None));
    }

    #[tokio::test]
    async fn a_full_queue_takes_more_when_there_is_room() {
        let socket = ClientSocket::new(LIMITS);
        socket.send(text(&"x".repeat(100))).unwrap();
        assert_eq!(socket.send(text("y")), Err(SendError::Full));
        assert_eq!(
            socket.send(text(&"x".repeat(1001))),
            Err(SendError::TooLarge(1000))
        );
        let (writable, ()) = tokio::join!(socket.writable(), async { taken(&socket) });
        assert_eq!(writable, Ok(()));
        assert_eq!(socket.send(text("y")), Ok(()));
        socket.begin_to_close(Some((1000, String::new())));
        assert_eq!(socket.send(text("z")), Err(SendError::Closed));
        assert_eq!(socket.writable().await, Err(SendError::Closed));
        // What was sent before goes out first.
        assert_eq!(turn(&socket, None).farewell, None);
        assert_eq!(
            turn(&socket, Some(&mut |_| true)).farewell,
            Some(Some((1000, String::new())))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_end_waits_for_answers() {
        let read = || {
            let socket = ClientSocket::new(LIMITS);
            socket.arrived(Event::Message(text("a")));
            socket.hears_no_more();
            assert!(!socket.is_idle());
            assert_eq!(socket.take_message(), Ok(Some(text("a"))));
            assert!(!socket.is_idle());
            socket
        };
        let cx = &mut Context::from_waker(Waker::noop());

        let asks = read();
        assert_eq!(asks.take_message(), Ok(None));
        assert!(asks.is_idle());

        let waits = read();
        let waiting = pin!(waits.ready());
        assert!(waiting.poll(cx).is_pending());
        assert!(waits.is_idle());

        let closes = read();
        closes.begin_to_close(None);
        assert!(closes.is_idle());

        let does_neither = read();
        assert!(!turn(&does_neither, None).is_cut);
        assert!(!does_neither.is_idle());
        tokio::time::advance(TO_ANSWER).await;
        assert!(!turn(&does_neither, None).is_cut);
        assert!(does_neither.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_has_a_time_limit() {
        let socket = ClientSocket::new(LIMITS);
        assert!(!turn(&socket, None).is_cut);
        socket.begin_to_close(None);
        assert!(!turn(&socket, None).is_cut);
        tokio::time::advance(TO_CLOSE).await;
        assert!(turn(&socket, None).is_cut);
    }

    /// A peer that sends pings as fast as they are read, so many bytes of them, and takes every answer.
    struct Flood(usize);

    impl AsyncRead for Flood {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let bytes = buf.remaining().min(self.0);
            buf.put_slice(&[0x89, 0].repeat(bytes / 2));
            self.0 -= bytes;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Flood {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn terms() -> Terms {
        Terms {
            role: Role::Client,
            deflate: None,
            pings: Pings::default(),
            max_message: 1000,
            progress: None,
        }
    }

    #[tokio::test]
    async fn what_comes_behind_more_pings_than_are_answered_is_answered() {
        const PINGS: usize = 15_000;
        for (last, answer) in [(&b"\x89\x04last"[..], 0x8a), (&b"\x88\x00"[..], 0x88)] {
            // All is read and written in one turn each.
            let (io, mut peer) = tokio::io::duplex(1 << 20);
            let sent = [[0x89, 0].repeat(PINGS), last.to_vec()].concat();
            peer.write_all(&sent).await.unwrap();
            // A task of its own: it is only polled when it is woken.
            let carrying = tokio::spawn(async move {
                let socket = ClientSocket::new(LIMITS);
                carry(io, Bytes::new(), &socket, terms(), Wire::default()).await;
            });
            let answered = async {
                loop {
                    let mut head = [0; 6];
                    peer.read_exact(&mut head).await.unwrap();
                    let length = usize::from(head[1] & 0x7f);
                    let mut payload = vec![0; length];
                    peer.read_exact(&mut payload).await.unwrap();
                    if head[0] == answer && length == last.len() - 2 {
                        break;
                    }
                }
            };
            let answered = timeout(Duration::from_secs(10), answered).await;
            answered.expect("an answer");
            carrying.abort();
        }
    }

    #[tokio::test]
    async fn a_peer_that_sends_without_end_leaves_turns_to_others() {
        let socket = ClientSocket::new(LIMITS);
        let io = Flood(4 << 20);
        let mut carrying = pin!(carry(io, Bytes::new(), &socket, terms(), Wire::default()));
        let first = poll_fn(|cx| Poll::Ready(carrying.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        // It goes on by itself.
        let ended = timeout(Duration::from_secs(10), carrying).await;
        assert!(!ended.expect("in time").0.is_said);
    }
}
