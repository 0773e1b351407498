//! One request from route to response. The only place where a guest's answer, or the lack of one, becomes HTTP. Runs
//! no guest itself, and needs none for what the host can answer.

mod compress;
pub mod dev;
mod etag;
mod length;
mod page;
mod redirect;
mod reply;
mod streamed;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::header::Entry;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use crate::app::generation::{Component, Generation, Lead, Site, State};
use crate::base::access::{self, Details, Summary};
use crate::base::body::{BodyError, BodyLimits, Gunzip, RequestBody, Source};
use crate::base::client::Client;
use crate::base::request_id;
use crate::base::router::{self, Found};
use crate::base::unsent::{FREE, Held};
use crate::config;
use crate::guest::bindings::{self, Failure, FailureCause};
use crate::guest::invoke::invoke;
use crate::guest::resources::{self, Answer, App, Exchange, Head, ShownId, Stage, Target, host};

use compress::Coding;
use streamed::Streamed;

pub use reply::Reply;

/// `Retry-After`: when a client that found no room may try again.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// Answers one request with what the site is at this moment.
///
/// Everything that needs no wait is done before the future is made, because the future is moved and should be small.
pub fn dispatch<B>(
    site: &Site,
    request: Request<B>,
    client: Client,
) -> impl Future<Output = Response<Reply>> + Send + use<B>
where
    B: Source + 'static,
{
    let began = Instant::now();
    let (mut head, body) = request.into_parts();
    let generation = site.current();
    let server = &generation.config.server;
    let client = match server.xheaders {
        true => client.behind(&server.trusted_downstream, &head.headers),
        false => client,
    };
    let finish = Finish::of(&generation, &head);
    let meters = &generation.app.meters;
    meters.requests.count();
    let declared = body.size_hint().lower();
    match route(&generation, &head, declared) {
        Routed::Answered(route, response) => {
            meters
                .of(route)
                .answered(response.status().as_u16(), began.elapsed());
            let summary = Summary {
                asked: Some((&head.method, &head.uri)),
                client,
            };
            log_access(&summary, response.status(), began, || Details {
                request_id: request_id::of(&head.headers, client.is_proxied),
                generation: Some(generation.number),
                handler: None,
            });
            Either::Left(finish.whole(response))
        }
        Routed::Handler(visit) => {
            let limits = visit.body_limits;
            let is_gzipped = server.decompress_request && is_gzipped(&mut head.headers);
            let body = if body.is_end_stream() {
                None
            } else if is_gzipped {
                let body = Gunzip::new(body, limits.max_size);
                Some(RequestBody::new(body, limits))
            } else {
                Some(RequestBody::new(body, limits))
            };
            let begun = visit.begin(head, body, client, began);
            Either::Right(begun.answer(finish))
        }
    }
}

/// The last step for every response. It depends on the request, and not on what answered it.
#[derive(Clone, Copy)]
struct Finish {
    is_head: bool,
    /// Where responses are compressed: the coding that the client prefers, if it takes any.
    coding: Option<Option<Coding>>,
}

impl Finish {
    fn of(generation: &Generation, head: &Parts) -> Self {
        let compresses = generation.config.settings.compress_response;
        Self {
            is_head: head.method == Method::HEAD,
            coding: compresses.then(|| Coding::preferred(&head.headers)),
        }
    }

    /// Applies the step to a response.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn has its arguments in it twice"
    )]
    fn whole(self, mut response: Response<Reply>) -> impl Future<Output = Response<Reply>> {
        async move {
            self.done_to(&mut response).await;
            response
        }
    }

    async fn done_to(self, response: &mut Response<Reply>) {
        if let Some(coding) = self.coding {
            // In a box: the future of every request is as large as its largest wait.
            Box::pin(compress::compress(response, coding)).await;
        }
        let length = response.body().bytes().map_or(0, Bytes::len) as u64;
        if length > FREE {
            response.extensions_mut().insert(Held(length));
        }
        let is_empty = response.body().bytes().is_some_and(Bytes::is_empty);
        if self.is_head && is_empty && !is_bodiless(response.status()) {
            // hyper leaves the connection open.
            let headers = response.headers_mut();
            let length = headers.entry(header::CONTENT_LENGTH);
            length.or_insert(HeaderValue::from_static("0"));
        }
    }
}

