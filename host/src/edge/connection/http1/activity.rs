//! What one connection is doing, as seen from beneath and from above hyper. Keeps no time and ends nothing.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use http::header::CONNECTION;
use http::{Extensions, HeaderMap};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::framing::Framing;
use super::unread::{MAX_DROPPED, PATIENCE, Unread};
use crate::base::backlog::{Account, Backlog, Charge};
use crate::services::sockets::{Session, Upgrade};

/// What a connection waits for.
///
/// Each phase has a count that tells it from earlier ones of its kind. As long as two looks give equal phases, the
/// connection made no progress that counts for its timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the first byte of the next request.
    Idle { served: u64 },
    /// For the rest of a head.
    Head { served: u64 },
    /// For the answer to the request.
    Exchange,
    /// For the rest of a body that nothing reads, behind its response.
    Dropping { served: u64 },
    /// For a client that takes no bytes, or too few since `written`.
    Stalled { written: u64 },
    /// For a client to close its side, after we closed ours.
    Closing,
}

/// The notes that [`TimedIo`](super::timed::TimedIo), the service and the bodies share.
///
/// All of them run in the connection's task and need no lock, except a request's body, which may be elsewhere. What
/// the body writes is marked.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose answer was begun.
    served: Note,
    /// Responses not yet over.
    answering: Note,
    /// Requests' bodies that may still be read. Written by the body.
    reading: AtomicU32,
    /// The body of the latest request that has one. Shared with it.
    unread: Mutex<Option<Arc<Unread>>>,
    /// There is one.
    has_body: Flag,
    /// Requests whose head has come.
    heads: Note,
    /// The bytes that are to come of the body behind the latest of them.
    to_come: Note,
    /// Some of that body has come.
    body_began: Flag,
    /// Some of a head has come, and not all.
    partial: Flag,
    /// The latest bytes break the rules, and hyper does not get them.
    broken: Flag,
    written: Note,
    /// What was written when the client last made progress, and what it must take for that.
    mark: Note,
    least: Note,
    stalled: Flag,
    stopping: Flag,
    closing: Flag,
    heard_enough: Flag,
    /// The account of a connection that had a response with much in memory.
    account: OnceLock<Arc<Account>>,
    /// The connection becomes a WebSocket.
    upgrade: OnceLock<Upgrade>,
}

/// A number that only one task changes.
#[derive(Debug, Default)]
struct Note(AtomicU64);

impl Note {
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

/// The same for a flag.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Flag {
    fn get(&self) -> bool {
        self.0.load(Relaxed)
    }

    fn set(&self, value: bool) {
        self.0.store(value, Relaxed);
    }
}

impl Activity {
    /// The WebSocket that the connection becomes.
    pub(super) fn take_session(&self) -> Option<Session> {
        self.upgrade.get()?.take()
    }

    /// `least`: the bytes that a client must take to count as progress.
    pub(super) fn new(least: u64) -> Self {
        let activity = Self::default();
        activity.least.set(least);
        activity
    }

    pub(super) fn phase(&self) -> Phase {
        if self.closing.get() {
            return Phase::Closing;
        }
        if self.stalled.get() {
            return Phase::Stalled {
                written: self.mark.get(),
            };
        }
        if self.in_exchange() {
            return Phase::Exchange;
        }
        let served = self.served.get();
        if self.unread().is_some_and(|unread| unread.is_here()) {
            return Phase::Dropping { served };
        }
        self.has_body.set(false);
        if self.partial.get() {
            Phase::Head { served }
        } else {
            Phase::Idle { served }
        }
    }

    fn in_exchange(&self) -> bool {
        self.answering.get() > 0 || self.reading.load(SeqCst) > 0
    }

    /// Bytes came in, and the framing has followed them this far.
    pub(super) fn read(&self, framing: &Framing) {
        self.heads.set(framing.heads());
        self.to_come.set(framing.to_come());
        self.partial.set(framing.is_in_head());
        self.body_began.set(framing.body_began());
        self.broken.set(framing.breach().is_some());
    }

    /// Whether the next head is to be refused.
    pub(super) fn refuses(&self) -> bool {
        self.broken.get() && matches!(self.phase(), Phase::Head { .. })
    }

    /// How much is to come of the body of the latest request. `None`: unknown.
    fn to_come(&self) -> Option<u64> {
        match self.to_come.get() {
            _ if self.heads.get() > self.served.get() => Some(0),
            u64::MAX => None,
            bytes => Some(bytes),
        }
    }

