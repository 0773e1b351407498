//! One stream of a client inside an instance: its handler, and its cancellation. Reads and writes nothing.

use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use wasmtime::component::GuestTaskId;

use crate::guest::bindings::tcpserver::StreamCall;
use crate::guest::engine::TcpServer;
use crate::guest::instances::{CallContext, LifeEnd};
use crate::guest::resources::{Answer, Ctx, Exchange, LET_GO, ShownId};

/// Serves a stream in its instance.
pub(super) fn handle<'a>(
    context: &'a CallContext<'a>,
    number: u64,
    exchange: Arc<Exchange>,
) -> BoxFuture<'a, wasmtime::Result<LifeEnd>> {
    let served = async move {
        let mut ended = match begin(context, number, &exchange)? {
            Some(ended) => pin!(ended),
            None => return over(&exchange),
        };
        let result = tokio::select! {
            biased;
            ended = &mut ended => ended?.0,
            () = exchange.cancelled() => {
                // In a box, as all that is not needed by a stream that waits.
                let cancelled = Box::pin(cancel(context, number, &exchange, ended));
                return cancelled.await;
            }
        };
        if let Err(error) = result {
            let request = exchange.summary();
            let request_id = tracing::field::display(ShownId(&exchange));
            tracing::error!(target: "app", request_id, "uncaught error in `handle_stream` of {request}: {error}");
        }
        over(&exchange)
    };
    served.boxed()
}

/// Calls the handler. `None`: there is nothing to be handled any more.
fn begin(
    context: &CallContext<'_>,
    number: u64,
    exchange: &Exchange,
) -> wasmtime::Result<Option<impl Future<Output = Handled>>> {
    let target = &exchange.target;
    let Some(connection) = exchange.connection() else {
        return Ok(None);
    };
    let Some(stream) = connection.take().filter(|_| !exchange.is_cancelled()) else {
        return Ok(None);
    };
    let call = StreamCall {
        stream: number,
        handler: target.handler,
        kwargs: target.kwargs.as_deref().map(str::to_owned),
        address: connection.address.clone(),
        tls: connection.tls,
    };
    let table = |ctx: &mut Ctx| ctx.table.push(stream);
    let handle = context.accessor.with(|mut access| table(access.get()))?;
    let functions = functions(context)?;
    let started = context.start(&functions.handle_stream, (call, handle), of(number))?;
    Ok(Some(started))
}

/// What a handler's function ends with.
type Handled = wasmtime::Result<(Result<(), String>,)>;

/// Ends a handler at its next wait.
async fn cancel(
    context: &CallContext<'_>,
    number: u64,
    exchange: &Exchange,
    ended: Pin<&mut impl Future<Output = Handled>>,
) -> wasmtime::Result<LifeEnd> {
    let cancel = context.start(&functions(context)?.cancel, (number,), of(number))?;
    let both = async { tokio::try_join!(ended, cancel) };
    let Ok(both) = timeout(LET_GO, both).await else {
        if let Some(connection) = exchange.connection() {
            connection.close("its handler was to end and did not");
        }
        exchange.answer(Answer::Served);
        return Ok(LifeEnd::Deaf);
    };
    // One that was cancelled may fail because of it.
    let _ = both?;
    over(exchange)
}

fn over(exchange: &Exchange) -> wasmtime::Result<LifeEnd> {
    exchange.answer(Answer::Served);
    Ok(LifeEnd::Over)
}

fn functions<'a>(context: &CallContext<'a>) -> wasmtime::Result<&'a TcpServer> {
    let functions = context.guest.tcpserver.as_ref();
    functions.ok_or_else(|| wasmtime::format_err!("the component has no handlers of streams"))
}

/// Notes which stream a call belongs to.
fn of(number: u64) -> impl FnOnce(&mut Ctx, GuestTaskId) {
    move |ctx, call| {
        ctx.tasks.insert(call, number);
    }
}
