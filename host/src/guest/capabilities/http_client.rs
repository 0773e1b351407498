//! `wasi:http` for guests: `client` of 0.3, and `outgoing-handler` of 0.2, which blocks its instance while it waits.
//! [`crate::services::http_client`] decides which servers a component may reach.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderName;
use http::header::HOST;
use http_body_util::BodyExt;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody,
    WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use crate::guest::resources::{Ctx, Fetches};
use crate::services::http_client::{Fault, Timeouts};

/// The largest piece of a request's body that is taken from a guest, in bytes.
const PIECE: usize = 64 * 1024;

/// Puts the interfaces into the linker.
pub fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.http.fetches,
            table: &mut self.table,
            ctx: &mut self.http.ctx,
        }
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), Error>> + Send>;

/// The headers that a guest can't set, because the connection sets them. It can set `Host`: the client decides about
/// its value.
fn is_forbidden(name: &HeaderName) -> bool {
    *name != HOST && DEFAULT_FORBIDDEN_HEADERS.contains(name)
}

impl WasiHttpHooks for Fetches {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    /// The client sets it, from the parsed URL.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        // The server does not need to know how the guest handled the response.
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Sending {
        let Self { access, meter } = self;
        let (access, meter) = (access.clone(), meter.clone());
        let options = options.unwrap_or_default();
        let timeouts = Timeouts {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        };
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let began = Instant::now();
        Box::new(async move {
            let sent = access.send(request, timeouts).await;
            meter.fetched(began.elapsed(), sent.is_ok());
            let response = sent.map_err(|fault| error(&fault))?;
            let response = response.map(|body| body.map_err(|fault| error(&fault)).boxed_unsync());
            // The client drives its connections by itself.
            let io: Io = Box::new(async { Ok(()) });
            Ok((response, io))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }
}

/// WASI's name for a fault.
fn error(fault: &Fault) -> Error {
    let text = || Some(fault.to_string());
    match fault {
        Fault::NotGranted => Error::HttpRequestDenied,
        Fault::Prohibited(_) => Error::DestinationIpProhibited,
        Fault::Uri => Error::HttpRequestUriInvalid,
        Fault::Method => Error::HttpRequestMethodInvalid,
        Fault::Host => Error::InternalError(text()),
        Fault::Unresolved(why) => Error::DnsError {
            rcode: Some(why.clone()),
            info_code: None,
        },
        Fault::Unreachable(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
            _ => Error::DestinationUnavailable,
        },
        Fault::ConnectTimeout => Error::ConnectionTimeout,
        Fault::Proxy(_) => Error::DestinationUnavailable,
        Fault::Tls(_) => Error::TlsProtocolError,
        Fault::Certificate(_) => Error::TlsCertificateError,
        Fault::ReadTimeout => Error::ConnectionReadTimeout,
        Fault::Incomplete => Error::HttpResponseIncomplete,
        Fault::Protocol(_) => Error::HttpProtocolError,
        Fault::Head => Error::HttpResponseHeaderSectionSize(None),
        Fault::Coding(_) => Error::HttpResponseContentCoding(text()),
    }
}
