//! One socket: between its connection's task and the instance that has its object.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::poll_fn;
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::carrier::{Endpoint, Take, Turn};
use super::channel::{Ear, Heard, Subscription};
use super::direct::Direct;
use super::home::{Home, Resident};
use super::incoming::{Closed, Event, Incoming, Message};
use super::outgoing::{Outgoing, Queue, Room, SendError};
use super::share::Share;
use super::{Family, Move, SocketLimits, Sockets, lock};
use crate::base::backlog::Backlog;
use crate::base::metrics::SocketMeter;
use crate::base::websocket::{MAX_REASON, Published, code, may_be_said};

/// One socket.
pub struct Socket {
    pub id: u64,
    /// The component's file.
    pub component: Arc<str>,
    pub family: Arc<Family>,
    pub limits: SocketLimits,
    sockets: Arc<Sockets>,
    state: Mutex<State>,
    /// Whether its guest hears of pings and of pongs.
    hears: [AtomicBool; 2],
    /// Locked before what publishing locks, which locks the state at last.
    subscriptions: Mutex<Vec<Subscription>>,
    /// It has been subscribed to a topic.
    listens: AtomicBool,
    /// The connection's task.
    connection: AtomicWaker,
    has_room: Notify,
}

struct State {
    phase: Phase,
    incoming: Incoming,
    /// Where its object is.
    place: Option<Place>,
    asleep: Option<Box<dyn Sleeper>>,
    /// Its instance was called for it, or an event is running.
    is_due: bool,
    /// It is to leave its instance.
    is_leaving: bool,
    /// From then on until it is in another instance.
    moving: Option<Move>,
    /// It is to be closed when the event that is under way is over.
    is_ending: Option<u16>,
    /// Its client says nothing more, and its connection waits until all that it said was told.
    is_awaited: bool,
    /// Its guest has failed, and is told of nothing but the end.
    has_failed: bool,
    outgoing: Queue,
    /// What is said at the end.
    farewell: Option<(u16, String)>,
    /// Published messages that it lost.
    dropped: u64,
    nodelay: Option<bool>,
    /// What waits to be sent, and what has come and waits, as far as the whole server's limits count it. While it has a
    /// connection.
    unsent: Option<Share>,
    unread: Option<Share>,
    /// Bytes of a message that is not whole.
    kept: usize,
    /// While the task of its connection rests.
    direct: Option<Direct>,
}

struct Place {
    home: Arc<Home<Socket>>,
    request: u64,
}

/// What is kept of a socket whose object is nowhere for now.
pub trait Sleeper: Send {
    /// Something has come for it.
    fn wake(self: Box<Self>, socket: &Arc<Socket>);
}

/// How far a socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its handshake is not answered, or it is open.
    Open,
    /// We have said that we close it.
    Closing,
    /// Its connection is gone.
    Closed,
}

/// What its guest is to do next.
pub enum Next {
    Event(Event),
    /// The object leaves the instance.
    Leave,
    Nothing,
}

/// The most topics of one socket.
const MAX_SUBSCRIPTIONS: u32 = 100;

impl Socket {
    pub(super) fn new(
        id: u64,
        component: Arc<str>,
        family: Arc<Family>,
        sockets: Arc<Sockets>,
        limits: SocketLimits,
    ) -> Self {
        Self {
            id,
            component,
            family,
            limits,
            sockets,
            state: Mutex::new(State {
                phase: Phase::Open,
                incoming: Incoming::default(),
                place: None,
                asleep: None,
                is_due: false,
                is_leaving: false,
                moving: None,
                is_ending: None,
                is_awaited: false,
                has_failed: false,
                outgoing: Queue::default(),
                farewell: None,
                dropped: 0,
                nodelay: None,
                unsent: None,
                unread: None,
                kept: 0,
                direct: None,
            }),
            hears: Default::default(),
            subscriptions: Mutex::default(),
            listens: AtomicBool::new(false),
            connection: AtomicWaker::new(),
            has_room: Notify::new(),
        }
    }
}

