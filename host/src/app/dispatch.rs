//! One request from route to response. The only place where a guest's answer, or the lack of one, becomes HTTP. Runs
//! no guest itself, and needs none for what the host can answer.

mod compress;
pub mod connection;
pub mod dev;
mod etag;
mod length;
mod page;
mod protection;
mod redirect;
mod reply;
mod response;
mod route;
mod security;
mod socket;
mod static_files;
mod streamed;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::header::Entry;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use crate::app::generation::{Component, Generation, Site, State};
use crate::base::access::{self, Details, Summary};
use crate::base::backlog::{FREE, Held};
use crate::base::body::{BodyError, Gunzip, RequestBody, Source};
use crate::base::client::{Client, Protocol};
use crate::base::request_id;
use crate::guest::invoke::invoke;
use crate::guest::resources::{Answer, App, Exchange, ShownId, Stage, Visitor};

use compress::Coding;
use protection::{Token, Why};
use response::{blame_want_of_room, is_bodiless, respond_to};
use route::{Routed, Visit, route};
use socket::Handshake;

pub use reply::Reply;

/// Says to a handler which beginning of the path it does not see, by the name that many proxies and frameworks use.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

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
    let finish = Finish::of(&generation, &head, client.protocol);
    generation.app.meters.requests.count();
    let declared = body.size_hint().lower();
    match route(&generation, &head, declared) {
        Routed::Answered(route, response) => {
            tell(&generation.app, route, &head, client, &response, began);
            Either::Left(Either::Left(finish.whole(response)))
        }
        // In a box, as it is rare.
        Routed::Opening(route, opening) => {
            let app = generation.app.clone();
            Either::Left(Either::Right(Box::pin(async move {
                let mut response = opening.answer(&head).await;
                tell(&app, route, &head, client, &response, began);
                finish.done_to(&mut response).await;
                response
            })))
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
            if let Some(prefix) = &visit.target.strip_prefix
                && let Ok(prefix) = HeaderValue::from_str(prefix)
            {
                head.headers.insert(FORWARDED_PREFIX, prefix);
            }
            let begun = visit.begin(head, body, client, began);
            Either::Right(begun.answer(finish))
        }
    }
}

/// Reports an answer of the host to the access log and the metrics.
fn tell(
    app: &App,
    route: Option<usize>,
    head: &Parts,
    client: Client,
    response: &Response<Reply>,
    began: Instant,
) {
    let status = response.status();
    let meter = app.meters.of(route);
    meter.answered(status.as_u16(), began.elapsed());
    let summary = Summary {
        asked: Some((&head.method, &head.uri)),
        client,
    };
    if let Some(Why(why)) = response.extensions().get() {
        tracing::warn!(target: "general", "{} {summary}: {why}", status.as_u16());
    }
    log_access(&summary, status, began, || Details {
        request_id: request_id::of(&head.headers, client.is_proxied),
        generation: Some(app.generation),
        handler: None,
    });
}

/// The last step for every response. It depends on the request, and not on what answered it.
#[derive(Clone, Copy)]
struct Finish {
    is_head: bool,
    /// Where responses are compressed: the coding that the client prefers, if it takes any.
    coding: Option<Option<Coding>>,
    /// Where responses say how browsers should protect them.
    security: Option<Protocol>,
}

impl Finish {
    fn of(generation: &Generation, head: &Parts, protocol: Protocol) -> Self {
        let settings = &generation.config.settings;
        let compresses = settings.compress_response;
        Self {
            is_head: head.method == Method::HEAD,
            coding: compresses.then(|| Coding::preferred(&head.headers)),
            security: settings.protection.security_headers.then_some(protocol),
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
        if let Some(protocol) = self.security {
            security::add(response.headers_mut(), protocol);
        }
        if let Some(coding) = self.coding {
            // In a box: the future of every request is as large as its largest wait.
            Box::pin(compress::compress(response, coding)).await;
        }
        let length = response.body().own_length();
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

impl Visit {
    fn begin(
        self,
        head: Parts,
        body: Option<RequestBody>,
        client: Client,
        began: Instant,
    ) -> InFlight {
        let socket = self.handshake.as_ref();
        let visitor = socket.map(|handshake| Visitor::new(handshake.handle.socket().clone()));
        let exchange = Exchange::new(
            head,
            client,
            began.into_std(),
            body,
            self.target,
            Arc::new(self.arguments.into()),
            self.stage,
            visitor,
            self.app,
            self.component.settings.cancel_on_close,
        );
        InFlight {
            route: self.route,
            answered: false,
            component: self.component,
            exchange,
            handshake: self.handshake,
            began,
            token: self.token,
            deadline: self.deadline,
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
    handshake: Option<Box<Handshake>>,
    began: Instant,
    token: Token,
    deadline: Option<Duration>,
    debug: bool,
}

impl InFlight {
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn has its arguments in it twice"
    )]
    fn answer(mut self, finish: Finish) -> impl Future<Output = Response<Reply>> + Send {
        async move {
            // Its socket is closed where this is dropped.
            let mut handshake = self.handshake.take();
            let begun = &mut self;
            let exchange = &begun.exchange;
            let refused = match begun.token {
                Token::Settled => None,
                // In a box: few requests have a form.
                Token::InForm => Box::pin(protection::check_form(exchange, begun.debug))
                    .await
                    .err(),
            };
            let mut response = match (refused, &begun.component.state) {
                (Some(refused), _) => {
                    exchange.abandon_body();
                    refused
                }
                (None, State::Serving { pool, .. }) => {
                    let deadline = begun.deadline.map(|deadline| begun.began + deadline);
                    let (answer, sent) = invoke(pool, exchange, deadline).await;
                    if !matches!(answer, Answer::Begun(_)) {
                        // So that the connection knows how much of the body is left, before the head is sent.
                        exchange.abandon_body();
                    }
                    let mut response = begun.respond(answer, &mut handshake);
                    response.body_mut().tells(sent);
                    response
                }
                (None, State::Failed(_)) => page::error(StatusCode::SERVICE_UNAVAILABLE),
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
    fn respond(&self, answer: Answer, handshake: &mut Option<Box<Handshake>>) -> Response<Reply> {
        let answer = match (answer, handshake.take()) {
            (Answer::Accepted(accepted), Some(handshake)) => {
                let switched =
                    socket::switch(&self.exchange, *accepted, *handshake, &self.component);
                return switched.unwrap_or_else(|problem| {
                    let request_id = tracing::field::display(ShownId(&self.exchange));
                    let summary = self.exchange.summary();
                    tracing::error!(target: "app", request_id, "{summary}: {problem}");
                    page::error(StatusCode::INTERNAL_SERVER_ERROR)
                });
            }
            (answer, _) => answer,
        };
        let exchange = &self.exchange;
        let mut response = respond_to(exchange, answer, self.debug, self.deadline, &self.component);
        if exchange.lacked_room() {
            blame_want_of_room(&mut response);
        }
        let class = &exchange.target.class;
        // A handler without methods means 405 by not finishing in `prepare`.
        let is_without =
            class.methods.is_empty() && response.status() == StatusCode::METHOD_NOT_ALLOWED;
        let is_refused = match &exchange.stage {
            Stage::ErrorPage(failure) => failure.status == StatusCode::METHOD_NOT_ALLOWED.as_u16(),
            Stage::Whole | Stage::Resume | Stage::Connection(_) => false,
        };
        if is_without || is_refused {
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

fn log_access(
    request: &Summary<'_>,
    status: StatusCode,
    began: Instant,
    details: impl Fn() -> Details,
) {
    access::log(request, status.as_u16(), &|| began.elapsed(), details);
}
