//! Sockets between their connections and their guests: what has come and waits for a guest, what waits to be sent, and
//! where the object of each is; and those that guests have opened to other servers. Carries the frames of a connection whose handshake others have made; runs no guest.

mod carrier;
mod channel;
mod client_socket;
mod direct;
mod handle;
mod home;
mod incoming;
mod outgoing;
mod session;
mod share;
mod socket;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::base::metrics::ComponentMeter;
use crate::base::websocket::code;
use crate::services::pubsub::Topics;

pub use carrier::{Pings, Progress, Terms, Wire, carry, hang_up};
pub use client_socket::{ClientLimits, ClientSocket};
pub use handle::Handle;
pub use incoming::{Closed, Event, Message};
pub use outgoing::SendError;
pub use session::{Session, Upgrade};
pub use socket::{Next, Sleeper, Socket};

use channel::Channels;

/// The sockets whose objects are in one instance.
pub type Home = home::Home<Socket>;
/// One of them.
pub type Resident = home::Resident<Socket>;

/// What the sockets of one component may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketLimits {
    /// How many there may be.
    pub max_sockets: usize,
    /// Events of one that may wait for its guest. Then its client is not read.
    pub max_events: usize,
    /// Bytes that may wait to be sent to one client.
    pub max_unsent: usize,
    /// Bytes of a message from a client.
    pub max_message: usize,
    /// Bytes of the state that one takes along to another object.
    pub max_state: usize,
    /// How long an event may take.
    pub event_deadline: Option<Duration>,
}

/// All sockets of a server, by id.
pub struct Sockets {
    by_id: Box<[Shard]>,
    next: AtomicU64,
    is_ending: AtomicBool,
    families: Mutex<FxHashMap<Arc<str>, Weak<Family>>>,
    channels: Arc<Channels>,
}

/// Some of them, by id.
type Shard = Mutex<FxHashMap<u64, Weak<Socket>>>;

/// So that tasks with different sockets seldom wait for the same lock.
const SHARDS: usize = 64;

/// The sockets of one component, in all its versions.
pub struct Family {
    /// How many there are, handshakes among them.
    open: AtomicUsize,
    /// How many are to leave their instance, or have left it and are in no other yet.
    moving: AtomicUsize,
    pub meter: Arc<ComponentMeter>,
}

impl Family {
    /// How many there are.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// How many are to leave their instance, or have left it and are in no other yet.
    pub fn moving(&self) -> usize {
        self.moving.load(SeqCst)
    }

    fn left(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

/// Counts a socket as moving as long as it exists.
struct Move(Arc<Family>);

impl Move {
    fn begin(family: &Arc<Family>) -> Self {
        family.moving.fetch_add(1, SeqCst);
        Self(family.clone())
    }
}

impl Drop for Move {
    fn drop(&mut self) {
        self.0.moving.fetch_sub(1, SeqCst);
    }
}

/// A component has as many sockets as it may, or the server ends.
#[derive(Debug)]
pub struct TooMany;

impl Sockets {
    pub fn new(topics: &Arc<Topics<Bytes>>) -> Arc<Self> {
        Arc::new(Self {
            by_id: (0..SHARDS).map(|_| Mutex::default()).collect(),
            next: AtomicU64::new(1),
            is_ending: AtomicBool::new(false),
            families: Mutex::default(),
            channels: Channels::new(topics),
        })
    }

    /// The sockets of a component.
    pub fn family(&self, component: &Arc<str>, meter: &Arc<ComponentMeter>) -> Arc<Family> {
        let mut families = lock(&self.families);
        let known = families.get(component).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            families.retain(|_, family| family.strong_count() > 0);
            let family = Arc::new(Family {
                open: AtomicUsize::new(0),
                moving: AtomicUsize::new(0),
                meter: meter.clone(),
            });
            families.insert(component.clone(), Arc::downgrade(&family));
            family
        })
    }

    /// A socket whose handshake begins. It is closed when the handle is dropped.
    pub fn begin(
        self: &Arc<Self>,
        component: &Arc<str>,
        family: &Arc<Family>,
        limits: SocketLimits,
    ) -> Result<Handle, TooMany> {
        let one_more = |open| (open < limits.max_sockets).then_some(open + 1);
        let open = family.open.fetch_update(Relaxed, Relaxed, one_more);
        open.map_err(|_| TooMany)?;
        let id = self.next.fetch_add(1, Relaxed);
        let socket = Arc::new(Socket::new(
            id,
            component.clone(),
            family.clone(),
            self.clone(),
            limits,
        ));
        lock(self.shard(id)).insert(id, Arc::downgrade(&socket));
        let handle = Handle::new(socket);
        // Behind the insertion, so that the end finds it, or it finds the end.
        match self.is_ending.load(SeqCst) {
            true => Err(TooMany),
            false => Ok(handle),
        }
    }

    /// The socket of this component with this id.
    pub fn of(&self, component: &str, id: u64) -> Option<Arc<Socket>> {
        let socket = lock(self.shard(id)).get(&id)?.upgrade()?;
        (*socket.component == *component).then_some(socket)
    }

    /// The server ends: closes all, each when the event that is under way is over, and makes no more.
    pub fn end(&self) {
        self.is_ending.store(true, SeqCst);
        for shard in &self.by_id {
            let sockets: Vec<_> = lock(shard).values().filter_map(Weak::upgrade).collect();
            for socket in sockets {
                socket.close_behind_event(code::GOING_AWAY);
            }
        }
    }

    fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    fn forget(&self, id: u64) {
        lock(self.shard(id)).remove(&id);
    }

    fn shard(&self, id: u64) -> &Shard {
        &self.by_id[id as usize % SHARDS]
    }
}

/// Nothing is ever half done under these locks, so the state of a poisoned lock is valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