/// For what uses the socket: guests.
impl Socket {
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
        state.count_unsent();
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
    pub async fn ready(&self) -> Result<(), SendError> {
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

    /// Begins to close the socket, as a guest asks for it.
    pub fn close_with(&self, code: Option<u16>, reason: Option<String>) -> Result<(), SendError> {
        self.close(farewell(code, reason)?);
        Ok(())
    }

    /// Begins to close the socket with this code, as the host asks for it.
    pub fn close_for(&self, code: u16) {
        self.close(Some((code, String::new())));
    }

    /// Begins to close the socket. Nothing happens where that has begun already.
    fn close(&self, farewell: Option<(u16, String)>) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            state.farewell = farewell;
            drop(state);
            lock(&self.subscriptions).clear();
            self.connection.wake();
            self.has_room.notify_waiters();
        }
    }

    /// Closes the socket because its guest has failed, which is told of nothing more but the end.
    pub fn fail(&self) {
        let mut state = lock(&self.state);
        state.has_failed = true;
        state.forget();
        drop(state);
        self.close_for(code::INTERNAL_ERROR);
    }

    /// Begins to close the socket when the event that is under way is over.
    pub fn close_behind_event(&self, code: u16) {
        let mut state = lock(&self.state);
        if state.is_due {
            state.is_ending = Some(code);
            return;
        }
        drop(state);
        self.close_for(code);
    }

    /// Whether its connection is gone.
    pub fn is_closed(&self) -> bool {
        lock(&self.state).phase == Phase::Closed
    }

    pub fn is_open(&self) -> bool {
        lock(&self.state).phase == Phase::Open
    }

    /// What is published to a topic from now on is sent, too.
    pub fn subscribe(self: &Arc<Self>, topic: &str, binary: bool) -> Result<(), SendError> {
        let mut subscriptions = lock(&self.subscriptions);
        if let Some(known) = subscriptions.iter().find(|one| one.topic() == topic) {
            known.set_binary(self.id, binary);
            return Ok(());
        }
        if subscriptions.len() >= MAX_SUBSCRIPTIONS as usize {
            return Err(SendError::TooMany(MAX_SUBSCRIPTIONS));
        }
        self.listens.store(true, Relaxed);
        let ear: Weak<dyn Ear> = Arc::downgrade(self) as _;
        subscriptions.push(self.sockets.channels().join(topic, self.id, ear, binary));
        if !self.is_open() {
            // What closes it has ended all subscriptions before this one, or waits for the lock.
            subscriptions.clear();
            return Err(SendError::Closed);
        }
        Ok(())
    }

    pub fn unsubscribe(&self, topic: &str) {
        lock(&self.subscriptions).retain(|one| one.topic() != topic);
    }

    /// How many published messages it has lost.
    pub fn dropped(&self) -> u64 {
        lock(&self.state).dropped
    }

    pub fn set_nodelay(&self, nodelay: bool) {
        lock(&self.state).nodelay = Some(nodelay);
        self.connection.wake();
    }
}

impl Ear for Socket {
    fn hear(&self, message: &Arc<Published>, binary: bool) -> Heard {
        let mut state = lock(&self.state);
        if state.phase != Phase::Open {
            return Heard::No;
        }
        while state.outgoing.bytes() + message.size() > self.limits.max_unsent {
            let is_gone = state.outgoing.drop_oldest_published();
            if is_gone || state.outgoing.bytes() > 0 {
                state.dropped += 1;
                self.family.meter.sockets.dropped.count();
            }
            if !is_gone {
                if state.outgoing.bytes() > 0 {
                    return Heard::Yes;
                }
                break;
            }
        }
        let was_idle = state.outgoing.is_empty();
        state
            .outgoing
            .push(Outgoing::Published(message.clone(), binary));
        state.count_unsent();
        if was_idle && state.direct.is_some() {
            return Heard::ToBeWritten;
        }
        drop(state);
        if was_idle {
            self.connection.wake();
        }
        Heard::Yes
    }

    fn write(&self) {
        let mut state = lock(&self.state);
        if state.write_published(&self.family.meter.sockets) {
            return;
        }
        drop(state);
        self.connection.wake();
    }
}

/// For its connection.
impl Endpoint for Arc<Socket> {
    fn listen(&self, cx: &Context<'_>) {
        self.connection.register(cx.waker());
    }

    fn turn(&self, cx: &mut Context<'_>, take: Option<Take<'_>>) -> Turn {
        let mut state = lock(&self.state);
        state.direct = None;
        let mut turn = Turn {
            is_cut: state.is_cut(cx),
            nodelay: state.nodelay.take(),
            has_room: state.incoming.has_room(self.limits.max_events),
            has_more: false,
            counts: false,
            farewell: None,
        };
        let mut has_room_again = false;
        if let Some(take) = take {
            has_room_again = state.outgoing.hand_out(self.room(), take);
            state.count_unsent();
            if state.phase == Phase::Closing && state.outgoing.is_empty() {
                turn.farewell = Some(state.farewell.take());
            }
        }
        turn.has_more = !state.outgoing.is_empty();
        turn.counts = state.unsent.as_ref().is_some_and(Share::counts);
        drop(state);
        if has_room_again {
            self.has_room.notify_waiters();
        }
        turn
    }

