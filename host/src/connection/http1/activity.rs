//! What one connection is doing, as seen from beneath and from above hyper. It never keeps time
//! and never ends anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
/// The lock is the connection's own, and all but one of those who take it run in its task.
#[derive(Debug, Default)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Requests whose head was complete.
    served: u64,
    /// Halves of exchanges not yet over: a request's body and its response are one each.
    open: u32,
    /// Bytes still to come of a body whose length was declared.
    body_left: u64,
    /// The last bytes read, newest lowest.
    tail: u32,
    /// The last byte read doesn't end a message.
    partial: bool,
    /// Bytes of a request line whose end is yet to come.
    line: Option<usize>,
    /// A body was given up before its end.
    abandoned: bool,
    written: u64,
    stalled: bool,
    stopping: bool,
    closing: bool,
    heard_enough: bool,
}

impl Activity {
    pub(super) fn phase(&self) -> Phase {
        let mut state = self.state();
        if state.closing {
            return Phase::Closing;
        }
        if state.stalled {
            return Phase::Stalled {
                written: state.written,
            };
        }
        if state.open > 0 {
            return Phase::Exchange;
        }
        // The connection lives, so hyper is through with the last body, read or not.
        state.body_left = 0;
        state.abandoned = false;
        let served = state.served;
        if state.partial {
            Phase::Head { served }
        } else {
            Phase::Idle { served }
        }
    }

    /// Bytes came in.
    ///
    /// Whether they begin a request, hyper knows and doesn't tell. But all that it consumes ends
    /// with a blank line, save a body of declared length: so where the bytes that aren't such a
    /// body end with anything else, part of a head is waiting for its rest. Bytes that share a
    /// read with the end of such a body are taken for it: the error is in the client's favour,
    /// and the idle timeout bounds it.
    ///
    /// Tells how long the request line is that they begin, continue or end.
    pub(super) fn read(&self, bytes: &[u8]) -> usize {
        let mut state = self.state();
        if state.body_left > 0 {
            state.body_left = state.body_left.saturating_sub(bytes.len() as u64);
            state.partial = false;
            return 0;
        }
        let line = state.line(bytes);
        for &byte in &bytes[bytes.len().saturating_sub(3)..] {
            state.tail = state.tail << 8 | u32::from(byte);
        }
        let ends_blank = state.tail & 0xff_ffff == u32::from_be_bytes(*b"\0\n\r\n")
            || state.tail & 0xffff == u32::from_be_bytes(*b"\0\0\n\n");
        state.partial = !ends_blank;
        line
    }

    /// hyper took all that the runtime knows of.
    ///
    /// When the connection is to stop, that isn't enough: a request that the system holds already
    /// was sent in good faith, and counts as begun.
    pub(super) fn starved(&self, has_unread: impl FnOnce() -> bool) {
        let mut state = self.state();
        if state.stopping && has_unread() {
            state.partial = true;
        }
    }

    /// The connection is to stop as soon as it is idle.
    pub(super) fn stop(&self) {
        self.state().stopping = true;
    }

    /// Whether the request in flight is the last one.
    pub(super) fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// The socket took `bytes` of a response.
    pub(super) fn wrote(&self, bytes: usize) {
        let mut state = self.state();
        state.written += bytes as u64;
        state.stalled = false;
    }

    /// The socket takes nothing now.
    pub(super) fn stalled(&self) {
        self.state().stalled = true;
    }

    /// We said our last byte. Tells whether the client may still be talking.
    pub(super) fn closing(&self) -> bool {
        let mut state = self.state();
        state.closing = true;
        state.partial || state.abandoned
    }

    /// The client was heard out for long enough. Tells whether that is news.
    pub(super) fn hear_no_more(&self) -> bool {
        !std::mem::replace(&mut self.state().heard_enough, true)
    }

    /// Whether a client that talks on, though we said our last byte, is to be heard no longer.
    pub(super) fn is_deaf(&self) -> bool {
        self.state().heard_enough
    }

    /// A head is complete, and a body of `length` bytes, if that is known, follows it.
    pub(super) fn begin(self: &Arc<Self>, length: Option<u64>) -> Half {
        let mut state = self.state();
        state.served += 1;
        if let Some(length @ 1..) = length {
            state.body_left = length;
            state.partial = false;
        }
        drop(state);
        self.half()
    }

    fn half(self: &Arc<Self>) -> Half {
        self.state().open += 1;
        Half(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&mut self, bytes: &[u8]) -> usize {
        let before = if self.partial { self.line } else { Some(0) };
        let (Some(before), 0) = (before, self.open) else {
            self.line = None;
            return 0;
        };
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let line = before + end.unwrap_or(bytes.len());
        self.line = end.is_none().then_some(line);
        line
    }
}

/// One half of an exchange that isn't over while this lives.
#[derive(Debug)]
pub(in crate::connection) struct Half(Arc<Activity>);

impl Half {
    /// The other half.
    pub(super) fn other(&self) -> Self {
        self.0.half()
    }

    /// Ends the half of a body that nobody will read to its end.
    pub(in crate::connection) fn abandon(self) {
        self.0.state().abandoned = true;
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.0.state().open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Phase = Phase::Idle { served: 0 };
    const HEAD: Phase = Phase::Head { served: 0 };

    #[test]
    fn a_head_is_waited_for_from_its_first_byte() {
        let activity = Activity::default();
        assert_eq!(activity.phase(), IDLE);
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r" {
            activity.read(&[*byte]);
            assert_eq!(activity.phase(), HEAD);
        }
    }

    #[test]
    fn a_head_behind_another_is_seen_when_the_response_ends() {
        let activity = Arc::new(Activity::default());
        activity.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGE");
        let exchange = activity.begin(Some(0));
        assert_eq!(activity.phase(), Phase::Exchange);
        drop(exchange);
        assert_eq!(activity.phase(), Phase::Head { served: 1 });
    }

    #[test]
    fn the_bytes_of_a_body_begin_no_head() {
        let activity = Arc::new(Activity::default());
        activity.read(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
        let exchange = activity.begin(Some(6));
        activity.read(b"def");
        drop(exchange);
        assert_eq!(activity.phase(), Phase::Idle { served: 1 });
        activity.read(b"G");
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
