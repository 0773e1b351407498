//! The listeners of one server: opened and closed while it runs, and shut down gracefully. It
//! never looks into a connection.

mod site;
mod slots;

use std::io;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use self::site::Site;
use self::slots::Slots;
use crate::config::{Limits, Listen};
use crate::connection::Service;
use crate::listener::Listener;

/// Serves on a set of listeners that can change while it runs.
///
/// Dropping it closes the listeners and lets the requests in flight finish.
#[derive(Debug)]
pub struct Server<S> {
    service: S,
    slots: Slots,
    sites: Mutex<Sites>,
}

/// Listeners that are bound, and serve nobody yet.
#[derive(Debug)]
pub struct Bound {
    wanted: Vec<Listen>,
    new: Vec<(Listen, Listener)>,
}

#[derive(Debug, Default)]
struct Sites {
    open: Vec<Site>,
    draining: Vec<Site>,
}

impl<S: Service> Server<S> {
    /// A server without listeners.
    pub fn new(limits: Limits, service: S) -> Self {
        Self {
            service,
            slots: Slots::new(limits),
            sites: Mutex::default(),
        }
    }

    /// Listens on exactly `wanted`, which names nothing twice, and tells where that is, in the same
    /// order.
    ///
    /// What is new is bound first, and if that fails nothing changes. What is kept is not touched.
    /// What is left out is closed before this returns, and drains.
    pub async fn set_listeners(&self, wanted: &[Listen]) -> io::Result<Vec<Listen>> {
        let bound = self.bind(wanted).await?;
        Ok(self.listen(bound).await)
    }

    /// The first half of [`Server::set_listeners`], which can fail: binds what is new and serves nobody there yet.
    pub async fn bind(&self, wanted: &[Listen]) -> io::Result<Bound> {
        let sites = self.sites.lock().await;
        let new = wanted
            .iter()
            .filter(|&listen| !sites.open.iter().any(|site| site.wanted() == listen))
            .map(|listen| Ok((listen.clone(), Listener::bind(listen)?)))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Bound {
            wanted: wanted.to_vec(),
            new,
        })
    }

    /// The second half, which can't.
    pub async fn listen(&self, bound: Bound) -> Vec<Listen> {
        let Bound { wanted, new } = bound;
        let mut sites = self.sites.lock().await;
        let (mut open, left_out) = std::mem::take(&mut sites.open)
            .into_iter()
            .partition::<Vec<_>, _>(|site| wanted.contains(site.wanted()));
        open.extend(new.into_iter().map(|(listen, listener)| {
            Site::open(listen, listener, self.slots.clone(), self.service.clone())
        }));
        open.sort_by_key(|site| wanted.iter().position(|listen| listen == site.wanted()));
        sites.open = open;
        sites.close(left_out).await;
        sites.addresses()
    }

    /// Where it listens: with the ports that the system chose.
    pub async fn local_addrs(&self) -> Vec<Listen> {
        self.sites.lock().await.addresses()
    }

    /// Holds the connections to come to `limits`; those that are here keep theirs.
    pub fn set_limits(&self, limits: Limits) {
        self.slots.set_limits(limits);
    }

    /// How many connections are being served.
    pub fn connections(&self) -> usize {
        self.slots.taken()
    }

    /// Stops accepting and lets the requests in flight finish for as long as `grace`; then ends
    /// what is left, and tells how many connections that was.
    pub async fn shutdown(&self, grace: Duration) -> usize {
        let deadline = Instant::now() + grace;
        let mut sites = self.sites.lock().await;
        let open = std::mem::take(&mut sites.open);
        sites.close(open).await;
        let mut aborted = 0;
        for site in sites.draining.drain(..) {
            aborted += site.end(deadline).await;
        }
        aborted
    }
}

impl Sites {
    fn addresses(&self) -> Vec<Listen> {
        self.open
            .iter()
            .map(|site| site.address().clone())
            .collect()
    }

    async fn close(&mut self, mut sites: Vec<Site>) {
        for site in &mut sites {
            site.close().await;
        }
        self.draining.retain(|site| !site.is_finished());
        self.draining.append(&mut sites);
    }
}
