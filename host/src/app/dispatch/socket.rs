//! A handshake: what the host refuses of it, and the answer after which its connection is a socket. Carries none.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use tokio::time::Instant;

use super::reply::Reply;
use super::response::busy;
use super::{page, protection};
use crate::app::generation::{Component, Generation};
use crate::base::access::{self, Details, Summary};
use crate::base::websocket::{self, NoHandshake, Offer, code};
use crate::config::MAX_MESSAGE;
use crate::guest::description::Class;
use crate::guest::resources::{Accepted, Exchange, Head, Target};
use crate::services::sockets::{Closed, Handle, Pings, Session, Upgrade};

/// A request that may become a socket.
pub(super) struct Handshake {
    pub(super) handle: Handle,
    pings: Pings,
}

/// Whether a request for this handler is a handshake, or is to be one. Where the handler has `get`, other requests go there:
/// also those that would upgrade to something else, as many clients offer HTTP/2.
pub(super) fn is_meant(class: &Class, head: &Parts) -> bool {
    let has_get = || class.position(&Method::GET).is_some();
    class.socket.is_some()
        && head.method == Method::GET
        && (websocket::is_asked_for(head) || websocket::is_http2(head) || !has_get())
}

/// Checks a handshake, and makes a place for its socket. The error is the answer to one that is none.
#[expect(
    clippy::result_large_err,
    reason = "the answer is moved on as it is, once"
)]
pub(super) fn begin(
    generation: &Generation,
    component: &Component,
    target: &Target,
    head: &Parts,
) -> Result<Handshake, Response<Reply>> {
    let hooks = target.class.socket.unwrap_or_default();
    let is_foreign = || !hooks.check_origin && !protection::may_connect(head, target);
    websocket::check(head, is_foreign).map_err(refused)?;
    let settings = &generation.config.settings;
    let max_message = settings.websocket_max_message_size.unwrap_or(MAX_MESSAGE);
    let max_message = usize::try_from(max_message).unwrap_or(usize::MAX);
    let handle = component
        .pool()
        .and_then(|pool| pool.begin_socket(max_message).ok());
    Ok(Handshake {
        handle: handle.ok_or_else(busy)?,
        pings: Pings {
            interval: settings.websocket_ping_interval,
            timeout: settings.websocket_ping_timeout,
        },
    })
}

/// The answer of Tornado to what is no handshake: the page is the reason alone.
fn refused(no: NoHandshake) -> Response<Reply> {
    let (status, why) = match no {
        NoHandshake::NoUpgrade => (
            StatusCode::BAD_REQUEST,
            "Can \"Upgrade\" only to \"WebSocket\".",
        ),
        NoHandshake::NoConnection => (
            StatusCode::BAD_REQUEST,
            "\"Connection\" must be \"Upgrade\".",
        ),
        NoHandshake::Foreign => (StatusCode::FORBIDDEN, "Cross origin websockets not allowed"),
        NoHandshake::OtherVersion => (StatusCode::UPGRADE_REQUIRED, ""),
        NoHandshake::NoKey => (StatusCode::BAD_REQUEST, "Missing/Invalid WebSocket headers"),
    };
    let mut response = page::plain(status, why);
    if no == NoHandshake::OtherVersion {
        let version = HeaderValue::from_static("13");
        let headers = response.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_VERSION, version);
    }
    response
}

/// The answer to a handshake that a handler has accepted. The error says what is wrong with what the handler asked for,
/// for its author.
pub(super) fn switch(
    exchange: &Exchange,
    accepted: Accepted,
    handshake: Handshake,
    component: &Arc<Component>,
) -> Result<Response<Reply>, String> {
    let Handshake { handle, pings } = handshake;
    let asked = &exchange.head.headers;
    let Accepted {
        subprotocol,
        compression,
        headers,
    } = accepted;
    let mut response = Response::new(Reply::new(Bytes::new()));
    *response.headers_mut() = Head::of(200, None, headers)?.headers;
    let headers = response.headers_mut();
    page::sign(headers);
    if let Some(subprotocol) = subprotocol {
        let name = HeaderValue::from_str(&subprotocol);
        let name = name.map_err(|_| format!("the subprotocol {subprotocol:?} can't be sent"))?;
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    let deflate = compression.and_then(|compression| {
        /// The usual level of zlib.
        const LEVEL: u8 = 6;
        let level = compression.level.unwrap_or(LEVEL).min(9);
        Offer(asked).deflate(level.into())
    });
    if let Some(answer) = deflate.as_ref().and_then(|deflate| deflate.answer()) {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, answer);
    }
    if !websocket::is_http2(&exchange.head) {
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Some(key) = websocket::accept_key(asked) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
        }
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    handle.family.meter.sockets.opened.count();
    let tell = Box::new(farewell(exchange, &handle, component));
    response.extensions_mut().insert(Upgrade::new(Session {
        handle,
        deflate,
        pings,
        tell,
    }));
    Ok(response)
}

/// Reports the end of a socket. It keeps as little as it can: there are as many as sockets.
fn farewell(
    exchange: &Exchange,
    handle: &Handle,
    component: &Arc<Component>,
) -> impl FnOnce(&Closed) + Send + use<> {
    let family = handle.family.clone();
    // A copy: parts of the head would keep all of it.
    let uri = exchange.head.uri.to_string().into_boxed_str();
    let (client, began) = (exchange.client, Instant::now());
    let (id, generation) = (Box::<str>::from(exchange.id()), exchange.app.generation);
    let handler = component.handler_name(exchange.target.handler);
    move |closed| {
        family.meter.sockets.closed.count();
        let uri = Uri::try_from(&*uri).unwrap_or_default();
        let summary = Summary {
            asked: Some((&Method::GET, &uri)),
            client,
        };
        let code = closed.code.unwrap_or(match closed.is_said {
            true => code::NO_CODE,
            false => code::ABNORMAL,
        });
        access::closed(&summary, code, &|| began.elapsed(), || Details {
            request_id: id.to_string(),
            generation: Some(generation),
            handler: Some(handler.clone()),
        });
    }
}
