//! The memory that whole bodies of one instance's requests may take together: what has come counts, and not what was
//! announced. Holds no body itself.
//!
//! - The first [`FREE`] bytes of each body find room always. Requests are counted, so that these bytes are bounded, too.
//! - A body that is longer takes what it needs of the total.
//! - Where the total is used up, one body may use the reserve, which is as large: of those that wait, the one that began
//!   first. It goes on growing until it is whole, whatever the others that are not whole hold. So one can always grow,
//!   and never more is held than twice the total, beside what is free.
//! - A body that is whole counts until its request is over: its guest has it. All whole ones together have the total,
//!   and short ones a quarter more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::lock;

/// How many bytes of a body find room always. Fewer, where the total is small: a quarter of it.
const FREE: u64 = 64 * 1024;

/// The memory that whole bodies of one instance's requests may take together.
#[derive(Clone)]
pub struct BodyMemory(Arc<Shared>);

struct Shared {
    total: u64,
    begun: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: Taken,
    /// By their numbers, so that the first is the one that began first.
    waiting: BTreeMap<u64, (Ask, Waker)>,
}

#[derive(Clone, Copy, Default)]
struct Taken {
    /// What bodies hold, without the one that uses the reserve.
    used: u64,
    /// What those of them hold that are whole.
    whole: u64,
    has_reserve: bool,
}

/// What a body wants.
#[derive(Clone, Copy)]
struct Ask {
    /// How much it is to hold.
    bytes: u64,
    /// How much it holds, and as what.
    held: u64,
    kind: Kind,
    is_whole: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Growing,
    /// It grows in the reserve.
    Reserve,
    Whole,
}

