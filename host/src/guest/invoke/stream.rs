//! The streams of clients inside an instance: their guest's call of `serve`, as long as there are some. Reads and writes
//! nothing.

use std::future::poll_fn;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::guest::instances::{CallContext, LifeEnd};
use crate::guest::resources::Ctx;

/// Serves the streams of an instance until there are none left.
pub fn serve<'a>(context: &'a CallContext<'a>) -> BoxFuture<'a, wasmtime::Result<LifeEnd>> {
    let served = async move {
        let Some(functions) = &context.guest.tcpserver else {
            wasmtime::bail!("the component has no handlers of streams");
        };
        let streams = context.streams;
        while !streams.is_empty() {
            let note = |ctx: &mut Ctx, call| ctx.serving = Some(call);
            let call = context.start(&functions.serve, (), note)?;
            tokio::select! {
                biased;
                served = call => served?,
                () = poll_fn(|cx| streams.poll_forsaken(cx)) => return Ok(LifeEnd::Deaf),
            }
            context.accessor.with(|mut access| {
                let ctx = access.get();
                ctx.serving = None;
                for number in streams.abandon() {
                    ctx.requests.remove(number);
                }
            });
        }
        Ok(LifeEnd::Over)
    };
    served.boxed()
}
