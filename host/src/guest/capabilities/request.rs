//! `waterspout:web/request`: what a handler may ask of the request it serves.

use std::sync::Arc;

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::base::client::PeerCertificate;
use crate::guest::bindings::request::{self, Host, RequestHead};
use crate::guest::resources::{Ctx, Exchange};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| request::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Ctx {
    /// The request behind a number. A guest that asks for one that is over, or never was, traps.
    pub(super) fn exchange(&self, request: u64) -> wasmtime::Result<Arc<Exchange>> {
        self.requests
            .get(request)
            .ok_or_else(|| wasmtime::format_err!("request {request} is over, or never was"))
    }
}

impl Host for Ctx {
    fn id(&mut self, request: u64) -> wasmtime::Result<String> {
        Ok(self.exchange(request)?.id().to_owned())
    }

    fn head(&mut self, request: u64) -> wasmtime::Result<RequestHead> {
        let exchange = self.exchange(request)?;
        let (head, uri) = (&exchange.head, exchange.uri());
        Ok(RequestHead {
            method: head.method.as_str().to_owned(),
            uri: uri.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            version: format!("{:?}", head.version),
            protocol: exchange.client.protocol.as_str().to_owned(),
            host: exchange.host().to_owned(),
            remote_ip: exchange.client.remote_ip.for_guests(),
        })
    }

    fn header(&mut self, request: u64, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        let headers = &self.exchange(request)?.head.headers;
        Ok(headers
            .get_all(name)
            .iter()
            .map(|value| value.as_bytes().to_vec())
            .collect())
    }

    fn headers(&mut self, request: u64) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        let headers = &self.exchange(request)?.head.headers;
        Ok(headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect())
    }

    fn ssl_certificate(&mut self, request: u64) -> wasmtime::Result<Option<Vec<u8>>> {
        let extensions = &self.exchange(request)?.head.extensions;
        let certificate = extensions.get::<PeerCertificate>();
        Ok(certificate.map(|PeerCertificate(bytes)| bytes.to_vec()))
    }

    fn request_time(&mut self, request: u64) -> wasmtime::Result<u64> {
        let passed = self.exchange(request)?.began.elapsed();
        Ok(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
    }
}