impl BodyMemory {
    pub fn new(total: u64) -> Self {
        Self(Arc::new(Shared {
            total,
            begun: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// What the largest body may take.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// For a body whose read begins.
    pub fn share(&self) -> BodyShare {
        BodyShare {
            number: self.0.begun.fetch_add(1, Relaxed),
            memory: self.clone(),
            held: 0,
            kind: Kind::Growing,
            waits: false,
        }
    }

    fn free(&self) -> u64 {
        FREE.min(self.0.total / 4)
    }
}

/// What one body takes of a [`BodyMemory`], as long as this lives.
pub struct BodyShare {
    memory: BodyMemory,
    number: u64,
    /// What it was charged for.
    held: u64,
    kind: Kind,
    waits: bool,
}

impl BodyShare {
    /// Ready when the body may hold so many bytes, of which more are to come.
    pub fn poll_grow(&mut self, bytes: u64, cx: &mut Context<'_>) -> Poll<()> {
        if bytes <= self.held || (bytes <= self.memory.free() && self.held == 0) {
            return Poll::Ready(());
        }
        self.poll(bytes, false, cx)
    }

    /// Ready when the body, all of which is here, may be handed to its guest.
    pub fn poll_whole(&mut self, bytes: u64, cx: &mut Context<'_>) -> Poll<()> {
        match self.kind {
            Kind::Whole => Poll::Ready(()),
            Kind::Growing | Kind::Reserve => self.poll(bytes, true, cx),
        }
    }

    /// Whether its guest may have it.
    pub fn is_whole(&self) -> bool {
        self.kind == Kind::Whole
    }

    /// Nobody waits for it at this moment.
    pub fn wait_no_more(&mut self) {
        if self.waits {
            self.waits = false;
            let mut state = lock(&self.memory.0.state);
            state.waiting.remove(&self.number);
            state.wake(self.memory.0.total);
        }
    }

    fn poll(&mut self, bytes: u64, is_whole: bool, cx: &mut Context<'_>) -> Poll<()> {
        let Self { held, kind, .. } = *self;
        let ask = Ask {
            bytes,
            held,
            kind,
            is_whole,
        };
        let total = self.memory.0.total;
        let mut state = lock(&self.memory.0.state);
        let first = state.waiting.first_key_value();
        let is_first = first.is_none_or(|(first, _)| *first >= self.number);
        let Some(kind) = state.taken.take(ask, is_first, total) else {
            self.waits = true;
            state.waiting.insert(self.number, (ask, cx.waker().clone()));
            return Poll::Pending;
        };
        if self.waits {
            state.waiting.remove(&self.number);
        }
        // Others may have room by this: what was too much is given back, or the reserve, or the first place.
        if self.waits || bytes < self.held || self.kind == Kind::Reserve {
            state.wake(total);
        }
        self.waits = false;
        self.held = bytes;
        self.kind = kind;
        Poll::Ready(())
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        if self.held == 0 && !self.waits {
            return;
        }
        let mut state = lock(&self.memory.0.state);
        state.waiting.remove(&self.number);
        state.taken.give_back(self.held, self.kind);
        state.wake(self.memory.0.total);
    }
}

impl State {
    /// Has those that wait look again for whom there is room.
    fn wake(&mut self, total: u64) {
        let mut taken = self.taken;
        for (index, (ask, waker)) in self.waiting.values().enumerate() {
            if taken.take(*ask, index == 0, total).is_some() {
                waker.wake_by_ref();
            }
        }
    }
}

impl Taken {
    /// Takes what is asked for, where there is room. Tells as what. `is_first`: none waits that began before.
    fn take(&mut self, ask: Ask, is_first: bool, total: u64) -> Option<Kind> {
        let Ask { bytes, held, .. } = ask;
        let kind = if ask.is_whole {
            // What it was charged for has its room already.
            let fits = bytes <= held || self.whole + bytes <= total + total / 4;
            fits.then_some(Kind::Whole)?
        } else if ask.kind == Kind::Growing && self.used - held + bytes <= total {
            Kind::Growing
        } else {
            let is_its_turn = ask.kind == Kind::Reserve || (is_first && !self.has_reserve);
            (is_its_turn && self.whole + bytes <= total).then_some(Kind::Reserve)?
        };
        self.give_back(held, ask.kind);
        match kind {
            Kind::Growing => self.used += bytes,
            Kind::Reserve => self.has_reserve = true,
            Kind::Whole => {
                self.used += bytes;
                self.whole += bytes;
            }
        }
        Some(kind)
    }

    fn give_back(&mut self, held: u64, kind: Kind) {
        match kind {
            Kind::Growing => self.used -= held,
            Kind::Reserve => self.has_reserve = false,
            Kind::Whole => {
                self.used -= held;
                self.whole -= held;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1024;

    fn grows(share: &mut BodyShare, bytes: u64) -> bool {
        share
            .poll_grow(bytes, &mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    fn is_whole(share: &mut BodyShare, bytes: u64) -> bool {
        share
            .poll_whole(bytes, &mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    #[test]
    fn the_first_that_waits_may_always_grow_and_gives_its_place_to_the_next() {
        let memory = BodyMemory::new(1024 * KB);
        let [mut first, mut second, mut third] = [(); 3].map(|()| memory.share());
        let mut held = memory.share();
        assert!(grows(&mut held, 900 * KB));
        assert!(grows(&mut first, 100 * KB));
        // The total is used up: one has the reserve, up to the largest body.
        assert!(grows(&mut first, 1024 * KB));
        assert!(!grows(&mut second, 200 * KB));
        assert!(!grows(&mut third, 200 * KB));
        drop(first);
        assert!(!grows(&mut third, 200 * KB), "the second began before");
        assert!(grows(&mut second, 1024 * KB));
        assert!(!grows(&mut third, 200 * KB));
        drop(second);
        assert!(grows(&mut third, 1024 * KB));
    }

    #[test]
    fn small_ones_find_room_beside_whatever_is_not_whole() {
        let memory = BodyMemory::new(1024 * KB);
        let mut stalled: Vec<_> = (0..3).map(|_| memory.share()).collect();
        assert!(grows(&mut stalled[0], 1024 * KB));
        assert!(grows(&mut stalled[1], 1024 * KB));
        assert!(!grows(&mut stalled[2], 100 * KB));
        let mut small: Vec<_> = (0..20).map(|_| memory.share()).collect();
        for share in &mut small {
            assert!(grows(share, 64 * KB) && is_whole(share, 64 * KB));
        }
        // What guests have is bounded, too.
        let mut more = memory.share();
        assert!(grows(&mut more, 64 * KB) && !is_whole(&mut more, 64 * KB));
        small.pop();
        assert!(is_whole(&mut more, 64 * KB));
    }

    #[test]
    fn what_is_whole_gives_back_the_reserve_and_counts_until_it_is_dropped() {
        let memory = BodyMemory::new(1024 * KB);
        let [mut held, mut first, mut second] = [(); 3].map(|()| memory.share());
        assert!(grows(&mut held, 1000 * KB));
        assert!(grows(&mut first, 600 * KB) && is_whole(&mut first, 600 * KB));
        assert!(!grows(&mut second, 600 * KB), "600 KB are with a guest");
        drop(first);
        assert!(grows(&mut second, 600 * KB));
        drop((held, second));
        let mut all = memory.share();
        assert!(grows(&mut all, 1024 * KB));
        let state = lock(&memory.0.state);
        assert!(
            state.taken.used == 1024 * KB && !state.taken.has_reserve && state.taken.whole == 0
        );
    }
}