    fn unread(&self) -> Option<Arc<Unread>> {
        if !self.has_body.get() {
            return None;
        }
        let unread = self.unread.lock();
        unread.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Drops what has come of a body that nothing reads. Returns whether hyper must be polled again.
    pub(super) fn poll_unread(&self, cx: &mut Context<'_>) -> bool {
        self.unread().is_some_and(|unread| {
            let is_bounded = self.to_come().is_some();
            unread.poll(is_bounded, cx)
        })
    }

    /// The client has taken too long for a body that nothing reads.
    pub(super) fn give_up(&self) {
        if let Some(unread) = self.unread() {
            unread.give_up();
        }
    }

    /// hyper took all bytes that the runtime knows of.
    ///
    /// When the connection is to stop, that isn't enough: a request that the system holds already was sent before the
    /// stop, and counts as begun.
    pub(super) fn starved(&self, has_unread: impl FnOnce() -> bool) {
        if self.stopping.get() && has_unread() {
            self.partial.set(true);
        }
    }

    /// The connection is to stop as soon as it is idle.
    pub(super) fn stop(&self) {
        self.stopping.set(true);
    }

    /// The socket took `bytes` of a response.
    pub(super) fn wrote(&self, bytes: usize) {
        let written = self.written.get() + bytes as u64;
        self.written.set(written);
        if written - self.mark.get() >= self.least.get() {
            self.mark.set(written);
        }
        self.stalled.set(false);
        if let Some(account) = self.account.get() {
            account.moved(bytes as u64);
        }
    }

    /// The connection's account, if a response had much in memory.
    pub(super) fn account(&self) -> Option<&Arc<Account>> {
        self.account.get()
    }

    /// Counts a response's bytes in memory, as long as this exists.
    pub(super) fn charge(&self, unsent: &Backlog, bytes: u64) -> Charge {
        self.account.get_or_init(|| unsent.account()).charge(bytes)
    }

    /// The socket takes nothing now.
    pub(super) fn stalled(&self) {
        self.stalled.set(true);
    }

    /// We sent our last byte. Returns whether the client may still send.
    pub(super) fn closing(&self) -> bool {
        self.closing.set(true);
        let is_more_to_come = self.to_come() != Some(0) || self.heads.get() > self.served.get();
        self.partial.get() || self.broken.get() || is_more_to_come
    }

    /// Input was read for long enough after the close. Returns whether that is new.
    pub(super) fn hear_no_more(&self) -> bool {
        let is_news = !self.is_deaf();
        self.heard_enough.set(true);
        is_news
    }

    /// Whether input of a client is ignored, after we sent our last byte.
    pub(super) fn is_deaf(&self) -> bool {
        self.heard_enough.get()
    }

    /// A head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.served.set(self.served.get() + 1);
        self.answering.set(self.answering.get() + 1);
        Answering {
            activity: self.clone(),
            expects: false,
            unread: None,
        }
    }
}

/// A request that is not completely answered, as long as this exists. It belongs to the connection's task.
#[derive(Debug)]
pub(super) struct Answering {
    activity: Arc<Activity>,
    /// The client waits for `100 Continue` before it sends its body.
    expects: bool,
    /// Its body, where it has one.
    unread: Option<Arc<Unread>>,
}

impl Answering {
    /// Notes that the request's body is not over, either. `expects`: the client may wait for `100 Continue`.
    pub(super) fn reading(&mut self, expects: bool) -> Reading {
        let unread = Arc::new(Unread::new());
        let latest = Some(unread.clone());
        *self
            .activity
            .unread
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = latest.clone();
        self.unread = latest;
        self.expects = expects;
        self.activity.has_body.set(true);
        self.activity.reading.fetch_add(1, SeqCst);
        Reading {
            activity: self.activity.clone(),
            unread,
        }
    }

    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Whether there is a rest of the body that nothing reads, of unknown length.
    pub(super) fn has_rest(&self) -> bool {
        let unread = self.unread.as_ref();
        unread.is_some_and(|unread| unread.is_here()) && self.activity.to_come().is_none()
    }

