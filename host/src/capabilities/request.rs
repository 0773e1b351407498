//! `waterspout:web/request`: what a handler may ask of the request it serves. Each body is read here, when a
//! guest wants it and not before.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::component::{Accessor, HasSelf};

use crate::bindings::request::{BodyError, Host, HostWithStore, RequestHead};
use crate::body::{self, RequestBody};
use crate::resources::{BodyMemory, BodySlot, Ctx, Exchange};

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
        let head = &exchange.head;
        Ok(RequestHead {
            method: head.method.as_str().to_owned(),
            uri: head.uri.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            version: format!("{:?}", head.version),
            protocol: exchange.client.protocol.as_str().to_owned(),
            host: exchange.host().to_owned(),
            remote_ip: exchange
                .client
                .remote_ip
                .map_or_else(String::new, |ip| ip.to_string()),
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

    fn request_time(&mut self, request: u64) -> wasmtime::Result<u64> {
        let passed = self.exchange(request)?.began.elapsed();
        Ok(u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn body(
        accessor: &Accessor<Ctx, Self>,
        request: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, BodyError>> {
        let found = accessor.with(|mut access| {
            let ctx = access.get();
            let exchange = ctx.requests.get(request);
            exchange.map(|exchange| (exchange, ctx.body_memory.clone()))
        });
        let Some((exchange, memory)) = found else {
            return Ok(Err(BodyError::Gone));
        };
        Ok(read_whole(&exchange, &memory).await)
    }

    async fn body_chunk(
        accessor: &Accessor<Ctx, Self>,
        request: u64,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, BodyError>> {
        let exchange = accessor.with(|mut access| access.get().requests.get(request));
        let Some(exchange) = exchange else {
            return Ok(Err(BodyError::Gone));
        };
        // A wait, whatever is here already: it ends the run, and others have their turn.
        tokio::task::yield_now().await;
        let body = match exchange.take_body() {
            BodySlot::None => return Ok(Ok(None)),
            BodySlot::Unread(body) => body,
            BodySlot::Taken => return Ok(Err(BodyError::Gone)),
        };
        let mut borrowed = Borrowed {
            exchange: &exchange,
            body: Some(body),
        };
        Ok(match borrowed.chunk().await {
            Ok(chunk) => Ok(chunk.map(Vec::from)),
            Err(error) => Err(error.into()),
        })
    }
}

/// A body that goes back to its request, also where the guest no longer waits for its next piece.
struct Borrowed<'a> {
    exchange: &'a Exchange,
    body: Option<RequestBody>,
}

impl Borrowed<'_> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, body::BodyError> {
        let Some(body) = &mut self.body else {
            return Ok(None);
        };
        let chunk = body.chunk().await?;
        if chunk.is_none() {
            keep_trailers(self.exchange, body);
        }
        Ok(chunk)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            self.exchange.put_body(body);
        }
    }
}

async fn read_whole(exchange: &Exchange, memory: &BodyMemory) -> Result<Vec<u8>, BodyError> {
    let mut body = match exchange.take_body() {
        BodySlot::None => return Ok(Vec::new()),
        BodySlot::Unread(body) => body,
        BodySlot::Taken => return Err(BodyError::Gone),
    };
    // Where the length is not promised, the largest that may come is reserved: two bodies that grew side by
    // side could otherwise wait for each other.
    let most = body.max_size().min(memory.total());
    let promised = body.size_hint().lower();
    if promised > most {
        return Err(BodyError::TooLarge);
    }
    let mut share = memory.reserve(most).await.ok_or(BodyError::TooLarge)?;
    let mut whole = Vec::with_capacity(usize::try_from(promised).unwrap_or_default());
    while let Some(chunk) = body.chunk().await? {
        if (whole.len() + chunk.len()) as u64 > most {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    keep_trailers(exchange, &mut body);
    share.shrink(whole.len());
    exchange.hold(share);
    Ok(whole)
}

fn keep_trailers(exchange: &Exchange, body: &mut RequestBody) {
    if let Some(trailers) = body.take_trailers() {
        exchange.keep_trailers(trailers);
    }
}

impl From<body::BodyError> for BodyError {
    fn from(error: body::BodyError) -> Self {
        match error {
            body::BodyError::TooLarge => Self::TooLarge,
            body::BodyError::Timeout => Self::Timeout,
            body::BodyError::Malformed => Self::Malformed,
            body::BodyError::Gone => Self::Gone,
        }
    }
}