/// Whether a body must be decompressed. Removes the header, as Tornado does, so that it is not done twice.
fn is_gzipped(headers: &mut HeaderMap) -> bool {
    const CONSUMED: HeaderName = HeaderName::from_static("x-consumed-content-encoding");
    match headers.entry(header::CONTENT_ENCODING) {
        Entry::Occupied(coding) if coding.get().as_bytes().eq_ignore_ascii_case(b"gzip") => {
            let coding = coding.remove();
            headers.insert(CONSUMED, coding);
            true
        }
        _ => false,
    }
}

/// The result of routing.
enum Routed {
    /// The host answers, for this route.
    Answered(Option<usize>, Response<Reply>),
    Handler(Visit),
}

/// A request for a guest, with all that it needs of its generation.
struct Visit {
    route: Option<usize>,
    component: Arc<Component>,
    target: Arc<Target>,
    arguments: router::Arguments,
    app: Arc<App>,
    stage: Stage,
    body_limits: BodyLimits,
    debug: bool,
}

/// `declared`: the length of the body at least.
fn route(generation: &Generation, head: &Parts, declared: u64) -> Routed {
    if head.method == Method::OPTIONS && head.uri.path() == "*" {
        return Routed::Answered(None, server_options());
    }
    let host = router::host_name(host(head));
    let is_proxied = || head.headers.contains_key("x-real-ip");
    match generation.find(host, head.uri.path(), is_proxied) {
        Found::Route(route, arguments) => {
            let index = Some(route.target);
            let lead = &generation.leads[route.target];
            follow(generation, head, declared, index, lead, arguments)
        }
        Found::NotUtf8(route) => {
            Routed::Answered(Some(route.target), page::error(StatusCode::BAD_REQUEST))
        }
        Found::Nothing => match &generation.default {
            Some(lead) => {
                let arguments = router::Arguments::default();
                follow(generation, head, declared, None, lead, arguments)
            }
            None => Routed::Answered(None, page::error(StatusCode::NOT_FOUND)),
        },
    }
}

