//! A connection that speaks HTTP/1.1 (RFC 9112) or 1.0: one request after the other. Routes nothing.

mod activity;
mod body;
mod timed;

use std::convert::Infallible;
use std::future::{self, Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Either;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tracing::debug;

pub(super) use self::activity::Reading;
use self::activity::{Activity, Answering, Phase};
use self::body::ResponseBody;
use self::timed::TimedIo;
use super::watchdog::Watchdog;
use super::{Account, BUFFER, FRESH, LINGER, RequestBody, Service, Socket, refuse, tell_refusal};
use crate::client::Client;
use crate::config::Limits;
use crate::timer::with_timer;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Serves the requests of one connection, one after the other, until it ends.
///
/// When `stop` is ready, the request in flight is the last one. An idle connection ends at once,
/// unless its client has only just come: then it may ask once.
///
/// What can be done at once is done before the future is made: there are as many of these as connections.
pub(super) fn serve<I, S>(
    io: I,
    client: Client,
    limits: &Limits,
    service: &S,
    mut stop: impl Future<Output = ()> + Unpin,
) -> impl Future<Output = ()>
where
    I: Socket,
    S: Service,
{
    let activity = Arc::new(Activity::default());
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
        let mut watchdog = Watchdog::new(activity.phase());

        let end = with_timer(poll_fn(|cx| {
            loop {
                if !stopping && Pin::new(&mut stop).poll(cx).is_ready() {
                    // The socket gets one more look, for a request sent before the stop.
                    stopping = true;
                    activity.stop();
                }
                if let Poll::Ready(end) = Pin::new(&mut http).poll(cx) {
                    return Poll::Ready(end.map_err(End::Failed));
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
                if phase == Phase::Closing && activity.hear_no_more() {
                    // hyper is done, then, and tells how it went.
                    continue;
                }
                return Poll::Ready(Err(End::Expired(phase)));
            }
        }))
        .await;

        if let Err(end) = end {
            if let Some(status) = end.answered() {
                tell_refusal(service, status, None, client);
            }
            debug!(target: "general", ?client, ?end, "connection cut off");
        }
        let io = http.into_parts().io.into_inner();
        if io.line_is_too_long() {
            Box::pin(io.refuse_line()).await;
            tell_refusal(service, StatusCode::URI_TOO_LONG, None, client);
        }
    }
}

/// Why a connection ended in the middle of something.
#[derive(Debug)]
enum End {
    Failed(hyper::Error),
    #[expect(dead_code, reason = "read by Debug, for the log")]
    Expired(Phase),
}

impl End {
    /// With what hyper has answered a head that it could not read.
    fn answered(&self) -> Option<StatusCode> {
        match self {
            Self::Failed(error) if !error.is_parse() || error.is_parse_version_h2() => None,
            // Only in words does it tell a long URI from the rest.
            Self::Failed(error) if error.to_string() == "URI too long" => {
                Some(StatusCode::URI_TOO_LONG)
            }
            Self::Failed(error) if error.is_parse_too_large() => {
                Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            }
            Self::Failed(_) => Some(StatusCode::BAD_REQUEST),
            Self::Expired(_) => None,
        }
    }
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
        Phase::Stalled { .. } => limits.write_timeout,
        Phase::Closing => Some(LINGER),
    }
}

fn answer<'a, S: Service>(
    request: Request<Incoming>,
    client: Client,
    limits: &Limits,
    service: &'a S,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<Response<ResponseBody<S::Body>>, Infallible>> + use<'a, S> {
    let declared = request.body().size_hint();
    let answering = activity.begin(declared.exact());
    let (head, incoming) = request.into_parts();
    let body = RequestBody::new(incoming, limits, || Account::Reading(answering.reading()));
    let refused = refuse(&head).or_else(|| {
        (declared.lower() > limits.max_body_size).then_some(StatusCode::PAYLOAD_TOO_LARGE)
    });
    match refused {
        Some(status) => {
            tell_refusal(service, status, Some((&head.method, &head.uri)), client);
            let response = end(refusal(status), answering, |()| None);
            Either::Left(future::ready(Ok(response)))
        }
        None => {
            let response = service.call(Request::from_parts(head, body), client);
            Either::Right(response.map(|response| Ok(end(response, answering, Some))))
        }
    }
}

/// The end of an exchange: what remains is to write this.
fn end<T, B>(
    mut response: Response<T>,
    answering: Answering,
    body: impl FnOnce(T) -> Option<B>,
) -> Response<ResponseBody<B>> {
    if answering.is_last() {
        let headers = response.headers_mut();
        headers.entry(CONNECTION).or_insert(CLOSE);
    }
    response.map(|inner| ResponseBody::new(body(inner), answering))
}

/// A bare answer, after which the connection closes: what follows it can't be trusted.
fn refusal(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, CLOSE);
    response
}
