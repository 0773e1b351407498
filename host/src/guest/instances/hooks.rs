//! What a store does while its guest runs: it notes the culprit of a possible trap, yields at every tick, and ends a
//! run that is too long.

use std::sync::Arc;

use wasmtime::{AsContextMut, CallHook, StoreContextMut, UpdateDeadline, WasmBacktrace};

use crate::base::shards;
use crate::guest::resources::Ctx;
use crate::guest::run::{Overrun, RunClock, Verdict};
use crate::guest::stack;

/// Called at every entry into guest code and every exit from it.
pub(super) fn on_call(mut store: StoreContextMut<'_, Ctx>, hook: CallHook) -> wasmtime::Result<()> {
    let ctx = store.data_mut();
    if matches!(hook, CallHook::ReturningFromHost) && ctx.account.is_due() {
        ctx.account.count(&mut ctx.table)?;
    }
    match store.data().run.on(hook) {
        Verdict::Fine => Ok(()),
        verdict => act(store, verdict),
    }
}

/// Called at every tick while guest code runs.
pub(super) fn on_epoch(mut store: StoreContextMut<'_, Ctx>) -> wasmtime::Result<UpdateDeadline> {
    let verdict = store.data().run.verdict();
    act(store.as_context_mut(), verdict)?;
    let run = store.data().run.clone();
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way(run))))
}

/// Lets other tasks of this thread have their turns: as many as a request takes from the socket to an instance and
/// back. Of several long runs one goes on after the other, so a request waits for one of them at most.
async fn give_way(run: Arc<RunClock>) {
    const TURNS: usize = 4;
    run.pausing(async {
        let _turn = shards::long_work().acquire_owned().await;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn act(mut store: StoreContextMut<'_, Ctx>, verdict: Verdict) -> wasmtime::Result<()> {
    match verdict {
        Verdict::Fine => Ok(()),
        Verdict::Began => {
            // Ticks between two runs do not count for this one: it would yield immediately.
            store.set_epoch_deadline(1);
            let root = store.async_call_stack()?.last();
            let ctx = store.data_mut();
            ctx.last_run = root.map(|task| (task, ctx.run.turn()));
            Ok(())
        }
        Verdict::End => Err(Overrun.into()),
        Verdict::Log => {
            let component = &*store.data().component;
            let stack = stack::frames(&WasmBacktrace::force_capture(&store));
            tracing::warn!(target: "general", component, "a run is past `block_log`; the guest is at\n{stack}");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use crate::guest::run::{RunLimits, Ticker};

    use super::*;

    #[tokio::test]
    async fn between_two_slices_of_long_runs_all_others_have_their_turns() {
        let clock = Arc::new(Ticker::default()).clock(
            RunLimits {
                cpu_deadline: None,
                block_log: None,
            },
            Arc::default(),
        );
        let slices = Arc::new(AtomicUsize::new(0));
        for _ in 0..16 {
            let (clock, slices) = (clock.clone(), slices.clone());
            tokio::spawn(async move {
                loop {
                    give_way(clock.clone()).await;
                    slices.fetch_add(1, Relaxed);
                }
            });
        }
        for _ in 0..1000 {
            let before = slices.load(Relaxed);
            tokio::task::yield_now().await;
            let now = slices.load(Relaxed);
            assert!(now - before <= 1, "{before}, then {now}");
        }
        assert!(slices.load(Relaxed) > 100, "they go on");
    }
}