    fn sent(&self, messages: u64, bytes: u64) {
        let meter = &self.family.meter.sockets;
        meter.sent.add(messages);
        meter.sent_bytes.add(bytes);
    }

    fn close(&self, farewell: Option<(u16, String)>) {
        Socket::close(self, farewell);
    }

    fn writes_by_itself(&self) -> bool {
        self.listens.load(Relaxed)
    }

    fn rests(&self, descriptor: Option<RawFd>) {
        lock(&self.state).direct = descriptor.map(Direct::of);
    }

    fn took(&self, bytes: usize) {
        if let Some(share) = &lock(&self.state).unsent {
            share.moved(bytes);
        }
    }

    fn has_room(&self) -> bool {
        lock(&self.state).incoming.has_room(self.limits.max_events)
    }

    fn hears_pings(&self) -> bool {
        self.hears[0].load(Relaxed)
    }

    fn hears_pongs(&self) -> bool {
        self.hears[1].load(Relaxed)
    }

    fn arrived(&self, event: Event) {
        if let Event::Message(message) = &event {
            let meter = &self.family.meter.sockets;
            meter.received.count();
            meter.received_bytes.add(message.size() as u64);
        }
        Socket::arrived(self, event);
    }

    fn hears_no_more(&self) {
        lock(&self.state).is_awaited = true;
    }

    fn keeps(&self, bytes: usize) {
        let mut state = lock(&self.state);
        let more = bytes.saturating_sub(state.kept);
        state.kept = bytes;
        state.count_unread(more);
    }

    /// Whether its guest was told of all that has come.
    fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        state.incoming.is_empty() && !state.is_due
    }
}

/// For what begins and ends its connection.
impl Socket {
    /// The connection begins. What waits counts here.
    pub fn connected(&self, unsent: &Backlog, unread: &Backlog) {
        let mut state = lock(&self.state);
        state.unsent = Some(Share::new(unsent));
        state.unread = Some(Share::new(unread));
    }

    /// Something has come.
    pub fn arrived(self: &Arc<Self>, event: Event) {
        let mut state = lock(&self.state);
        let is_wanted = match state.phase {
            Phase::Open => true,
            // What its client says until it has heard that we close. It is read in any case.
            Phase::Closing => state.incoming.has_room(self.limits.max_events),
            Phase::Closed => false,
        };
        if is_wanted && !state.has_failed {
            if let Event::Message(_) = event {
                // It is whole now.
                state.kept = 0;
            }
            state.incoming.push(event);
            state.count_unread(0);
            self.call(state);
        }
    }

    /// The connection has ended.
    pub fn ended(self: &Arc<Self>, closed: Closed) {
        let mut state = lock(&self.state);
        if state.phase == Phase::Closed {
            return;
        }
        state.phase = Phase::Closed;
        state.outgoing.clear();
        state.unsent = None;
        state.kept = 0;
        state.moving = None;
        state.incoming.push(Event::Close(closed));
        state.count_unread(0);
        self.call(state);
        lock(&self.subscriptions).clear();
        self.has_room.notify_waiters();
    }

    /// Waits until its guest was told of what its client has said, except for what is too little to count. Where too much
    /// waits in the whole server, its guest is only told of the end.
    pub async fn heard_out(&self) {
        poll_fn(|cx| {
            self.connection.register(cx.waker());
            let mut state = lock(&self.state);
            let Some(share) = state.unread.as_ref().filter(|share| share.counts()) else {
                return Poll::Ready(());
            };
            if share.poll_cut(cx).is_pending() {
                return Poll::Pending;
            }
            state.forget();
            Poll::Ready(())
        })
        .await;
    }

    /// Calls its instance, unless that was done.
    fn call(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.is_due || (state.incoming.is_empty() && !state.is_leaving) {
            return;
        }
        if let Some(asleep) = state.asleep.take() {
            drop(state);
            return asleep.wake(self);
        }
        let Some(Place { home, request }) = &state.place else {
            return;
        };
        let (home, request) = (home.clone(), *request);
        state.is_due = true;
        drop(state);
        home.call(Resident {
            request,
            socket: self.clone(),
        });
    }
}

/// For the instance that has its object.
impl Socket {
    /// Its object is in this instance from now on.
    pub fn settle(self: &Arc<Self>, home: &Arc<Home<Socket>>, request: u64) {
        home.enter(request, self);
        let mut state = lock(&self.state);
        state.place = Some(Place {
            home: home.clone(),
            request,
        });
        state.is_due = false;
        state.is_leaving = false;
        state.moving = None;
        self.call(state);
    }

    /// Whether its guest wants to hear of pings and of pongs.
    pub fn hear_of(&self, pings: bool, pongs: bool) {
        self.hears[0].store(pings, Relaxed);
        self.hears[1].store(pongs, Relaxed);
    }

