//! How an instance is made and stopped: its place under the cap, its store with its grants, its description, its
//! start. What lies between is `instance`'s.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use wasmtime::component::ResourceTable;

use super::Blueprint;
use super::hooks::{on_call, on_epoch};
use super::instance::Instance;
use super::rules::Within;
use crate::base::error::Error;
use crate::guest::capabilities;
use crate::guest::description::Description;
use crate::guest::engine::Guest;
use crate::guest::resources::{
    Account, Background, BodyMemory, Ctx, MemoryLimit, OpenStreams, Parts, Requests, Room, Tasks,
};
use crate::guest::run::RunLimits;
use crate::guest::stack;
use crate::services::pubsub::Quota;

/// Calls a function without parameters, of an interface that is optional. Without the interface it gives nothing.
macro_rules! call {
    ($live:expr, $name:literal, $interface:ident, $function:ident, $within:expr) => {{
        let live: &mut Instance = $live;
        match &live.guest.$interface {
            None => None,
            Some(interface) => {
                let name = $name;
                let function = interface
                    .$function
                    .of(&live.guest.instance, &mut live.store)
                    .map_err(|error| {
                        let why = stack::message(&error);
                        Error::component(format!("`{name}`: {why}"))
                    })?;
                Some(live.call_function(name, function, (), $within).await?)
            }
        }
    }};
}

/// The purpose of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests, and tasks beside them.
    Serve,
    /// Functions that are called by name, one at a time.
    Execute,
}

impl Blueprint {
    /// Makes an instance.
    pub(super) async fn instantiate(
        &self,
        place: OwnedSemaphorePermit,
        purpose: Purpose,
    ) -> Result<Instance, Error> {
        let rules = &self.rules;
        let serves = purpose == Purpose::Serve;
        let limits = match serves {
            true => rules.run,
            // Functions for the executor may take long.
            false => RunLimits {
                cpu_deadline: None,
                block_log: None,
            },
        };
        let beats = self.meter.beats.clone();
        let run = self.engine.ticker.clock(limits, beats);
        let room = match self.linked.exports.has_work() {
            false => Room::Nowhere,
            true if serves => Room::Tasks(rules.max_tasks),
            true => Room::Elsewhere,
        };
        let background = Background::new(self.window.clone(), room);
        let streams = match self.linked.exports.has_streams() {
            true => rules.max_streams,
            false => 0,
        };
        let handles = handles(
            rules.per_instance().saturating_add(rules.max_tasks),
            streams,
        );
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        let requests = Arc::new(Requests::default());
        let streams_inside = Arc::<OpenStreams>::default();
        let parts = capabilities::parts(&self.parts, &run)
            .map_err(|error| Error::component(stack::message(&error)))?;
        let ctx = Ctx {
            component: self.file.clone(),
            table,
            memory: MemoryLimit::new(rules.memory),
            account: Account::new(rules.host_memory),
            run: run.clone(),
            requests: requests.clone(),
            tasks: Tasks::default(),
            streams: streams_inside.clone(),
            serving: None,
            last_run: None,
            body_memory: BodyMemory::new(rules.body_memory),
            app: self.app.clone(),
            services: self.services.clone(),
            quota: Quota::new(rules.message_memory, subscriptions(rules.per_instance())),
            background: background.clone(),
            jobs: Default::default(),
            executor: None,
            parts: Parts::new(parts),
        };
        let mut store = Store::new(self.engine.wasmtime(), ctx);
        store.limiter(|ctx| &mut ctx.memory);
        store.set_max_component_handles(handles);
        store.set_hostcall_fuel(usize::try_from(rules.memory).unwrap_or(usize::MAX));
        store.epoch_deadline_callback(on_epoch);
        store.set_epoch_deadline(1);
        store.call_hook(on_call);
        let instantiate = self.linked.pre.instantiate_async(&mut store);
        let made = run.within_limits(instantiate).await;
        let instance = made
            .unwrap_or_else(|overrun| Err(overrun.into()))
            .map_err(|error| {
                let why = stack::message(&error);
                Error::component(format!("can't be instantiated: {why}"))
            })?;
        self.meter.instantiations.count();
        Ok(Instance {
            store,
            guest: Guest::of(instance, &self.linked.exports),
            run,
            requests,
            streams: streams_inside,
            background,
            next_request: 0,
            home: Arc::default(),
            _place: place,
        })
    }

