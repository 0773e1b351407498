//! The traffic of one HTTP/2 connection: its requests, the progress of their responses, and whether the client's input
//! is useful. Ends nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::CONNECTION_WINDOW;
use crate::base::backlog::{Account, Backlog, Charge};

/// How many bytes a client may send that are not useful: control frames, and requests that it cancels. All that a
/// connection may send before it is read fits in, because an upload that waits must not look like a flood.
const ALLOWANCE: u64 = CONNECTION_WINDOW as u64 + 256 * 1024;

/// How many of these bytes come back each second, for clients that send pings for months.
const REFILL: u64 = 4 * 1024;

/// How many control frames a client may send that nothing calls for.
const CONTROL: u64 = 4_000;

/// How many of them come back each second, and with each request that is answered.
const CONTROL_IN_A_SECOND: u64 = 50;
const CONTROL_OF_AN_ANSWER: u64 = 8;

/// This many bytes of a response, or of a body that is read, call for one of them.
const BYTES_OF_CONTROL: u64 = 2 * 1024;

/// The cost of a request that is cancelled before it is answered, beside its bytes: the work that it caused.
const CANCELLED: u64 = 8 * 1024;

/// What the connection waits for.
///
/// As long as two looks give equal phases, nothing has changed that counts for its timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the next request.
    Idle { served: u64 },
    /// For an answer.
    Open,
    /// For the client to take what is ready for it. `since` belongs to the response that has waited for longest.
    Sending { since: Instant },
    /// For a client to close the connection, after we said that we will.
    Closing,
    /// For a client to close the connection whose input is useless and ignored.
    Flooded,
}

/// The notes that the socket, the requests and their responses share.
#[derive(Debug)]
pub(super) struct Traffic {
    state: Mutex<State>,
    /// What responses have in memory.
    account: Arc<Account>,
    /// The bytes that the client must take of its responses to count as progress.
    least: u64,
}

#[derive(Debug)]
struct State {
    /// Requests begun.
    served: u64,
    /// Requests that are not over.
    open: u64,
    /// The responses that are under way, by their requests' numbers.
    sending: BTreeMap<u64, Sending>,
    /// What the client took since the last progress.
    taken: u64,
    allowance: u64,
    /// Of control frames, in the bytes that call for them.
    control: u64,
    refilled: Instant,
    flooded: bool,
    closing: bool,
}

/// The progress of a response that is under way.
#[derive(Debug)]
struct Sending {
    /// The time of its last progress.
    since: Instant,
    /// Its client took some of it since then, but altogether too little.
    has_moved: bool,
    /// The bytes that are ready for the client.
    left: u64,
    charge: Charge,
    /// There is no more of the response at this moment.
    is_idle: bool,
}

impl Sending {
    fn now(charge: Charge) -> Self {
        Self {
            since: Instant::now(),
            has_moved: false,
            left: 0,
            charge,
            is_idle: false,
        }
    }

    /// Whether it waits for the client.
    fn waits(&self) -> bool {
        self.left > 0 || !self.is_idle
    }
}

