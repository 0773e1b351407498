//! `waterspout:tcp/streams`: how a guest serves the streams of clients. [`crate::guest::resources::OpenStreams`] has them.

use std::future::poll_fn;

use wasmtime::component::{Accessor, HasSelf, Linker};

use super::capability::Capability;
use super::give_way;
use crate::guest::bindings::streams::{self, Host, HostWithStore, News as Told, OpenedStream};
use crate::guest::resources::{Ctx, News, ShownId};

/// The capability.
pub const CAPABILITY: Capability = Capability::of(link);

fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    streams::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}

impl Host for Ctx {
    fn end(&mut self, stream: u64, ended: Result<(), String>) -> wasmtime::Result<()> {
        self.requests.remove(stream);
        if let (Some(exchange), Err(error)) = (self.streams.end(stream), ended) {
            let request = exchange.summary();
            let request_id = tracing::field::display(ShownId(&exchange));
            tracing::error!(target: "app", request_id, "uncaught error in `handle_stream` of {request}: {error}");
        }
        Ok(())
    }

    fn turn_to(&mut self, stream: u64) -> wasmtime::Result<()> {
        self.turn_to_stream(stream);
        Ok(())
    }
}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn next(accessor: &Accessor<Ctx, Self>) -> wasmtime::Result<Option<Told>> {
        let (streams, is_slow) = accessor.with(|mut access| {
            let ctx = access.get();
            (ctx.streams.clone(), ctx.run.is_old())
        });
        give_way(accessor).await;
        // What is slow is told once.
        let mut is_slow = is_slow;
        let news = poll_fn(|cx| streams.poll_news(std::mem::take(&mut is_slow), cx)).await;
        let Some(news) = news else {
            return Ok(None);
        };
        accessor
            .with(|mut access| access.get().told(news))
            .map(Some)
    }
}

impl Ctx {
    /// The news as the guest is told.
    fn told(&mut self, news: News) -> wasmtime::Result<Told> {
        let mut opened = Vec::with_capacity(news.opened.len());
        for (number, exchange, stream) in news.opened {
            let Some(connection) = exchange.connection() else {
                continue;
            };
            let target = &exchange.target;
            opened.push(OpenedStream {
                stream: number,
                handler: target.handler,
                kwargs: target.kwargs.as_deref().map(str::to_owned),
                address: connection.address.clone(),
                tls: connection.tls,
                connection: self.table.push(stream)?,
            });
        }
        Ok(Told {
            opened,
            readable: news.readable,
            cancelled: news.cancelled,
        })
    }
}
