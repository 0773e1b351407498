//! The listeners of one server: opened and closed while it runs, and shut down gracefully. Never looks into a
//! connection.

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
use crate::edge::connection::Service;
use crate::edge::listener::Listener;
use crate::tls::Tls;

/// Serves on a set of listeners that can change while it runs.
///
/// Dropping it closes the listeners and lets the requests in flight finish.
#[derive(Debug)]
pub struct Server<S> {
    service: S,
    shards: Arc<Shards>,
    slots: Slots,
    doors: Mutex<Doors>,
}

/// Listeners that are bound and do not serve yet.
#[derive(Debug)]
pub struct Bound {
    wanted: Vec<Listen>,
    new: Vec<(Listen, Listener)>,
}

#[derive(Debug, Default)]
struct Doors {
    open: Vec<Door>,
    draining: Vec<Door>,
}

impl<S: Service> Server<S> {
    /// A server without listeners. Its connections run on these shards.
    pub fn new(shards: Arc<Shards>, limits: Limits, service: S) -> Self {
        Self {
            service,
            shards,
            slots: Slots::new(limits),
            doors: Mutex::default(),
        }
    }

    /// Listens on exactly `wanted`, which names nothing twice. Returns the addresses in the same order.
    ///
    /// New listeners are bound first; if that fails, nothing changes. Listeners that stay are not touched. The others
    /// are closed before this returns, and drain.
    pub async fn set_listeners(&self, wanted: &[Listen]) -> io::Result<Vec<Listen>> {
        let bound = self.bind(wanted).await?;
        Ok(self.listen(bound).await)
    }

    /// The first half of [`Server::set_listeners`], which can fail: binds new listeners, which do not serve yet.
    pub async fn bind(&self, wanted: &[Listen]) -> io::Result<Bound> {
        let doors = self.doors.lock().await;
        let new = wanted
            .iter()
            .filter(|&listen| doors.at(listen).is_none())
            .map(|listen| Ok((listen.clone(), Listener::bind(listen)?)))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Bound {
            wanted: wanted.to_vec(),
            new,
        })
    }

    /// The second half, which can't fail.
    pub async fn listen(&self, bound: Bound) -> Vec<Listen> {
        let Bound { wanted, new } = bound;
        let mut doors = self.doors.lock().await;
        let (mut open, left_out) = std::mem::take(&mut doors.open)
            .into_iter()
            .partition::<Vec<_>, _>(|door| place(door, &wanted).is_some());
        for door in &mut open {
            if let Some(at) = place(door, &wanted) {
                door.change_mode(&wanted[at]);
            }
        }
        open.extend(new.into_iter().map(|(listen, listener)| {
            let connections = Connections::new(
                self.shards.clone(),
                self.slots.clone(),
                self.service.clone(),
                matches!(listener.address(), Listen::Tcp(_)),
            );
            Door::open(listen, listener, connections)
        }));
        open.sort_by_key(|door| place(door, &wanted));
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
fn place(door: &Door, wanted: &[Listen]) -> Option<usize> {
    let is_it = |listen: &Listen| listen.is_same_place(door.wanted());
    wanted.iter().position(is_it)
}

impl Doors {
    fn at(&self, listen: &Listen) -> Option<&Door> {
        let mut open = self.open.iter();
        open.find(|door| door.wanted().is_same_place(listen))
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
