//! What one connection is doing, as seen from beneath and from above hyper. It never keeps time
//! and never ends anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// Who a connection waits for.
///
/// Each phase carries the count that tells it from an earlier one of its kind: as long as two
/// looks give equal phases, the connection made no progress that its clock should honour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the first byte of the next request.
    Idle { served: u64 },
    /// For the rest of a head.
    Head { served: u64 },
    /// For whoever answers the request.
    Exchange,
    /// For a client that takes no bytes.
    Stalled { written: u64 },
    /// For a client to hang up, after we did.
    Closing,
}

/// The notes that [`TimedIo`](super::timed::TimedIo), the service and the bodies share.
///
/// All who make them run in the connection's task, and need no lock. A request's body alone may be elsewhere: what it
/// says is marked.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests whose head was complete.
    served: Note,
    /// Responses not yet over.
    answering: Note,
    /// Requests' bodies not yet over. Said by the body.
    reading: AtomicU32,
    /// A body was given up before its end. Said by the body.
    abandoned: AtomicBool,
    /// Bytes still to come of a body whose length was declared.
    body_left: Note,
    /// The last byte read doesn't end a message.
    partial: Flag,
    written: Note,
    stalled: Flag,
    stopping: Flag,
    closing: Flag,
    heard_enough: Flag,
}

/// A number that one task changes.
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

/// The same of what is so or not.
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
    pub(super) fn phase(&self) -> Phase {
        if self.closing.get() {
            return Phase::Closing;
        }
        if self.stalled.get() {
            return Phase::Stalled {
                written: self.written.get(),
            };
        }
        if self.in_exchange() {
            return Phase::Exchange;
        }
        // The connection lives, so hyper is through with the last body, read or not.
        self.body_left.set(0);
        self.abandoned.store(false, Relaxed);
        let served = self.served.get();
        if self.partial.get() {
            Phase::Head { served }
        } else {
            Phase::Idle { served }
        }
    }

    fn in_exchange(&self) -> bool {
        self.answering.get() > 0 || self.reading.load(SeqCst) > 0
    }

    /// Bytes came in, after what was heard before.
    ///
    /// Whether they begin a request, hyper knows and doesn't tell. But all that it consumes ends
    /// with a blank line, save a body of declared length: so where the bytes that aren't such a
    /// body end with anything else, part of a head is waiting for its rest. Bytes that share a
    /// read with the end of such a body are taken for it: the error is in the client's favour,
    /// and the idle timeout bounds it.
    ///
    /// Tells how long the request line is that they begin, continue or end.
    pub(super) fn read(&self, bytes: &[u8], heard: &mut Heard) -> usize {
        let body_left = self.body_left.get();
        if body_left > 0 {
            self.body_left
                .set(body_left.saturating_sub(bytes.len() as u64));
            self.partial.set(false);
            return 0;
        }
        let line = heard.line(bytes, self.partial.get(), self.in_exchange());
        self.partial.set(!heard.ends_blank(bytes));
        line
    }

    /// hyper took all that the runtime knows of.
    ///
    /// When the connection is to stop, that isn't enough: a request that the system holds already
    /// was sent in good faith, and counts as begun.
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
        self.written.set(self.written.get() + bytes as u64);
        self.stalled.set(false);
    }

    /// The socket takes nothing now.
    pub(super) fn stalled(&self) {
        self.stalled.set(true);
    }

    /// We said our last byte. Tells whether the client may still be talking.
    pub(super) fn closing(&self) -> bool {
        self.closing.set(true);
        self.partial.get() || self.abandoned.load(Relaxed)
    }

    /// The client was heard out for long enough. Tells whether that is news.
    pub(super) fn hear_no_more(&self) -> bool {
        let is_news = !self.is_deaf();
        self.heard_enough.set(true);
        is_news
    }

    /// Whether a client that talks on, though we said our last byte, is to be heard no longer.
    pub(super) fn is_deaf(&self) -> bool {
        self.heard_enough.get()
    }

    /// A head is complete, and a body of `length` bytes, if that is known, follows it.
    pub(super) fn begin(self: &Arc<Self>, length: Option<u64>) -> Answering {
        self.served.set(self.served.get() + 1);
        if let Some(length @ 1..) = length {
            self.body_left.set(length);
            self.partial.set(false);
        }
        self.answering.set(self.answering.get() + 1);
        Answering(self.clone())
    }
}

