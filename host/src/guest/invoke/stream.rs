//! One stream of a client inside an instance: its handler, and its cancellation. Reads and writes nothing.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::guest::bindings::tcpserver::StreamCall;
use crate::guest::instances::{CallContext, LifeEnd};
use crate::guest::resources::{Answer, Connection, Ctx, Exchange, LET_GO, ShownId};

/// Serves a stream in its instance.
pub(super) fn handle<'a>(
    context: &'a CallContext<'a>,
    number: u64,
    exchange: Arc<Exchange>,
) -> BoxFuture<'a, wasmtime::Result<LifeEnd>> {
    async move {
        let ended = match exchange.connection() {
            Some(connection) => handle_stream(context, number, &exchange, connection).await?,
            None => LifeEnd::Over,
        };
        exchange.answer(Answer::Served);
        Ok(ended)
    }
    .boxed()
}

async fn handle_stream(
    context: &CallContext<'_>,
    number: u64,
    exchange: &Exchange,
    connection: &Connection,
) -> wasmtime::Result<LifeEnd> {
    let Some(functions) = &context.guest.tcpserver else {
        wasmtime::bail!("the component has no handlers of streams");
    };
    let Some(stream) = connection.take().filter(|_| !exchange.is_cancelled()) else {
        return Ok(LifeEnd::Over);
    };
    let target = &exchange.target;
    let call = StreamCall {
        stream: number,
        handler: target.handler,
        kwargs: target.kwargs.as_deref().map(str::to_owned),
        address: connection.address.clone(),
        tls: connection.tls,
    };
    let accessor = context.accessor;
    let handle = accessor.with(|mut access| access.get().table.push(stream))?;
    let note = |ctx: &mut Ctx, call| {
        ctx.tasks.insert(call, number);
    };
    let ended = context.start(&functions.handle_stream, (call, handle), note)?;
    tokio::pin!(ended);
    let result = tokio::select! {
        biased;
        result = &mut ended => result?.0,
        () = exchange.cancelled() => {
            let cancel = context.start(&functions.cancel, (number,), note)?;
            let both = async { tokio::try_join!(ended, cancel) };
            match timeout(LET_GO, both).await {
                // One that was cancelled may fail because of it.
                Ok(both) => {
                    let _ = both?;
                    Ok(())
                }
                Err(_) => {
                    connection.close("its handler was to end and did not");
                    return Ok(LifeEnd::Deaf);
                }
            }
        }
    };
    if let Err(error) = result {
        let request = exchange.summary();
        let request_id = tracing::field::display(ShownId(exchange));
        tracing::error!(target: "app", request_id, "uncaught error in `handle_stream` of {request}: {error}");
    }
    Ok(LifeEnd::Over)
}
