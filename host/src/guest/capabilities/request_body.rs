//! `waterspout:web/request-body`: reads the body of a request when a guest asks for it, sets its limits, and gives its
//! trailers. How it is read is in `resources/exchange`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{Accessor, HasSelf};

use super::capability::Capability;
use crate::base::body;
use crate::guest::bindings::request_body::{self, BodyError, Host, HostWithStore};
use crate::guest::resources::{BodyMemory, Ctx, Exchange};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| request_body::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Host for Ctx {
    fn trailers(&mut self, request: u64) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        let exchange = self.exchange(request)?;
        let trailers = exchange.trailers().into_iter().flatten();
        Ok(trailers
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect())
    }

    fn set_max_size(&mut self, request: u64, bytes: u64) -> wasmtime::Result<()> {
        self.exchange(request)?
            .limit_body(|body| body.set_max_size(bytes));
        Ok(())
    }

    fn set_timeout(&mut self, request: u64, nanoseconds: u64) -> wasmtime::Result<()> {
        let timeout = Duration::from_nanos(nanoseconds);
        self.exchange(request)?.limit_body(|body| {
            body.set_timeout(timeout);
            Ok(())
        });
        Ok(())
    }

    fn take_chunk(
        &mut self,
        request: u64,
    ) -> wasmtime::Result<Option<Result<Option<Vec<u8>>, BodyError>>> {
        let Some(exchange) = self.requests.get(request) else {
            return Ok(Some(Err(BodyError::Gone)));
        };
        Ok(exchange.take_chunk().map(wire))
    }

    fn take_body(&mut self, request: u64) -> wasmtime::Result<Option<Result<Vec<u8>, BodyError>>> {
        let Some(exchange) = self.requests.get(request) else {
            return Ok(Some(Err(BodyError::Gone)));
        };
        let whole = exchange.take_whole(&self.body_memory);
        Ok(whole.map(|whole| whole.map_err(Into::into)))
    }
}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn wait_chunk(accessor: &Accessor<Ctx, Self>, request: u64) -> wasmtime::Result<()> {
        // A wait even where the data has come: it ends the run, so that others have their turn.
        tokio::task::yield_now().await;
        if let Some((exchange, _)) = find(accessor, request) {
            exchange.wait_chunk().await;
        }
        Ok(())
    }

    async fn wait_body(accessor: &Accessor<Ctx, Self>, request: u64) -> wasmtime::Result<()> {
        if let Some((exchange, memory)) = find(accessor, request) {
            exchange.wait_whole(&memory).await;
        }
        Ok(())
    }
}

/// The request and the memory for its body, unless it is over.
fn find(
    accessor: &Accessor<Ctx, HasSelf<Ctx>>,
    request: u64,
) -> Option<(Arc<Exchange>, BodyMemory)> {
    accessor.with(|mut access| {
        let ctx = access.get();
        Some((ctx.requests.get(request)?, ctx.body_memory.clone()))
    })
}

/// A piece as the WIT has it.
fn wire(chunk: Result<Option<Bytes>, body::BodyError>) -> Result<Option<Vec<u8>>, BodyError> {
    Ok(chunk?.map(Vec::from))
}

impl From<body::BodyError> for BodyError {
    fn from(error: body::BodyError) -> Self {
        match error {
            body::BodyError::TooLarge => Self::TooLarge,
            // The host knows which of them it was when it answers.
            body::BodyError::Timeout | body::BodyError::NoRoom => Self::Timeout,
            body::BodyError::Malformed => Self::Malformed,
            body::BodyError::Gone => Self::Gone,
        }
    }
}