/// What the socket gave last.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The last bytes, newest lowest.
    tail: u32,
    /// Bytes of a request line whose end is yet to come.
    line: Option<usize>,
}

impl Heard {
    /// `partial`: what came before belongs to the same head.
    fn line(&mut self, bytes: &[u8], partial: bool, in_exchange: bool) -> usize {
        let before = if partial { self.line } else { Some(0) };
        let (Some(before), false) = (before, in_exchange) else {
            self.line = None;
            return 0;
        };
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let line = before + end.unwrap_or(bytes.len());
        self.line = end.is_none().then_some(line);
        line
    }

    fn ends_blank(&mut self, bytes: &[u8]) -> bool {
        for &byte in &bytes[bytes.len().saturating_sub(3)..] {
            self.tail = self.tail << 8 | u32::from(byte);
        }
        self.tail & 0xff_ffff == u32::from_be_bytes(*b"\0\n\r\n")
            || self.tail & 0xffff == u32::from_be_bytes(*b"\0\0\n\n")
    }
}

/// A request that isn't answered to the end while this lives, which is in the connection's task.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Answering {
    /// That the request's body isn't over, either.
    pub(super) fn reading(&self) -> Reading {
        self.0.reading.fetch_add(1, SeqCst);
        Reading(self.0.clone())
    }

    /// Whether the request in flight is the last one.
    pub(super) fn is_last(&self) -> bool {
        self.0.stopping.get()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get() - 1);
    }
}

/// A request's body that isn't over while this lives.
#[derive(Debug)]
pub(in crate::connection) struct Reading(Arc<Activity>);

impl Reading {
    /// Nobody will read it to its end.
    pub(in crate::connection) fn abandon(self) {
        self.0.abandoned.store(true, SeqCst);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.reading.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Phase = Phase::Idle { served: 0 };
    const HEAD: Phase = Phase::Head { served: 0 };

    #[test]
    fn a_head_is_waited_for_from_its_first_byte() {
        let (activity, mut heard) = (Activity::default(), Heard::default());
        assert_eq!(activity.phase(), IDLE);
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r" {
            activity.read(&[*byte], &mut heard);
            assert_eq!(activity.phase(), HEAD);
        }
    }

    #[test]
    fn a_head_behind_another_is_seen_when_the_response_ends() {
        let (activity, mut heard) = (Arc::new(Activity::default()), Heard::default());
        activity.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGE", &mut heard);
        let exchange = activity.begin(Some(0));
        assert_eq!(activity.phase(), Phase::Exchange);
        drop(exchange);
        assert_eq!(activity.phase(), Phase::Head { served: 1 });
    }

    #[test]
    fn the_bytes_of_a_body_begin_no_head() {
        let (activity, mut heard) = (Arc::new(Activity::default()), Heard::default());
        activity.read(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc",
            &mut heard,
        );
        let exchange = activity.begin(Some(6));
        activity.read(b"def", &mut heard);
        drop(exchange);
        assert_eq!(activity.phase(), Phase::Idle { served: 1 });
        activity.read(b"G", &mut heard);
        assert_eq!(activity.phase(), Phase::Head { served: 1 });
    }

    #[test]
    fn a_response_being_read_is_progress() {
        let activity = Arc::new(Activity::default());
        let _exchange = activity.begin(None);
        activity.stalled();
        let first = activity.phase();
        activity.wrote(1);
        assert_eq!(activity.phase(), Phase::Exchange);
        activity.stalled();
        assert_ne!(activity.phase(), first);
    }
}
