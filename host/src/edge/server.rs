//! The listeners of one server: opened and closed while it runs, and shut down gracefully. Never looks into a
//! connection.

mod attendant;
mod door;
mod slots;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use self::door::{Connections, Door};
use self::slots::Slots;
use crate::base::shards::Shards;
use crate::config::{Limits, Listen};
use crate::edge::listener::Listener;
use crate::tls::Tls;

pub use self::attendant::Attendant;
pub use self::slots::Slot;

/// Serves on a set of listeners that can change while it runs.
///
/// Dropping it closes the listeners and lets the requests in flight finish.
#[derive(Debug)]
pub struct Server<A> {
    attendant: A,
    shards: Arc<Shards>,
    slots: Slots,
    doors: Mutex<Doors>,
}

/// A listener among those that are wanted.
#[derive(Clone, Debug)]
pub struct Place {
    /// The address that was asked for.
    pub listen: Listen,
    /// How many the same come before it: the system chooses their ports.
    pub nth: usize,
}

impl Place {
    fn all(wanted: &[Listen]) -> Vec<Self> {
        let places = wanted.iter().enumerate().map(|(at, listen)| {
            let before = wanted[..at].iter();
            let same = before.filter(|other| other.is_same_place(listen));
            Self {
                listen: listen.clone(),
                nth: same.count(),
            }
        });
        places.collect()
    }

    /// Whether both are one place: the mode can change while the listener is open.
    fn is_same(&self, other: &Self) -> bool {
        self.nth == other.nth && self.listen.is_same_place(&other.listen)
    }
}

/// An address that can't be listened on.
#[derive(Debug)]
pub struct Unbound {
    /// Which of those that were wanted.
    pub at: usize,
    /// Names the address.
    pub error: io::Error,
}

/// Listeners that are bound and do not serve yet.
#[derive(Debug)]
pub struct Bound {
    wanted: Vec<Place>,
    new: Vec<(Place, Listener)>,
}

#[derive(Debug, Default)]
struct Doors {
    open: Vec<Door>,
    draining: Vec<Door>,
}

impl<A: Attendant> Server<A> {
    /// A server without listeners. Its connections run on these shards.
    pub fn new(shards: Arc<Shards>, limits: Limits, attendant: A) -> Self {
        Self {
            attendant,
            shards,
            slots: Slots::new(limits),
            doors: Mutex::default(),
        }
    }

    /// Another server without listeners, whose connections count as this one's do.
    pub fn beside<B: Attendant>(&self, attendant: B) -> Server<B> {
        Server {
            attendant,
            shards: self.shards.clone(),
            slots: self.slots.clone(),
            doors: Mutex::default(),
        }
    }

    /// Listens on exactly `wanted`, which names nothing twice but ports that the system chooses. Returns the addresses in the same order.
    ///
    /// New listeners are bound first; if that fails, nothing changes. Listeners that stay are not touched. The others
    /// are closed before this returns, and drain.
    pub async fn set_listeners(&self, wanted: &[Listen]) -> io::Result<Vec<Listen>> {
        let bound = self.bind(wanted).await;
        Ok(self.listen(bound.map_err(|unbound| unbound.error)?).await)
    }

    /// The first half of [`Server::set_listeners`], which can fail: binds new listeners, which do not serve yet.
    pub async fn bind(&self, wanted: &[Listen]) -> Result<Bound, Unbound> {
        let doors = self.doors.lock().await;
        let wanted = Place::all(wanted);
        let new = wanted
            .iter()
            .enumerate()
            .filter(|(_, place)| doors.at(place).is_none())
            .map(|(at, place)| match Listener::bind(&place.listen) {
                Ok(listener) => Ok((place.clone(), listener)),
                Err(error) => Err(Unbound { at, error }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Bound { wanted, new })
    }

    /// The second half, which can't fail.
    pub async fn listen(&self, bound: Bound) -> Vec<Listen> {
        let Bound { wanted, new } = bound;
        let mut doors = self.doors.lock().await;
        let (mut open, left_out) = std::mem::take(&mut doors.open)
            .into_iter()
            .partition::<Vec<_>, _>(|door| position(door, &wanted).is_some());
        for door in &mut open {
            if let Some(at) = position(door, &wanted) {
                door.change_mode(&wanted[at].listen);
            }
        }
        open.extend(new.into_iter().map(|(place, listener)| {
            let connections = Connections::new(
                self.shards.clone(),
                self.slots.clone(),
                self.attendant.clone(),
                place.clone(),
            );
            Door::open(place, listener, connections)
        }));
        open.sort_by_key(|door| position(door, &wanted));
        doors.open = open;
        doors.close(left_out).await;
        doors.addresses()
    }

    /// The addresses, with the ports that the system chose.
    pub async fn local_addrs(&self) -> Vec<Listen> {
        self.doors.lock().await.addresses()
    }

    /// Sets the limits of future connections. Present ones keep theirs.
    pub fn set_limits(&self, limits: Limits) {
        self.slots.set_limits(limits);
    }

    /// Encrypts future connections, of the listeners that are not set otherwise, or none of them.
    pub fn set_tls(&self, tls: Option<Tls>) {
        self.slots.set_tls(tls);
    }

    /// How many connections are being served.
    pub fn connections(&self) -> usize {
        self.slots.taken()
    }

    /// Stops accepting and lets the requests in flight finish for as long as `grace`. Then ends the rest, and returns
    /// the number of these connections.
    pub async fn shutdown(&self, grace: Duration) -> usize {
        let deadline = Instant::now() + grace;
        let mut doors = self.doors.lock().await;
        let open = std::mem::take(&mut doors.open);
        doors.close(open).await;
        let mut aborted = 0;
        for door in doors.draining.drain(..) {
            aborted += door.end(deadline).await;
        }
        aborted
    }
}

/// Which of these a listener is for.
fn position(door: &Door, wanted: &[Place]) -> Option<usize> {
    wanted.iter().position(|place| place.is_same(door.wanted()))
}

impl Doors {
    fn at(&self, place: &Place) -> Option<&Door> {
        let mut open = self.open.iter();
        open.find(|door| door.wanted().is_same(place))
    }

    fn addresses(&self) -> Vec<Listen> {
        self.open
            .iter()
            .map(|door| door.address().clone())
            .collect()
    }

    async fn close(&mut self, mut doors: Vec<Door>) {
        for door in &doors {
            door.close();
        }
        for door in &mut doors {
            door.closed().await;
        }
        self.draining.retain(|door| !door.is_finished());
        self.draining.append(&mut doors);
    }
}
