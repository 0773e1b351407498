//! What a call into an instance needs while the instance's event loop runs. Keeps nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wasmtime::component::{Accessor, ComponentNamedList, GuestTaskId, Lift, Lower};

use super::task_set::Line;
use crate::guest::engine::{Function, Guest};
use crate::guest::resources::{Ctx, OpenStreams, Requests, Transit};
use crate::guest::run::RunClock;

/// The surroundings of a call: one instance, while its event loop runs.
pub struct CallContext<'a> {
    pub accessor: &'a Accessor<Ctx>,
    pub guest: &'a Guest,
    pub run: &'a RunClock,
    /// For calls that were started: the guest takes one after the other, with a turn behind each.
    pub line: &'a Line,
    /// The instance's large responses that no connection has yet.
    pub transit: &'a Arc<Transit>,
    /// The turn of the event loop in which a call was started last.
    pub(super) last_start: &'a AtomicU64,
    pub(super) requests: &'a Requests,
    /// The streams of clients in the instance.
    pub streams: &'a OpenStreams,
}

impl CallContext<'_> {
    /// Starts a call, and notes what it belongs to, so that a trap finds its culprit.
    pub fn start<P, R>(
        &self,
        function: &Function<P, R>,
        parameters: P,
        note: impl FnOnce(&mut Ctx, GuestTaskId),
    ) -> wasmtime::Result<impl Future<Output = wasmtime::Result<R>>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let (function, call) = self.accessor.with(|mut store| {
            let function = function.of(&self.guest.instance, &mut store)?;
            let call = function.start_call_concurrent(&mut store, parameters)?;
            note(store.data_mut(), call.task());
            Ok::<_, wasmtime::Error>((function, call))
        })?;
        self.last_start.store(self.run.turn(), Relaxed);
        Ok(function.finish_call_concurrent(self.accessor, call))
    }
}
