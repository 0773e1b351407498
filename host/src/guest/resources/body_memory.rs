//! The memory that whole bodies of one instance's requests may take together. Bytes that have come count; bytes that
//! were announced do not. Holds no body itself.
//!
//! - The first [`FREE`] bytes of each body always have room. The number of requests is limited, so these bytes are
//!   limited, too.
//! - A longer body takes what it needs of the total.
//! - Where the total is used up, one body may use the reserve, which is as large as the total. Of the bodies that
//!   wait, it is the one that began first. It grows until it is whole, whatever other incomplete bodies hold. So one
//!   body can always grow, and no more is ever held than twice the total and the free bytes.
//! - A whole body counts until its request is over, because its guest has it. All whole bodies together have the
//!   total, and short ones a quarter more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::lock;

/// How many bytes of a body always have room. Where the total is small, it is a quarter of the total.
const FREE: u64 = 64 * 1024;

/// The memory that whole bodies of one instance's requests may take together.
#[derive(Clone)]
pub struct BodyMemory(Arc<Shared>);

struct Shared {
    total: u64,
    /// How many bytes of each body always have room.
    free: u64,
    begun: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: Taken,
    /// By their numbers: the lowest number began first.
    waiting: BTreeMap<u64, (Ask, Waker)>,
}

#[derive(Clone, Copy, Default)]
struct Taken {
    /// What bodies hold, without the one that uses the reserve.
    used: u64,
    /// What the whole ones among them hold.
    whole: u64,
    has_reserve: bool,
}

/// The memory that a body asks for.
#[derive(Clone, Copy)]
struct Ask {
    /// How much it wants to hold.
    bytes: u64,
    /// How much it holds now.
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
        Self::with_free(total, FREE.min(total / 4))
    }

    /// The same, where this many bytes of each body always have room.
    pub fn with_free(total: u64, free: u64) -> Self {
        Self(Arc::new(Shared {
            total,
            free,
            begun: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// The size of the largest possible body.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// A share for a body whose read begins.
    pub fn share(&self) -> BodyShare {
        BodyShare {
            number: self.0.begun.fetch_add(1, Relaxed),
            memory: self.clone(),
            held: 0,
            kind: Kind::Growing,
            waits: false,
        }
    }
}

/// The part of a [`BodyMemory`] that one body takes. Dropping it gives the part back.
pub struct BodyShare {
    memory: BodyMemory,
    number: u64,
    /// How many bytes it takes.
    held: u64,
    kind: Kind,
    waits: bool,
}

impl BodyShare {
    /// Ready when the body may hold this many bytes. More are to come.
    pub fn poll_grow(&mut self, bytes: u64, cx: &mut Context<'_>) -> Poll<()> {
        if bytes <= self.held || (bytes <= self.memory.0.free && self.held == 0) {
            return Poll::Ready(());
        }
        self.poll(bytes, false, cx)
    }

    /// Ready when the body, which has come completely, may be handed to its guest.
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

    /// Ends the wait: no future waits for it at this moment.
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
        // Others may have room now, because bytes, the reserve or the first place were given back.
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
    /// Wakes the bodies that wait and may have room now.
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
    /// Takes what is asked for, where there is room, and returns its kind. `is_first`: no body waits that began
    /// before.
    fn take(&mut self, ask: Ask, is_first: bool, total: u64) -> Option<Kind> {
        let Ask { bytes, held, .. } = ask;
        let kind = if ask.is_whole {
            // The bytes that it holds already have room.
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