impl Traffic {
    /// `least`: the bytes that the client must take of its responses to count as progress.
    pub(super) fn new(unsent: &Backlog, least: u64) -> Arc<Self> {
        let state = State {
            served: 0,
            open: 0,
            sending: BTreeMap::new(),
            taken: 0,
            allowance: ALLOWANCE,
            control: CONTROL * BYTES_OF_CONTROL,
            refilled: Instant::now(),
            flooded: false,
            closing: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            account: unsent.account(),
            least,
        })
    }

    /// Ready when the connection is to be cut off: too much waits to be sent, and its client is the slowest.
    pub(super) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.account.poll_cut(cx)
    }

    pub(super) fn phase(&self) -> Phase {
        let state = self.state();
        if state.flooded {
            return Phase::Flooded;
        }
        let waits = state.sending.values().filter(|sending| sending.waits());
        if let Some(since) = waits.map(|sending| sending.since).min() {
            return Phase::Sending { since };
        }
        match (state.open, state.closing) {
            (0, true) => Phase::Closing,
            (0, false) => Phase::Idle {
                served: state.served,
            },
            _ => Phase::Open,
        }
    }

    /// Bytes came in, and this many control frames began in them.
    pub(super) fn read(&self, bytes: usize, control: u64) {
        self.state().charge(bytes as u64, control);
    }

    /// Whether the client sends too much that is not useful.
    pub(super) fn is_flooded(&self) -> bool {
        self.state().flooded
    }

    /// We said that the connection ends.
    pub(super) fn close(&self) {
        self.state().closing = true;
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Stream {
        let mut state = self.state();
        state.served += 1;
        state.open += 1;
        let number = state.served;
        drop(state);
        Stream(Arc::new(Request {
            traffic: self.clone(),
            number,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn charge(&mut self, bytes: u64, control: u64) {
        let now = Instant::now();
        let seconds = now.duration_since(self.refilled).as_secs();
        if seconds > 0 {
            self.refilled = now;
            self.allow(seconds.saturating_mul(REFILL));
            self.call_for(seconds.saturating_mul(CONTROL_IN_A_SECOND * BYTES_OF_CONTROL));
        }
        self.allowance = self.allowance.saturating_sub(bytes);
        self.control = self.control.saturating_sub(control * BYTES_OF_CONTROL);
        self.flooded |= self.allowance == 0 || self.control == 0;
    }

    fn allow(&mut self, bytes: u64) {
        self.allowance = self.allowance.saturating_add(bytes).min(ALLOWANCE);
    }

    /// This many bytes were useful.
    fn call_for(&mut self, bytes: u64) {
        let control = self.control.saturating_add(bytes);
        self.control = control.min(CONTROL * BYTES_OF_CONTROL);
    }
}

/// One request. It is over when all clones are dropped: its answer is being made, or sent.
#[derive(Clone, Debug)]
pub(in crate::edge::connection) struct Stream(Arc<Request>);

#[derive(Debug)]
struct Request {
    traffic: Arc<Traffic>,
    number: u64,
}

impl Stream {
    /// These bytes of its body were read.
    pub(in crate::edge::connection) fn took(&self, bytes: u64) {
        let mut state = self.0.traffic.state();
        state.allow(bytes);
        state.call_for(bytes);
    }

    /// The account of its connection.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.0.traffic.account
    }

    /// The head of its response is made, and `held` bytes of its body: what came so far was useful.
    pub(super) fn answered(&self, held: u64) {
        let charge = self.account().charge(held);
        let mut state = self.0.traffic.state();
        state.allowance = ALLOWANCE;
        state.call_for(CONTROL_OF_AN_ANSWER * BYTES_OF_CONTROL);
        state.sending.insert(self.0.number, Sending::now(charge));
    }

    /// This many bytes of its response are ready for the client.
    pub(super) fn ready(&self, bytes: usize) {
        self.change(|sending| {
            if !sending.waits() {
                sending.since = Instant::now();
                sending.has_moved = false;
            }
            sending.left += bytes as u64;
            if sending.left > sending.charge.bytes() {
                // It is still being made, and another piece may wait behind this one.
                sending.charge.at_least(sending.left * 2);
            }
            sending.is_idle = false;
        });
    }

    /// There will be more of its response, but not now.
    pub(super) fn idle(&self) {
        self.change(|sending| sending.is_idle = true);
    }

    /// The client took this many bytes of its response.
    pub(super) fn progressed(&self, bytes: usize) {
        let bytes = bytes as u64;
        let mut state = self.0.traffic.state();
        state.call_for(bytes);
        state.taken += bytes;
        let is_enough = state.taken >= self.0.traffic.least;
        let Some(sending) = state.sending.get_mut(&self.0.number) else {
            return;
        };
        sending.left = sending.left.saturating_sub(bytes);
        sending.has_moved = true;
        sending.charge.moved(bytes);
        if is_enough {
            state.taken = 0;
            let now = Instant::now();
            for moved in state.sending.values_mut().filter(|one| one.has_moved) {
                moved.has_moved = false;
                moved.since = now;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Sending)) {
        let mut state = self.0.traffic.state();
        if let Some(sending) = state.sending.get_mut(&self.0.number) {
            change(sending);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut state = self.traffic.state();
        state.open -= 1;
        let sent = state.sending.remove(&self.number);
        if sent.is_none() {
            state.charge(CANCELLED, 0);
        }
        drop(state);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn traffic() -> Arc<Traffic> {
        Traffic::new(&Backlog::unsent(1 << 20), 1)
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_response_counts() {
        let traffic = traffic();
        let [slow, quick] = [traffic.begin(), traffic.begin()];
        assert_eq!(traffic.phase(), Phase::Open);
        slow.answered(0);
        let since = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        quick.answered(0);
        quick.progressed(1);
        assert_eq!(traffic.phase(), Phase::Sending { since });
        drop(slow);
        assert_ne!(traffic.phase(), Phase::Sending { since });
        drop(quick);
        assert_eq!(traffic.phase(), Phase::Idle { served: 2 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_waits_for_its_handler_does_not_count() {
        let traffic = traffic();
        let events = traffic.begin();
        events.answered(0);
        events.idle();
        assert_eq!(traffic.phase(), Phase::Open);
        tokio::time::advance(Duration::from_secs(1)).await;
        events.ready(2);
        let since = Instant::now();
        events.idle();
        assert_eq!(traffic.phase(), Phase::Sending { since });
        tokio::time::advance(Duration::from_secs(1)).await;
        events.progressed(1);
        let since = Instant::now();
        assert_eq!(traffic.phase(), Phase::Sending { since });
        events.progressed(1);
        assert_eq!(traffic.phase(), Phase::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_answers_is_no_flood() {
        let traffic = traffic();
        for _ in 0..1_000 {
            traffic.read(60_000, 3);
            let request = traffic.begin();
            request.answered(0);
        }
        assert!(!traffic.is_flooded());
        let upload = traffic.begin();
        for _ in 0..1_000 {
            traffic.read(60_000, 3);
            upload.took(60_000);
        }
        assert!(!traffic.is_flooded());
        // A download that the client has window for in small steps.
        let download = traffic.begin();
        download.answered(0);
        for _ in 0..10_000 {
            download.ready(16_384);
            download.progressed(16_384);
            traffic.read(52, 4);
        }
        assert!(!traffic.is_flooded());
        // A ping every second for a week.
        for _ in 0..7 * 24 * 3600 {
            tokio::time::advance(Duration::from_secs(1)).await;
            traffic.read(17, 1);
        }
        assert!(!traffic.is_flooded());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_none_is_one() {
        let cancels = traffic();
        for _ in 0..200 {
            cancels.read(50, 1);
            drop(cancels.begin());
        }
        assert!(cancels.is_flooded());
        let pings = traffic();
        for _ in 0..CONTROL {
            assert!(!pings.is_flooded());
            pings.read(17, 1);
        }
        assert!(pings.is_flooded());
        // Nor does an answer now and then make it any better.
        let pings = traffic();
        for _ in 0..200 {
            pings.begin().answered(0);
            pings.read(850, 50);
        }
        assert!(pings.is_flooded());
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_no_progress() {
        let traffic = Traffic::new(&Backlog::unsent(1 << 20), 1000);
        let response = traffic.begin();
        response.answered(0);
        response.ready(100_000);
        let since = Instant::now();
        for _ in 0..9 {
            tokio::time::advance(Duration::from_secs(1)).await;
            response.progressed(100);
            assert_eq!(traffic.phase(), Phase::Sending { since });
        }
        response.progressed(100);
        let since = Instant::now();
        assert_eq!(traffic.phase(), Phase::Sending { since });
    }
}
