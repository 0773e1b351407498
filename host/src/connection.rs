//! One socket: hyper reads requests from it, the service answers them, the clocks beneath hyper
//! end it. It never accepts and never routes.

mod activity;
mod body;
mod refuse;
mod timed;
mod watchdog;

use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tracing::{debug, warn};

use self::activity::{Activity, Phase};
pub use self::body::RequestBody;
use self::body::ResponseBody;
pub use self::refuse::refuse;
pub use self::timed::Socket;
use self::timed::TimedIo;
use self::watchdog::Watchdog;
use crate::config::Limits;
use crate::listener::Peer;
use crate::timer::with_timer;

/// How long a client that was hung up on is heard out.
const LINGER: Duration = Duration::from_secs(2);

/// How long a client that has just connected may take to ask when its connection is to stop, of
/// which it knows nothing yet.
const FRESH: Duration = Duration::from_secs(1);

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What a connection buffers in either direction before it waits, if heads need no more.
const BUFFER: usize = 65_536;

/// Answers requests.
///
/// The future is dropped when its client is gone, which shows as soon as the client has hung up,
/// even by halves, and all that it sent before is taken. So a body of more than one read that
/// nobody reads, and a pipelined request, hide it.
pub trait Service: Clone + Send + Sync + 'static {
    /// The body of its responses.
    type Body: Body<Data: Buf + Send, Error: Into<Box<dyn Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers one request.
    fn call(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl<F, R, B> Service for F
where
    F: Fn(Request<RequestBody>, Peer) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<B>> + Send,
    B: Body<Data: Buf + Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Body = B;

    fn call(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<B>> + Send {
        self(request, peer)
    }
}

/// Serves the requests of one connection, one after the other, until it ends.
///
/// When `stop` is ready, the request in flight is the last one. An idle connection ends at once,
/// unless its client has only just come: then it may ask once.
pub async fn serve_connection<I, S>(
    io: I,
    peer: Peer,
    limits: &Limits,
    service: &S,
    stop: impl Future<Output = ()>,
) where
    I: Socket,
    S: Service,
{
    let activity = Arc::new(Activity::default());
    let io = TimedIo::new(io, activity.clone(), limits.max_header_size);
    let answer = service_fn(|request| answer(request, peer, limits, service, &activity));
    let mut http = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(limits.max_header_size)
        .max_buf_size(limits.max_header_size.max(BUFFER))
        .serve_connection(TokioIo::new(io), answer);
    let mut stop = pin!(stop);
    let mut stopping = false;
    let mut last = false;
    let mut watchdog = Watchdog::new(activity.phase());

    let end = with_timer(poll_fn(|cx| {
        loop {
            if !stopping && stop.as_mut().poll(cx).is_ready() {
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
            log_refusal(status, "- -", peer);
        }
        debug!(target: "general", ?peer, ?end, "connection cut off");
    }
    if http.into_parts().io.into_inner().refuse_line().await {
        log_refusal(StatusCode::URI_TOO_LONG, "- -", peer);
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

/// The line of the access log for what no service has answered: `asked` is method and target, as far as they are
/// known.
fn log_refusal(status: StatusCode, asked: impl Display, peer: Peer) {
    warn!(target: "access", "{} {asked} ({peer}) 0.00ms", status.as_u16());
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

fn answer<S: Service>(
    request: Request<Incoming>,
    peer: Peer,
    limits: &Limits,
    service: &S,
    activity: &Arc<Activity>,
) -> impl Future<Output = Result<Response<ResponseBody<S::Body>>, Infallible>> {
    let declared = request.body().size_hint();
    let exchange = activity.begin(declared.exact());
    let (head, incoming) = request.into_parts();
    let body = RequestBody::new(incoming, limits, &exchange);
    let refused = refuse(&head).or_else(|| {
        (declared.lower() > limits.max_body_size).then_some(StatusCode::PAYLOAD_TOO_LARGE)
    });
    let response = match refused {
        Some(status) => {
            log_refusal(status, format_args!("{} {}", head.method, head.uri), peer);
            Err(status)
        }
        None => Ok(service.call(Request::from_parts(head, body), peer)),
    };
    let activity = activity.clone();
    async move {
        let mut response = match response {
            Ok(response) => response.await.map(Some),
            Err(status) => refusal(status),
        };
        if activity.is_stopping() {
            let headers = response.headers_mut();
            headers.entry(CONNECTION).or_insert(CLOSE);
        }
        Ok(response.map(|body| ResponseBody::new(body, exchange)))
    }
}

/// A bare answer, after which the connection closes: what follows it can't be trusted.
fn refusal<B>(status: StatusCode) -> Response<Option<B>> {
    let mut response = Response::new(None);
    *response.status_mut() = status;
    response.headers_mut().insert(CONNECTION, CLOSE);
    response
}