    /// What is to be done next, now that nothing is under way.
    pub fn next(&self) -> Next {
        let mut state = lock(&self.state);
        if let Some(code) = state.is_ending.take() {
            drop(state);
            self.close_for(code);
            state = lock(&self.state);
        }
        if state.place.is_none() {
            return self.rest(state);
        }
        // One that is closed ends where it is.
        if state.is_leaving && state.phase != Phase::Closed {
            return Next::Leave;
        }
        let was_full = !state.incoming.has_room(self.limits.max_events);
        let waited = state.incoming.bytes();
        let Some(event) = state.incoming.pop() else {
            return self.rest(state);
        };
        let taken = waited - state.incoming.bytes();
        state.count_unread(taken);
        let is_closed = state.phase == Phase::Closed;
        drop(state);
        if was_full || is_closed {
            self.connection.wake();
        }
        Next::Event(event)
    }

    fn rest(&self, mut state: MutexGuard<'_, State>) -> Next {
        state.is_due = false;
        if state.is_awaited {
            self.connection.wake();
        }
        Next::Nothing
    }

    /// Asks it to leave its instance, when the event that is under way is over.
    pub fn ask_to_leave(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.is_leaving = true;
        let family = &self.family;
        state.moving.get_or_insert_with(|| Move::begin(family));
        self.call(state);
    }

    /// Its object is nowhere until something comes.
    pub fn sleep(self: &Arc<Self>, asleep: Box<dyn Sleeper>) {
        let mut state = lock(&self.state);
        state.asleep = Some(asleep);
        // Until something comes it goes nowhere.
        state.moving = None;
        self.call(state);
    }

    /// Its object is nowhere from now on. What comes waits.
    pub fn depart(&self) {
        let mut state = lock(&self.state);
        state.is_due = false;
        state.is_leaving = false;
        let place = state.place.take();
        if state.is_awaited {
            self.connection.wake();
        }
        drop(state);
        if let Some(Place { home, request }) = place {
            home.leave(request);
        }
    }
}

/// What is said at the end, as a guest asks for it.
pub(super) fn farewell(
    code: Option<u16>,
    reason: Option<String>,
) -> Result<Option<(u16, String)>, SendError> {
    if let Some(code) = code.filter(|code| !may_be_said(*code)) {
        return Err(SendError::Invalid(format!(
            "{code} is no code that a WebSocket may be closed with (RFC 6455, section 7.4)"
        )));
    }
    let reason = reason.unwrap_or_default();
    if reason.len() > MAX_REASON {
        return Err(SendError::TooLarge(MAX_REASON as u64));
    }
    let code = code.or((!reason.is_empty()).then_some(code::NORMAL));
    Ok(code.map(|code| (code, reason)))
}

impl State {
    /// Writes what was published, as far as nothing else is before it and the system takes it. `false`: there is more to be
    /// done, by the task of the connection.
    fn write_published(&mut self, meter: &SocketMeter) -> bool {
        let (mut messages, mut bytes) = (0, 0);
        while let Some((message, binary)) = self.outgoing.first_published() {
            let Some(direct) = &self.direct else {
                break;
            };
            let frame = message.frame(binary, None);
            let Ok(written) = direct.write(&frame) else {
                // The task sees what it is.
                self.direct = None;
                break;
            };
            (messages, bytes) = (messages + 1, bytes + message.size());
            self.outgoing.pop();
            if written < frame.len() {
                self.direct = None;
                self.outgoing.put_first(frame.slice(written..));
            }
            if let Some(share) = &self.unsent {
                share.moved(written);
            }
        }
        meter.sent.add(messages);
        meter.sent_bytes.add(bytes as u64);
        self.count_unsent();
        self.outgoing.is_empty()
    }

    /// Where too much waits in the whole server, and this socket is the slowest.
    fn is_cut(&self, cx: &mut Context<'_>) -> bool {
        let mut shares = [&self.unsent, &self.unread].into_iter().flatten();
        shares.any(|share| share.poll_cut(cx).is_ready())
    }

    /// What waits to be sent has changed.
    fn count_unsent(&mut self) {
        if let Some(share) = &mut self.unsent {
            share.set(self.outgoing.bytes());
        }
    }

    /// Its guest is told of nothing but the end.
    fn forget(&mut self) {
        self.incoming.keep_the_end();
        self.count_unread(0);
    }

    /// What has come has changed, after so many bytes of it went on.
    fn count_unread(&mut self, moved: usize) {
        if let Some(share) = &mut self.unread {
            share.moved(moved);
            share.set(self.incoming.bytes() + self.kept);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.sockets.forget(self.id);
        self.family.left();
    }
}
