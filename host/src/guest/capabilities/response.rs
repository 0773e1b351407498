//! `waterspout:web/response`: a response that is sent while its handler continues. Words the faults of guests in using
//! it; sends nothing itself.

use bytes::Bytes;
use http::HeaderMap;
use wasmtime::component::{Accessor, HasSelf};

use super::capability::Capability;
use crate::guest::bindings::response::{self, FlushError, Host, HostWithStore, ResponseHead};
use crate::guest::resources::{self, Ctx, Exchange, Head, ShownId, Wrong};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| response::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

/// The largest piece, in bytes. The host holds at most two pieces of a response: one that waits in the channel, and
/// one that waits for its place there. The SDK splits larger ones.
const MAX_PIECE: usize = 1 << 20;

impl Host for Ctx {
    fn set_trailers(
        &mut self,
        request: u64,
        trailers: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<(), FlushError>> {
        let exchange = self.exchange(request)?;
        let Some(stream) = exchange.stream() else {
            return Ok(Err(invalid("trailers come after the first flush")));
        };
        Ok(resources::fields(trailers)
            .and_then(|trailers: HeaderMap| stream.set_trailers(trailers))
            .map_err(FlushError::Invalid))
    }
}

impl HostWithStore<Ctx> for HasSelf<Ctx> {
    async fn flush(
        accessor: &Accessor<Ctx, Self>,
        request: u64,
        head: Option<ResponseHead>,
        piece: Vec<u8>,
    ) -> wasmtime::Result<Result<(), FlushError>> {
        let exchange = accessor.with(|mut access| access.get().requests.get(request));
        let Some(exchange) = exchange else {
            return Ok(Err(FlushError::Gone));
        };
        Ok(flush(&exchange, head, piece.into()).await)
    }
}

async fn flush(
    exchange: &Exchange,
    head: Option<ResponseHead>,
    piece: Bytes,
) -> Result<(), FlushError> {
    if piece.len() > MAX_PIECE {
        return Err(invalid("a piece has 1 MiB at most"));
    }
    let stream = match (exchange.stream(), head) {
        (Some(stream), None) => stream,
        (Some(_), Some(_)) => return Err(invalid("the head is out already")),
        (None, None) => return Err(invalid("the first flush brings the head")),
        (None, Some(head)) => {
            let head = Head::of(head.status, head.reason, head.headers);
            let head = head.map_err(FlushError::Invalid)?;
            let begun = exchange.begin(head).map_err(FlushError::Invalid)?;
            begun.ok_or(FlushError::Gone)?
        }
    };
    stream.send(piece).await.map_err(|wrong| {
        if wrong == Wrong::TooMuch {
            let request_id = tracing::field::display(ShownId(exchange));
            tracing::error!(target: "app", request_id, "{}: {wrong}", exchange.summary());
        }
        match wrong {
            Wrong::Gone => FlushError::Gone,
            wrong => invalid(&wrong.to_string()),
        }
    })
}

fn invalid(why: &str) -> FlushError {
    FlushError::Invalid(why.to_owned())
}
