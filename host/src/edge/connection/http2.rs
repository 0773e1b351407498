//! A connection that speaks HTTP/2 (RFC 9113): many concurrent requests, each of them a task. Routes nothing.

mod body;
mod frames;
mod metered;
mod traffic;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::Uri;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tracing::{debug, info};

use self::body::ResponseBody;
use self::metered::MeteredIo;
pub(super) use self::traffic::Stream;
use self::traffic::{Phase, Traffic};
use super::watchdog::Watchdog;
use super::{
    Account, IncomingBody, LINGER, Refusal, Service, Socket, held, least_progress, refuse,
    tell_refusal, websocket,
};
use crate::base::backlog::FREE;
use crate::base::client::Client;
use crate::base::timer::with_timer;
use crate::base::websocket::is_http2;
use crate::config::Limits;
use crate::services::sockets::{Upgrade, Wire};

/// How many bytes a client may send before they are read: of one body, and of all in a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How many bytes of one response hyper keeps ready for a slow client.
const SEND_BUFFER: usize = 256 * 1024;

/// Serves the requests of one connection until it ends.
///
/// When `stop` is ready, the client is told to send no more. The requests that it has sent are the last ones.
pub(super) async fn serve<I, S>(
    io: I,
    client: Client,
    limits: &Arc<Limits>,
    service: &S,
    stop: impl Future<Output = ()>,
) where
    I: Socket + Send + 'static,
    S: Service,
{
    let traffic = Traffic::new(&limits.unsent, least_progress(limits));
    let io = MeteredIo::new(io, traffic.clone());
    let answer = service_fn(|request| answer(request, client, limits, service, &traffic));
    let max_header_size = u32::try_from(limits.max_header_size).unwrap_or(u32::MAX);
    let mut http = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.max_concurrent_streams)
            .max_header_list_size(max_header_size)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(io), answer)
    );
    let mut stop = pin!(stop);
    let mut ending = false;
    let mut flooded = false;
    let mut watchdog = Watchdog::new(traffic.phase(), None);

    let end = with_timer(poll_fn(|cx| {
        loop {
            if !ending && stop.as_mut().poll(cx).is_ready() {
                ending = true;
                traffic.close();
                http.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(end) = http.as_mut().poll(cx) {
                return Poll::Ready(end.map_err(End::Failed));
            }
            let phase = traffic.phase();
            if phase == Phase::Flooded && !flooded {
                // The socket is polled once more, so that the client gets the reason.
                flooded = true;
                continue;
            }
            if traffic.poll_cut(cx).is_ready() {
                return Poll::Ready(Err(End::TooSlow));
            }
            ready!(watchdog.poll_expired(phase, limit_of(phase, limits), cx));
            match phase {
                Phase::Idle { .. } if !ending => {
                    ending = true;
                    traffic.close();
                    http.as_mut().graceful_shutdown();
                }
                _ => return Poll::Ready(Err(End::Expired(phase))),
            }
        }
    }))
    .await;

    if flooded {
        info!(target: "general", "closed ({client}): many frames of HTTP/2 that bring no request further");
    }
    if let Err(end) = end {
        debug!(target: "general", ?client, ?end, "connection cut off");
    }
}

/// Why a connection ended early.
#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug, for the log")]
enum End {
    Failed(hyper::Error),
    Expired(Phase),
    /// Too much waits to be sent, and this client is the slowest.
    TooSlow,
}

/// How long a connection may stay in `phase`.
fn limit_of(phase: Phase, limits: &Limits) -> Option<Duration> {
    match phase {
        Phase::Idle { .. } => limits.idle_connection_timeout,
        Phase::Open => None,
        Phase::Sending { .. } => limits.write_timeout,
        Phase::Closing | Phase::Flooded => Some(LINGER),
    }
}

fn answer<S: Service>(
    request: Request<Incoming>,
    client: Client,
    limits: &Arc<Limits>,
    service: &S,
    traffic: &Arc<Traffic>,
) -> impl Future<Output = Result<Response<ResponseBody<S::Body>>, Infallible>> + Send + use<S> {
    let stream = traffic.begin();
    let declared = request.body().size_hint().lower();
    let (mut head, incoming) = request.into_parts();
    let upgrading = upgrading(&mut head);
    let refused = refuse(&head).or_else(|| Refusal::of_body(declared, limits));
    if let Some(refusal) = &refused {
        tell_refusal(service, refusal, Some((&head.method, &head.uri)), client);
    }
    let refused = refused.map(|refusal| refusal.status);
    as_http1(&mut head);
    let body = IncomingBody::new(incoming, limits, || Account::Stream(stream.clone()));
    let request = Request::from_parts(head, body);
    let service = service.clone();
    let max_unsent = limits.max_unsent;
    let limits = upgrading.is_some().then(|| limits.clone());
    async move {
        if stream.account().held() >= max_unsent {
            // Rare, so in a box: the future of every request stays small.
            Box::pin(stream.account().until_less(max_unsent)).await;
        }
        let mut response = match refused {
            None => service.call(request, client).await.map(Some),
            Some(status) => {
                let mut response = Response::new(None);
                *response.status_mut() = status;
                response
            }
        };
        let whole = response
            .body()
            .as_ref()
            .map_or(0, |body| body.size_hint().lower());
        if let (Some(upgrading), Some(limits)) = (upgrading, limits)
            && let Some(upgrade) = response.extensions_mut().remove::<Upgrade>()
            && let Some(session) = upgrade.take()
        {
            let stream = stream.clone();
            tokio::spawn(async move {
                // As long as the socket exists, its connection is not idle.
                let _stream = stream;
                if let Ok(io) = upgrading.await {
                    let io = TokioIo::new(io);
                    // Its connection has others as well.
                    let wire = Wire::default();
                    websocket::serve(io, Bytes::new(), session, &limits, wire).await;
                }
            });
        }
        stream.answered(held(response.extensions()).max(whole.min(FREE)));
        Ok(response.map(|body| ResponseBody::new(body, stream)))
    }
}

/// A request for a WebSocket becomes the GET that it is in HTTP/1. Returns its stream, which is there once it is answered
/// (RFC 8441, section 5).
fn upgrading(head: &mut Parts) -> Option<OnUpgrade> {
    if !is_http2(head) {
        return None;
    }
    head.method = Method::GET;
    head.extensions.remove::<OnUpgrade>()
}

/// Moves the pseudo-headers of HTTP/2 to where HTTP/1 has the same, so that no other code needs to know both: the
/// authority into `Host`, and of the target only path and query.
fn as_http1(head: &mut Parts) {
    if let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.entry(HOST).or_insert(host);
    }
    if let Some(path) = head.uri.path_and_query() {
        let path = path.clone();
        head.uri = Uri::from(path);
    }
    join_cookies(&mut head.headers);
}

/// Joins the `Cookie` headers that a client has split to compress them better (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    if cookies.next().is_none() || cookies.next().is_none() {
        return;
    }
    let cookies = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let joined = cookies.collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}
