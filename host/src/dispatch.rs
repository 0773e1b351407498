//! One request from route to response. The only place where an answer of a guest, or the want of one, becomes
//! HTTP. Runs no guest itself, and wakes none for what the host can answer.

mod compress;
pub mod dev;
mod etag;
mod page;
mod redirect;
mod reply;

use std::sync::Arc;

use bytes::Bytes;
use http::header::Entry;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use tokio::time::Instant;

use crate::access::{self, Details, Summary};
use crate::bindings::{self, Failure, FailureCause, Functions};
use crate::body::{BodyError, Gunzip, RequestBody};
use crate::client::Client;
use crate::engine::METHODS;
use crate::generation::{Component, Generation, Lead, Site, State};
use crate::invoke::invoke;
use crate::request_id;
use crate::resources::{Answer, App, Exchange, ShownId, Stage, Target, host};
use crate::router::{self, Found};

use compress::Coding;

pub use reply::Reply;

/// Answers one request with what the site is at this moment.
///
/// What can be done at once is done before the future is made: it is moved about, and should be small.
pub fn dispatch<B>(
    site: &Site,
    request: Request<B>,
    client: Client,
) -> impl Future<Output = Response<Reply>> + Send + use<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    let began = Instant::now();
    let (mut head, body) = request.into_parts();
    let generation = site.current();
    let server = &generation.config.server;
    let client = match server.xheaders {
        true => client.behind(&server.trusted_downstream, &head.headers),
        false => client,
    };
    let is_head = head.method == Method::HEAD;
    let compresses = generation.config.settings.compress_response;
    let coding = compresses.then(|| Coding::preferred(&head.headers));
    let meters = &generation.app.meters;
    meters.requests.count();
    let begun = match route(&generation, &head) {
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
            Err(response)
        }
        Routed::Handler(visit) => {
            let max_size = visit.max_body_size;
            let is_gzipped = server.decompress_request && is_gzipped(&mut head.headers);
            let body = if body.is_end_stream() {
                None
            } else if is_gzipped {
                Some(RequestBody::new(Gunzip::new(body, max_size), max_size))
            } else {
                Some(RequestBody::new(body, max_size))
            };
            Ok(visit.begin(head, body, client, began))
        }
    };
    async move {
        let response = match begun {
            Ok(begun) => begun.answer().await,
            Err(response) => response,
        };
        let mut response = match coding {
            // In a box: the future of every request is as large as its largest wait.
            Some(coding) => Box::pin(compress::compress(response, coding)).await,
            None => response,
        };
        if is_head && response.body().is_end_stream() && !is_bodiless(response.status()) {
            // hyper leaves it open.
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        response
    }
}

/// Whether a body is to be decompressed. The header is put away, as Tornado does it, so that nobody does it again.
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

/// What routing alone can say.
enum Routed {
    /// By the host, for this route.
    Answered(Option<usize>, Response<Reply>),
    Handler(Visit),
}

/// A request that a guest is to see, and all that it takes along of its generation.
struct Visit {
    route: Option<usize>,
    component: Arc<Component>,
    target: Target,
    arguments: router::Arguments,
    app: Arc<App>,
    stage: Stage,
    max_body_size: u64,
    debug: bool,
}

fn route(generation: &Generation, head: &Parts) -> Routed {
    let host = router::host_name(host(head));
    let is_proxied = || head.headers.contains_key("x-real-ip");
    let (index, lead, arguments) = match generation.find(host, head.uri.path(), is_proxied) {
        Found::Route(route, arguments) => (
            Some(route.target),
            &generation.leads[route.target],
            arguments,
        ),
        Found::NotUtf8(route) => {
            return Routed::Answered(Some(route.target), page::error(StatusCode::BAD_REQUEST));
        }
        Found::Nothing => match &generation.default {
            Some(lead) => (None, lead, router::Arguments::default()),
            None => return Routed::Answered(None, page::error(StatusCode::NOT_FOUND)),
        },
    };
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
    let stage = if implements(target.functions, &head.method) {
        Stage::Whole
    } else if target.functions.contains(Functions::WRITE_ERROR) {
        Stage::ErrorPage(Failure {
            status: StatusCode::METHOD_NOT_ALLOWED.as_u16(),
            reason: None,
            message: None,
            cause: FailureCause::Host,
        })
    } else {
        let mut response = page::error(StatusCode::METHOD_NOT_ALLOWED);
        response
            .headers_mut()
            .insert(header::ALLOW, allow(target.functions));
        return Routed::Answered(index, response);
    };
    Routed::Handler(Visit {
        route: index,
        component: component.clone(),
        target: target.clone(),
        arguments,
        app: generation.app.clone(),
        stage,
        max_body_size: generation.config.server.max_body_size,
        debug: generation.config.settings.debug,
    })
}