    /// A place under the cap: one for each memory, because mappings are counted by memories. `None`: no place was free
    /// within this time.
    pub(super) async fn place(&self, within: Duration) -> Option<OwnedSemaphorePermit> {
        let needs = self.linked.pre.component().resources_required();
        let places = needs.map_or(1, |needs| needs.num_memories.max(1));
        let free = self.engine.instances.clone();
        if let Ok(place) = free.clone().try_acquire_many_owned(places) {
            return Some(place);
        }
        let place = free.acquire_many_owned(places);
        tokio::time::timeout(within, place).await.ok()?.ok()
    }

    /// Asks a new instance for its component's description.
    pub(super) async fn describe(&self, live: &mut Instance) -> Result<Description, Error> {
        let within = self.rules.within();
        let handlers = call!(live, "describe", handler, describe, within);
        let lifecycle = call!(live, "lifecycle.describe", lifecycle, describe, within);
        let work = call!(live, "work.describe", work, describe, within);
        let classes = handlers.map(|(classes,)| classes).unwrap_or_default();
        let lifecycle = lifecycle.map(|(names,)| names).unwrap_or_default();
        let sockets = call!(live, "websocket.describe", websocket, describe, within);
        let sockets = sockets.map(|(classes,)| classes).unwrap_or_default();
        let streams = call!(live, "tcpserver.describe", tcpserver, describe, within);
        let streams = streams.map(|(classes,)| classes).unwrap_or_default();
        let work = work.map(|(work,)| work);
        Description::read(classes, &lifecycle, work, &sockets, streams)
    }

    /// Starts a new instance.
    pub(super) async fn start(&self, live: &mut Instance) -> Result<(), Error> {
        live.store.data_mut().app.starts = true;
        let started = match self.rules.start_timeout {
            None => call!(live, "start", lifecycle, start, self.rules.within()),
            Some(timeout) => {
                let run = live.run.clone();
                let _unlimited = run.limited(RunLimits {
                    cpu_deadline: None,
                    block_log: None,
                });
                let within = Within {
                    time: Some(timeout),
                    key: "start_timeout",
                };
                call!(live, "start", lifecycle, start, within)
            }
        };
        live.store.data_mut().app.starts = false;
        match started {
            Some((Err(error),)) => Err(Error::component(format!("`start` failed: {error}"))),
            Some((Ok(()),)) | None => Ok(()),
        }
    }

    /// Starts a new instance that serves no requests.
    pub(super) async fn start_worker(&self, live: &mut Instance) -> Result<(), Error> {
        live.background.disregard(true);
        let started = self.start(live).await;
        live.background.disregard(false);
        started
    }

    /// Stops an instance that has no request left.
    pub(super) async fn stop(&self, live: &mut Instance) -> Result<(), Error> {
        call!(live, "stop", lifecycle, stop, self.rules.within());
        Ok(())
    }
}

impl Instance {
    /// Checks that the component's functions have the types that the WIT gives them.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let checked = self.guest.check(&mut self.store);
        checked.map_err(|error| {
            Error::component(format!(
                "a function is not as the WIT of Waterspout has it: {}",
                stack::message(&error)
            ))
        })
    }
}

/// How many subscriptions one instance may have, watchers among them. They take less than a quarter of its handles.
fn subscriptions(requests: usize) -> u32 {
    const PER_REQUEST: usize = 8;
    const FOR_THE_INSTANCE: usize = 128;
    let most = requests
        .saturating_mul(PER_REQUEST)
        .saturating_add(FOR_THE_INSTANCE);
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// How many handles one instance may hold: its guest's tasks, waitables, streams and WASI resources.
fn handles(requests: usize, streams: usize) -> usize {
    const PER_REQUEST: usize = 64;
    /// The stream, and what its handler holds.
    const PER_STREAM: usize = 8;
    const FOR_THE_INSTANCE: usize = 1024;
    requests
        .saturating_mul(PER_REQUEST)
        .saturating_add(streams.saturating_mul(PER_STREAM))
        .saturating_add(FOR_THE_INSTANCE)
}