/// Where a route leads. It is a function of its own: LLVM takes 1,000 instructions to move arguments bit by bit, where
/// those that were found and those by default meet in one variable.
fn follow(
    generation: &Generation,
    head: &Parts,
    declared: u64,
    index: Option<usize>,
    lead: &Lead,
    arguments: router::Arguments,
) -> Routed {
    let (component, target) = match lead {
        Lead::Handler {
            component, target, ..
        } => (component, target),
        Lead::Failed { .. } => {
            return Routed::Answered(index, page::error(StatusCode::SERVICE_UNAVAILABLE));
        }
        Lead::Redirect { url, permanent } => {
            return Routed::Answered(index, redirect::answer(head, url, *permanent, &arguments));
        }
        Lead::Error { status_code } => {
            let status = StatusCode::from_u16(*status_code);
            let status = status.unwrap_or(StatusCode::NOT_FOUND);
            return Routed::Answered(index, page::error(status));
        }
    };
    let stage = if target.class.takes(&head.method) {
        Stage::Whole
    } else if target.class.hooks.write_error {
        Stage::ErrorPage(Box::new(Failure {
            status: StatusCode::METHOD_NOT_ALLOWED.as_u16(),
            reason: None,
            message: None,
            cause: FailureCause::Host,
        }))
    } else {
        let mut response = page::error(StatusCode::METHOD_NOT_ALLOWED);
        response
            .headers_mut()
            .insert(header::ALLOW, target.class.allow());
        return Routed::Answered(index, response);
    };
    let body_limits = body_limits(&generation.config.server, &component.settings);
    if declared > body_limits.max_size {
        return Routed::Answered(index, page::error(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Routed::Handler(Visit {
        route: index,
        component: component.clone(),
        target: target.clone(),
        arguments,
        app: generation.app.clone(),
        stage,
        body_limits,
        debug: generation.config.settings.debug,
    })
}

/// The limits for a body of a request to this component: its own table comes first, then the server's.
fn body_limits(server: &config::Server, handler: &config::Component) -> BodyLimits {
    BodyLimits {
        max_size: handler.max_body_size.unwrap_or(server.max_body_size),
        timeout: handler.body_timeout.unwrap_or(server.body_timeout),
    }
}

impl Visit {
    fn begin(
        self,
        head: Parts,
        body: Option<RequestBody>,
        client: Client,
        began: Instant,
    ) -> InFlight {
        let exchange = Exchange::new(
            head,
            client,
            began.into_std(),
            body,
            self.target,
            Arc::new(arguments(self.arguments)),
            self.stage,
            self.app,
            self.component.settings.cancel_on_close,
        );
        InFlight {
            route: self.route,
            answered: false,
            component: self.component,
            exchange,
            began,
            debug: self.debug,
        }
    }
}

/// A request on its way to a guest.
struct InFlight {
    route: Option<usize>,
    answered: bool,
    component: Arc<Component>,
    exchange: Arc<Exchange>,
    began: Instant,
    debug: bool,
}

impl InFlight {
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn has its arguments in it twice"
    )]
    fn answer(mut self, finish: Finish) -> impl Future<Output = Response<Reply>> + Send {
        async move {
            let begun = &mut self;
            let exchange = &begun.exchange;
            let mut response = match &begun.component.state {
                State::Serving { pool, .. } => {
                    let deadline = begun.component.settings.deadline;
                    let deadline = deadline.map(|deadline| begun.began + deadline);
                    let (answer, sent) = invoke(pool, exchange, deadline).await;
                    if !matches!(answer, Answer::Begun(_)) {
                        // So that the connection knows how much of the body is left, before the head is sent.
                        exchange.abandon_body();
                    }
                    let mut response = begun.respond(answer);
                    response.body_mut().tells(sent);
                    response
                }
                State::Failed(_) => page::error(StatusCode::SERVICE_UNAVAILABLE),
            };
            if exchange.broke_off() {
                let request_id = tracing::field::display(ShownId(exchange));
                let request = exchange.summary();
                tracing::info!(target: "general", request_id, "{request}: {}", BodyError::Gone);
            } else {
                begun.tell(response.status());
            }
            finish.done_to(&mut response).await;
            response
        }
    }

    /// Reports the answer to the access log and the metrics.
    fn tell(&mut self, status: StatusCode) {
        let exchange = &self.exchange;
        log_access(&exchange.summary(), status, self.began, || Details {
            request_id: exchange.id().to_owned(),
            generation: Some(exchange.app.generation),
            handler: Some(self.component.handler_name(exchange.target.handler)),
        });
        let meter = exchange.app.meters.of(self.route);
        meter.answered(status.as_u16(), self.began.elapsed());
        self.answered = true;
    }

    /// The response for each answer: the table of the contract, section 5.
    fn respond(&self, answer: Answer) -> Response<Reply> {
        let exchange = &self.exchange;
        let mut response = respond_to(exchange, answer, self.debug, &self.component);
        if exchange.lacked_room() {
            blame_want_of_room(&mut response);
        }
        let class = &exchange.target.class;
        // A handler without methods means 405 by not finishing in `prepare`.
        let is_without =
            class.methods.is_empty() && response.status() == StatusCode::METHOD_NOT_ALLOWED;
        if is_without || matches!(exchange.stage, Stage::ErrorPage(_)) {
            let allow = || class.allow();
            let headers = response.headers_mut();
            headers.entry(header::ALLOW).or_insert_with(allow);
        }
        response
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.answered {
            self.exchange.app.meters.of(self.route).abandoned();
        }
    }
}

fn respond_to(
    exchange: &Exchange,
    answer: Answer,
    debug: bool,
    component: &Component,
) -> Response<Reply> {
    match answer {
        Answer::Response(response) => match guest_response(response) {
            Ok((mut response, said)) => {
                if let Err(problem) = length::settle(&exchange.head.method, said, &mut response) {
                    let request_id = tracing::field::display(ShownId(exchange));
                    let handler = component.handler_name(exchange.target.handler);
                    let summary = exchange.summary();
                    tracing::warn!(target: "app", request_id, "{summary}: {handler}: {problem}");
                }
                etag::settle(&exchange.head, &mut response);
                response
            }
            Err(problem) => {
                let request_id = tracing::field::display(ShownId(exchange));
                tracing::error!(target: "app", request_id, "{}: {problem}", exchange.summary());
                page::error(StatusCode::INTERNAL_SERVER_ERROR)
            }
        },
        Answer::Begun(begun) => streamed(*begun, component.settings.deadline),
        Answer::Failed(failure) => match &failure.message {
            Some(message) if debug => page::traceback(page::status_of(&failure), message),
            _ => page::failure(&failure),
        },
        Answer::Trapped(trap) if debug => page::traceback(StatusCode::INTERNAL_SERVER_ERROR, &trap),
        Answer::Trapped(_) => page::error(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Overran | Answer::Lost => page::error(StatusCode::SERVICE_UNAVAILABLE),
        Answer::Unavailable(reason) => {
            let request_id = tracing::field::display(ShownId(exchange));
            tracing::error!(target: "app", request_id, "{}: {reason}", exchange.summary());
            page::error(StatusCode::SERVICE_UNAVAILABLE)
        }
        Answer::Busy => {
            let mut response = page::error(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(header::RETRY_AFTER, SOON);
            response
        }
        Answer::Late => page::error(StatusCode::GATEWAY_TIMEOUT),
        // The client may still read.
        Answer::Gone => page::error(StatusCode::BAD_REQUEST),
    }
}

/// A body that was late because there was no room is not the client's fault. The client may try again.
fn blame_want_of_room(response: &mut Response<Reply>) {
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        *response = page::error(StatusCode::SERVICE_UNAVAILABLE);
    }
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.entry(header::RETRY_AFTER).or_insert(SOON);
    }
}

/// The length that a guest set for its body.
type Said = Result<Option<u64>, String>;

/// A guest's own response, if it may be sent, and the length that it set. The error says what is wrong, for its
/// author.
fn guest_response(guest: bindings::Response) -> Result<(Response<Reply>, Said), String> {
    let head = Head::of(guest.status, guest.reason, guest.headers)?;
    let said = head.content_length();
    let response = with_head(head, |status| {
        Reply::new(match is_bodiless(status) {
            true => Bytes::new(),
            false => guest.body.into(),
        })
    });
    Ok((response, said))
}

/// A guest's streamed response. `deadline`: how long its handler may continue when nobody waits for it.
fn streamed(begun: resources::StreamedResponse, deadline: Option<Duration>) -> Response<Reply> {
    let resources::StreamedResponse {
        head,
        length,
        has_body,
        pieces,
    } = begun;
    // The body tells hyper its length.
    let said = length.filter(|_| !has_body);
    let to_come = if has_body { length } else { Some(0) };
    let body = Streamed::new(pieces, to_come, deadline);
    let mut response = with_head(head, |_| Reply::streamed(body));
    if let Some(length) = said.filter(|_| response.status() != StatusCode::NO_CONTENT) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

fn with_head(head: Head, body: impl FnOnce(StatusCode) -> Reply) -> Response<Reply> {
    let status = StatusCode::from_u16(head.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(body(status));
    *response.status_mut() = status;
    *response.headers_mut() = head.headers;
    if let Some(phrase) = head.reason {
        response.extensions_mut().insert(phrase);
    }
    page::name_status(&mut response);
    page::sign(response.headers_mut());
    response
}

fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn arguments(arguments: router::Arguments) -> bindings::Arguments {
    match arguments {
        // A list needs a call into the guest, for its memory, even where the list is empty.
        router::Arguments::Positional(values) if values.is_empty() => bindings::Arguments::None,
        router::Arguments::Positional(values) => bindings::Arguments::Positional(values),
        router::Arguments::Named(values) => bindings::Arguments::Named(values),
    }
}

/// The answer to `OPTIONS *`, which is for the server and not for a route (RFC 9110, section 9.3.7).
fn server_options() -> Response<Reply> {
    let mut response = Response::new(Reply::new(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ALLOW,
        HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"),
    );
    page::sign(headers);
    response
}

fn log_access(
    request: &Summary<'_>,
    status: StatusCode,
    began: Instant,
    details: impl Fn() -> Details,
) {
    access::log(request, status.as_u16(), &|| began.elapsed(), details);
}