impl Visit {
    fn begin(
        self,
        head: Parts,
        body: Option<RequestBody>,
        client: Client,
        began: Instant,
    ) -> Begun {
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
        Begun {
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
struct Begun {
    route: Option<usize>,
    answered: bool,
    component: Arc<Component>,
    exchange: Arc<Exchange>,
    began: Instant,
    debug: bool,
}

impl Begun {
    async fn answer(mut self) -> Response<Reply> {
        let exchange = &self.exchange;
        let response = match &self.component.state {
            State::Serving { pool, .. } => {
                let deadline = self.component.settings.deadline;
                let deadline = deadline.map(|deadline| self.began + deadline);
                let (answer, sent) = invoke(pool, exchange, deadline).await;
                let mut response = respond(exchange, answer, self.debug);
                response.body_mut().tells(sent);
                response
            }
            State::Failed(_) => page::error(StatusCode::SERVICE_UNAVAILABLE),
        };
        let handler = exchange.target.handler;
        log_access(&exchange.summary(), response.status(), self.began, || {
            Details {
                request_id: exchange.id().to_owned(),
                generation: Some(exchange.app.generation),
                handler: Some(self.component.handler_name(handler)),
            }
        });
        let meter = exchange.app.meters.of(self.route);
        meter.answered(response.status().as_u16(), self.began.elapsed());
        self.answered = true;
        response
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.answered {
            self.exchange.app.meters.of(self.route).abandoned();
        }
    }
}

/// What the client gets for what became of its request: the table of the contract, section 5.
fn respond(exchange: &Exchange, answer: Answer, debug: bool) -> Response<Reply> {
    let mut response = respond_to(exchange, answer, debug);
    if matches!(exchange.stage, Stage::ErrorPage(_)) {
        let allow = || allow(exchange.target.functions);
        let headers = response.headers_mut();
        headers.entry(header::ALLOW).or_insert_with(allow);
    }
    response
}

fn respond_to(exchange: &Exchange, answer: Answer, debug: bool) -> Response<Reply> {
    match answer {
        Answer::Response(response) => match guest_response(response) {
            Ok(mut response) => {
                etag::settle(&exchange.head, &mut response);
                response
            }
            Err(problem) => {
                let request_id = tracing::field::display(ShownId(exchange));
                tracing::error!(target: "app", request_id, "{}: {problem}", exchange.summary());
                page::error(StatusCode::INTERNAL_SERVER_ERROR)
            }
        },
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
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
            response
        }
        Answer::Late => page::error(StatusCode::GATEWAY_TIMEOUT),
    }
}

/// How many headers a handler may set.
const MAX_HEADERS: usize = 1_000;

/// A guest's own response, if it may go out. Else what is wrong with it, for its author.
fn guest_response(guest: bindings::Response) -> Result<Response<Reply>, String> {
    let status = match StatusCode::from_u16(guest.status) {
        Ok(status) if (200..600).contains(&guest.status) => status,
        _ => {
            return Err(format!(
                "the handler set the status {}, which is none",
                guest.status
            ));
        }
    };
    let body = if is_bodiless(status) {
        Bytes::new()
    } else {
        guest.body.into()
    };
    let mut response = Response::new(Reply::new(body));
    *response.status_mut() = status;
    if let Some(reason) = guest.reason {
        let phrase = page::phrase(&reason)
            .ok_or_else(|| format!("the handler set the reason {reason:?}, which can't be sent"))?;
        response.extensions_mut().insert(phrase);
    }
    page::name_status(&mut response);
    if guest.headers.len() > MAX_HEADERS {
        return Err(format!("the handler set more than {MAX_HEADERS} headers"));
    }
    let headers = response.headers_mut();
    headers.reserve(guest.headers.len() + 2);
    for (name, value) in guest.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let name = parsed.map_err(|_| format!("the handler set a header named {name:?}"))?;
        // A tab is allowed there (RFC 9110, section 5.5), and nobody means it.
        let parsed = HeaderValue::from_maybe_shared(Bytes::from(value)).ok();
        let value = parsed
            .filter(|value| !value.as_bytes().contains(&b'\t'))
            .ok_or_else(|| format!("the handler set a value for `{name}` that can't be sent"))?;
        if !is_framing(&name) {
            headers.append(name, value);
        }
    }
    page::sign(headers);
    Ok(response)
}

fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Headers that belong to the connection, not to the handler (RFC 9110, section 7.6.1).
fn is_framing(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION | header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::UPGRADE
    ) || name == "keep-alive"
}

fn arguments(arguments: router::Arguments) -> bindings::Arguments {
    match arguments {
        // A list costs a call into the guest, for its memory, even where it is empty.
        router::Arguments::Positional(values) if values.is_empty() => bindings::Arguments::None,
        router::Arguments::Positional(values) => bindings::Arguments::Positional(values),
        router::Arguments::Named(values) => bindings::Arguments::Named(values),
    }
}

fn implements(functions: Functions, method: &Method) -> bool {
    METHODS
        .iter()
        .any(|(known, _, function)| known == method && functions.contains(*function))
}

fn allow(functions: Functions) -> HeaderValue {
    let implemented = METHODS
        .iter()
        .filter(|(.., function)| functions.contains(*function));
    let methods: Vec<&str> = implemented.map(|(method, ..)| method.as_str()).collect();
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

fn log_access(
    request: &Summary<'_>,
    status: StatusCode,
    began: Instant,
    details: impl Fn() -> Details,
) {
    access::log(request, status.as_u16(), Some(&|| began.elapsed()), details);
}
