//! `wasi:http` for guests: `client` of 0.3, and `outgoing-handler` of 0.2, which blocks its instance while it waits.
//! [`crate::services::http_client`] decides which servers a component may reach.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderName;
use http::header::HOST;
use http_body_util::BodyExt;
use url::{Host, Url};
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx,
    WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::capability::{Capability, Grant, MakePart, Setup};
use crate::base::metrics::ComponentMeter;
use crate::config::GrantKey;
use crate::guest::imports::Import;
use crate::guest::resources::Ctx;
use crate::services::http_client::{self, Access, Fault, Timeouts};

/// How long the header fields of a request may be together, in bytes.
pub(super) const MAX_FIELDS: usize = 64 * 1024;

/// The largest piece of a request's body that is taken from a guest, in bytes.
const PIECE: usize = 64 * 1024;

/// The capability.
pub const CAPABILITY: Capability = Capability {
    link,
    prepare: Some(prepare),
    grants: &[Grant {
        keys: &[GrantKey {
            name: KEY,
            text: "`self` or an origin without a path",
            example: "[\"https://api.example.com\"]",
            is_valid: |text| grant(text).is_some(),
        }],
        used_by,
        does: "sends requests",
        lacks: Some("origin"),
    }],
};

/// The list of servers in `allow`.
const KEY: &str = "http";

fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)
}

/// `outgoing-handler` in WASI 0.2, `client` and `handler` in 0.3; and our own for WebSockets, whose handshake is a request.
fn used_by(imports: &[Import]) -> Option<&str> {
    const SENDERS: [&str; 4] = [
        "waterspout:sockets/websocket-client@",
        "wasi:http/outgoing-handler@",
        "wasi:http/client@",
        "wasi:http/handler@",
    ];
    Import::first(imports, |import| {
        SENDERS.iter().any(|sender| import.is(sender)) && import.calls(|_| true)
    })
}

/// Reads a grant: `self`, or an origin in the spelling of the URL standard. A name may have letters of any script.
fn grant(text: &str) -> Option<http_client::Grant> {
    if text == "self" {
        return Some(http_client::Grant::Own);
    }
    let (scheme, authority) = text.split_once("://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let is_scheme = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let is_plain =
        |char: char| char.is_ascii_alphanumeric() || !char.is_ascii() || "-._[]:".contains(char);
    if !is_scheme || authority.ends_with(':') || !authority.chars().all(is_plain) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    // `127.1` and `0x7f.1` are addresses, too. A grant must name them in full.
    let is_as_written = match url.host()? {
        Host::Ipv4(address) => authority.starts_with(&address.to_string()),
        _ => true,
    };
    is_as_written.then(|| http_client::Grant::Origin(url.origin().ascii_serialization()))
}

/// The data in a store.
struct State {
    ctx: WasiHttpCtx,
    fetches: Fetches,
}

/// What a store may fetch, and the meter that counts it.
struct Fetches {
    access: Arc<Access>,
    meter: Arc<ComponentMeter>,
}

impl Ctx {
    /// What this store may fetch, which is also what it may open WebSockets to; and the meter of its requests.
    pub(super) fn access(&self) -> (Arc<Access>, Arc<ComponentMeter>) {
        let State { fetches, .. } = self.parts.get();
        (fetches.access.clone(), fetches.meter.clone())
    }
}

fn prepare(setup: &Setup<'_>) -> MakePart {
    let settings = setup.settings;
    let grants: Vec<_> = settings.allow.texts(KEY).filter_map(grant).collect();
    let clients = &setup.services.http;
    let access = clients.access(setup.file, &grants, settings.max_clients);
    let meter = setup.meter.clone();
    Box::new(move |_| {
        let (access, meter) = (access.clone(), meter.clone());
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(MAX_FIELDS);
        Ok(Box::new(State {
            ctx,
            fetches: Fetches { access, meter },
        }))
    })
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let state: &mut State = self.parts.get_mut();
        WasiHttpCtxView {
            hooks: &mut state.fetches,
            table: &mut self.table,
            ctx: &mut state.ctx,
        }
    }
}

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), Error>> + Send>;

/// The headers that a guest can't set, because the connection sets them. It can set `Host`: the client decides about
/// its value.
pub(super) fn is_forbidden(name: &HeaderName) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_the_app_or_an_origin() {
        let origin = |text: &str| Some(http_client::Grant::Origin(text.to_owned()));
        assert_eq!(grant("self"), Some(http_client::Grant::Own));
        for (text, read) in [
            (
                "https://API.example.com:8443/",
                "https://api.example.com:8443",
            ),
            ("http://[::1]:80", "http://[::1]"),
            (
                "https://b\u{fc}cher.example",
                "https://xn--bcher-kva.example",
            ),
        ] {
            assert_eq!(grant(text), origin(read));
        }
        for wrong in [
            "",
            "example.com",
            "https://a/b",
            "ftp://a",
            "http://127.1",
            "http://0x7f.1:80",
            "http://2130706433",
            "http://[::1",
            "http://a@b",
        ] {
            assert_eq!(grant(wrong), None, "{wrong}");
        }
    }
}
