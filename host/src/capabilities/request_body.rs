//! `waterspout:web/request-body`: what a handler may say of its request's body before it reads it, and what comes after
//! it. Reads nothing.

use std::time::Duration;

use crate::bindings::request_body::Host;
use crate::resources::Ctx;

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
            .with_body(|body| body.set_max_size(bytes));
        Ok(())
    }

    fn set_timeout(&mut self, request: u64, nanoseconds: u64) -> wasmtime::Result<()> {
        let timeout = Duration::from_nanos(nanoseconds);
        self.exchange(request)?
            .with_body(|body| body.set_timeout(timeout));
        Ok(())
    }
}
