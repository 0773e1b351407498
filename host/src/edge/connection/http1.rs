//! A connection that speaks HTTP/1.1 (RFC 9112) or 1.0: one request after the other. Routes nothing.

mod activity;
mod body;
mod framing;
mod timed;
mod unread;

use std::convert::Infallible;
use std::future::{self, Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::future::Either;
use http::header::{CONNECTION, EXPECT, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use tracing::debug;

pub(super) use self::activity::Reading;
use self::activity::{Activity, Answering, Phase};
use self::body::ResponseBody;
use self::timed::TimedIo;
use self::unread::PATIENCE;
use super::watchdog::Watchdog;
use super::{
    Account, BUFFER, Carried, FRESH, IncomingBody, LINGER, Refusal, Service, Socket, held,
    least_progress, refuse, tell_late_head, tell_refusal, websocket,
};
use crate::base::client::Client;
use crate::base::timer::with_timer;
use crate::config::Limits;
use crate::services::sockets::Wire;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Serves the requests of one connection, one after the other, until it ends.
///
/// When `stop` is ready, the request in flight is the last one. An idle connection ends immediately. A client that has
/// just connected may still send one request.
///
/// Everything that needs no wait is done before the future is made: there are as many futures as connections.
///
/// `since`: when the first byte came, where it was read before.
pub(super) fn serve<I, S>(
    io: I,
    since: Option<Instant>,
    client: Client,
    limits: &Arc<Limits>,
    service: &S,
    mut stop: impl Future<Output = ()> + Unpin,
) -> impl Future<Output = Option<Carried>>
where
    I: Socket + Send + 'static,
    S: Service,
{
    let activity = Arc::new(Activity::new(least_progress(limits)));
    let io = TimedIo::new(io, activity.clone(), limits.max_header_size);
    let noted = activity.clone();
    let answer = service_fn(move |request| answer(request, client, limits, service, &noted));
    let mut http = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(limits.max_header_size)
        .max_buf_size(limits.max_header_size.max(BUFFER))
        .serve_connection(TokioIo::new(io), answer);
    async move {
        let mut stopping = false;
        let mut last = false;
        let mut watchdog = Watchdog::new(Phase::Head { served: 0 }, since);

        let end = with_timer(poll_fn(|cx| {
            loop {
                if !stopping && Pin::new(&mut stop).poll(cx).is_ready() {
                    // The socket is read once more, for a request that was sent before the stop.
                    stopping = true;
                    activity.stop();
                }
                if let Poll::Ready(end) = Pin::new(&mut http).poll(cx) {
                    return Poll::Ready(end.map_err(End::Failed));
                }
                if let Some(account) = activity.account()
                    && account.poll_cut(cx).is_ready()
                {
                    return Poll::Ready(Err(End::TooSlow));
                }
                if activity.poll_unread(cx) {
                    continue;
                }
                if activity.refuses() {
                    return Poll::Ready(Err(End::Refused));
                }
                let phase = activity.phase();
                let begins = matches!(phase, Phase::Idle { served: 0 } | Phase::Head { .. });
                if stopping && !last && !begins {
                    last = true;
                    Pin::new(&mut http).graceful_shutdown();
                    continue;
                }
                let limit = limit_of(phase, limits, stopping);
                ready!(watchdog.poll_expired(phase, limit, cx));
                match phase {
                    // hyper is done then, and returns the result.
                    Phase::Closing if activity.hear_no_more() => {}
                    Phase::Dropping { .. } => activity.give_up(),
                    _ => return Poll::Ready(Err(End::Expired(phase))),
                }
            }
        }))
        .await;

        let Err(end) = end else {
            let parts = http.into_parts();
            let io = parts.io.into_inner();
            if let Some(session) = activity.take_session() {
                let (io, limits) = (io.into_inner(), limits.clone());
                return Some(Box::pin(async move {
                    let wire = Wire {
                        set_nodelay: I::set_nodelay,
                        descriptor: I::descriptor,
                    };
                    websocket::serve(io, parts.read_buf, session, &limits, wire).await;
                }) as Carried);
            }
            if !io.has_hung_up() {
                Box::pin(io.hang_up()).await;
            }
            return None;
        };
        debug!(target: "general", ?client, ?end, "connection cut off");
        match end {
            End::Refused => {
                let io = http.into_parts().io.into_inner();
                if let Some(refusal) = io.refusal() {
                    tell_refusal(service, &refusal, None, client);
                    Box::pin(io.refuse(refusal.status)).await;
                }
            }
            End::Expired(Phase::Head { .. }) => tell_late_head(client),
            End::Expired(_) | End::TooSlow => {}
            End::Failed(error) => {
                if let Some(refusal) = refusal_of(&error) {
                    tell_refusal(service, &refusal, None, client);
                }
            }
        }
        None
    }
}

/// Why a connection ended early.
#[derive(Debug)]
enum End {
    Failed(hyper::Error),
    Expired(Phase),
    /// hyper is not shown what came.
    Refused,
    /// Too much waits to be sent, and this client is the slowest.
    TooSlow,
}

/// The status with which hyper has answered a head that it could not read.
fn refusal_of(error: &hyper::Error) -> Option<Refusal> {
    if !error.is_parse() || error.is_parse_version_h2() {
        return None;
    }
    let why = error.to_string();
    let status = match error {
        // Only the text tells a long URI from the rest.
        _ if why == "URI too long" => StatusCode::URI_TOO_LONG,
        error if error.is_parse_too_large() => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Some(Refusal {
        status,
        why: why.into(),
    })
}

/// How long a connection may stay in `phase`.
fn limit_of(phase: Phase, limits: &Limits, stopping: bool) -> Option<Duration> {
    match phase {
        Phase::Idle { served: 0 } if stopping => {
            let idle = limits.idle_connection_timeout;
            Some(idle.map_or(FRESH, |limit| limit.min(FRESH)))
        }
        Phase::Idle { .. } => limits.idle_connection_timeout,
        Phase::Head { .. } => limits.header_timeout,
        Phase::Exchange => None,
        Phase::Dropping { .. } => Some(PATIENCE),
        Phase::Stalled { .. } => limits.write_timeout,
        Phase::Closing => Some(LINGER),
    }
}

/// What is rare is in a box: the future of every request stays small.
fn answer<'a, 'l, S: Service>(
    request: Request<Incoming>,
    client: Client,
    limits: &'l Limits,
    service: &'a S,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<Response<ResponseBody<S::Body>>, Infallible>> + use<'a, 'l, S> {
    let declared = request.body().size_hint();
    let mut answering = activity.begin();
    let (head, incoming) = request.into_parts();
    let body = IncomingBody::new(incoming, limits, || {
        Account::Reading(answering.reading(head.headers.contains_key(EXPECT)))
    });
    if let Some(refusal) = refuse(&head).or_else(|| Refusal::of_body(declared.lower(), limits)) {
        tell_refusal(service, &refusal, Some((&head.method, &head.uri)), client);
        drop(body);
        let response = end(bare(&refusal), limits, answering, |()| None);
        return Either::Left(Box::pin(Either::Left(future::ready(Ok(response)))));
    }
    let request = Request::from_parts(head, body);
    let account = activity.account().cloned();
    if let Some(account) = account.filter(|account| account.held() >= limits.max_unsent) {
        let late = async move {
            account.until_less(limits.max_unsent).await;
            let response = service.call(request, client).await;
            if answering.has_rest() {
                answering.drop_rest().await;
            }
            Ok(end(response, limits, answering, Some))
        };
        return Either::Left(Box::pin(Either::Right(late)));
    }
    let response = service.call(request, client);
    Either::Right(async move {
        let response = response.await;
        if answering.has_rest() {
            Box::pin(answering.drop_rest()).await;
        }
        Ok(end(response, limits, answering, Some))
    })
}

/// Ends an exchange: only this is left to be written.
fn end<T, B>(
    mut response: Response<T>,
    limits: &Limits,
    answering: Answering,
    body: impl FnOnce(T) -> Option<B>,
) -> Response<ResponseBody<B>> {
    let held = held(response.extensions());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        answering.upgrades(response.extensions_mut());
    }
    let headers = response.headers_mut();
    if answering.is_last() && !headers.contains_key(UPGRADE) {
        headers.insert(CONNECTION, CLOSE);
    }
    answering.answered(headers);
    response.map(|inner| ResponseBody::new(body(inner), held, &limits.unsent, answering))
}

/// A response without a body. Behind a malformed request the connection closes, because nothing after it can be
/// trusted.
fn bare(refusal: &Refusal) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = refusal.status;
    if refusal.status != StatusCode::PAYLOAD_TOO_LARGE {
        response.headers_mut().insert(CONNECTION, CLOSE);
    }
    response
}