    /// Drops the rest up to its end, or to where the connection must close. The head of the response says which it is.
    pub(super) async fn drop_rest(&self) {
        let Some(unread) = &self.unread else {
            return;
        };
        if self.expects && !self.activity.body_began.get() {
            return;
        }
        unread.answered(false);
        let ended = poll_fn(|cx| {
            while unread.poll(self.activity.to_come().is_some(), cx) {}
            match unread.is_here() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        });
        if timeout(PATIENCE, ended).await.is_err() {
            unread.give_up();
        }
    }

    /// The connection becomes a WebSocket where the response says so.
    pub(super) fn upgrades(&self, response: &mut Extensions) {
        if let Some(upgrade) = response.remove::<Upgrade>() {
            let _ = self.activity.upgrade.set(upgrade);
        }
    }

    /// Whether no request can follow this one, now that the head of its response is made.
    pub(super) fn is_last(&self) -> bool {
        self.activity.stopping.get()
            || (self.activity.broken.get() && !self.activity.partial.get())
            || self
                .unread
                .as_ref()
                .is_some_and(|unread| self.is_too_much(unread))
    }

    /// Whether more of the body is to come than the connection drops.
    fn is_too_much(&self, unread: &Unread) -> bool {
        if unread.has_failed() {
            return true;
        }
        match self.activity.to_come() {
            Some(0) => false,
            // It may come or not, so the end of the message would be unknown.
            _ if self.expects && !self.activity.body_began.get() => true,
            Some(bytes) => bytes > MAX_DROPPED,
            // A reader that goes on may or may not read it to its end.
            None => unread.is_away() || unread.is_long(),
        }
    }

    /// The head of the response is sent, and says whether the connection closes behind it.
    pub(super) fn answered(&self, headers: &HeaderMap) {
        if let Some(unread) = &self.unread {
            let connection = headers.get(CONNECTION);
            let closes =
                connection.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
            unread.answered(closes);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let answering = &self.activity.answering;
        answering.set(answering.get() - 1);
    }
}

/// A request's body that may be read, as long as this exists.
#[derive(Debug)]
pub(in crate::edge::connection) struct Reading {
    activity: Arc<Activity>,
    unread: Arc<Unread>,
}

impl Reading {
    /// The body will not be read to its end. `incoming` is the rest. `is_long`: more than was wanted has come already.
    pub(in crate::edge::connection) fn abandon(self, incoming: Incoming, is_long: bool) {
        let waiting = self.unread.give_back(incoming, is_long);
        // Not before it is over for all counts.
        drop(self);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// The body can't be read to its end.
    pub(in crate::edge::connection) fn fail(self) {
        self.unread.give_up();
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let waiting = self.unread.end();
        self.activity.reading.fetch_sub(1, SeqCst);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Phase = Phase::Idle { served: 0 };
    const HEAD: Phase = Phase::Head { served: 0 };

    /// An activity, and the framing of what it reads.
    struct Heard(Arc<Activity>, Framing);

    impl Heard {
        fn nothing() -> Self {
            Self(Arc::default(), Framing::new(1024))
        }

        fn read(&mut self, bytes: &[u8]) -> Phase {
            self.1.read(bytes);
            self.0.read(&self.1);
            self.0.phase()
        }
    }

    #[test]
    fn a_head_is_waited_for_from_its_first_byte() {
        let mut heard = Heard::nothing();
        assert_eq!(heard.0.phase(), IDLE);
        for byte in b"\r\n\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r" {
            assert_eq!(heard.read(&[*byte]), HEAD);
        }
    }

    #[test]
    fn a_head_behind_another_is_seen_when_the_response_ends() {
        let mut heard = Heard::nothing();
        heard.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGE");
        let exchange = heard.0.begin();
        assert_eq!(heard.0.phase(), Phase::Exchange);
        drop(exchange);
        assert_eq!(heard.0.phase(), Phase::Head { served: 1 });
    }

    #[test]
    fn the_bytes_of_a_body_begin_no_head() {
        let mut heard = Heard::nothing();
        heard.read(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
        let exchange = heard.0.begin();
        heard.read(b"def");
        drop(exchange);
        assert_eq!(heard.0.phase(), Phase::Idle { served: 1 });
        assert_eq!(heard.read(b"G"), Phase::Head { served: 1 });
    }

    #[test]
    fn a_response_being_read_is_progress() {
        let activity = Arc::new(Activity::default());
        let _exchange = activity.begin();
        activity.stalled();
        let first = activity.phase();
        activity.wrote(1);
        assert_eq!(activity.phase(), Phase::Exchange);
        activity.stalled();
        assert_ne!(activity.phase(), first);
    }
}
