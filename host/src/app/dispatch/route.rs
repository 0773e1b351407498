//! Where a request goes: to the host itself, which answers it, or to a component. Wakes no guest.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::protection::{self, Token};
use super::reply::Reply;
use super::socket::{self, Handshake};
use super::static_files::{self, Looked, Opening};
use super::{page, redirect};
use crate::app::generation::{Component, Generation, Lead};
use crate::base::body::BodyLimits;
use crate::base::router::{self, Found};
use crate::config;
use crate::guest::bindings::{Failure, FailureCause};
use crate::guest::resources::{App, Stage, Target, host};

/// The result of routing.
pub(super) enum Routed {
    /// The host answers, for this route.
    Answered(Option<usize>, Response<Reply>),
    /// It answers once it has opened a file.
    Opening(Option<usize>, Box<Opening>),
    Handler(Visit),
}

/// A request for a guest, with all that it needs of its generation.
pub(super) struct Visit {
    pub(super) route: Option<usize>,
    pub(super) component: Arc<Component>,
    pub(super) target: Arc<Target>,
    pub(super) arguments: router::Arguments,
    pub(super) app: Arc<App>,
    pub(super) stage: Stage,
    /// In a box, as it is rare.
    pub(super) handshake: Option<Box<Handshake>>,
    pub(super) body_limits: BodyLimits,
    /// Where its token is.
    pub(super) token: Token,
    pub(super) deadline: Option<Duration>,
    pub(super) debug: bool,
}

/// `declared`: the length of the body at least.
pub(super) fn route(generation: &Generation, head: &Parts, declared: u64) -> Routed {
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
    let (component, target, limits) = match lead {
        Lead::Handler {
            component,
            target,
            limits,
            ..
        } => (component, target, limits),
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
        Lead::Static {
            tree,
            default_filename,
        } => {
            let default_filename = default_filename.as_deref();
            return match static_files::look(head, tree, default_filename, &arguments) {
                Looked::Answered(response) => Routed::Answered(index, response),
                Looked::ToBeOpened(opening) => Routed::Opening(index, opening),
            };
        }
    };
    let handshake = match socket::is_meant(&target.class, head) {
        true => match socket::begin(generation, component, target, head) {
            Ok(handshake) => Some(Box::new(handshake)),
            Err(response) => return Routed::Answered(index, response),
        },
        false => None,
    };
    let stage = if handshake.is_some() || target.class.takes(&head.method) {
        Stage::Whole
    } else if target.class.hooks.write_error {
        error_page(StatusCode::METHOD_NOT_ALLOWED)
    } else {
        let mut response = page::error(StatusCode::METHOD_NOT_ALLOWED);
        response
            .headers_mut()
            .insert(header::ALLOW, target.class.allow());
        return Routed::Answered(index, response);
    };
    let debug = generation.config.settings.debug;
    let token = match stage {
        Stage::Whole => match protection::check(&generation.app, head, target, declared, debug) {
            Ok(token) => token,
            Err(response) => return Routed::Answered(index, response),
        },
        _ => Token::Settled,
    };
    let body_limits = body_limits(&generation.config.server, &component.settings, limits);
    let stage = match stage {
        Stage::Whole if declared > body_limits.max_size => {
            if !target.class.hooks.write_error {
                return Routed::Answered(index, page::error(StatusCode::PAYLOAD_TOO_LARGE));
            }
            error_page(StatusCode::PAYLOAD_TOO_LARGE)
        }
        stage => stage,
    };
    Routed::Handler(Visit {
        route: index,
        component: component.clone(),
        target: target.clone(),
        arguments,
        app: generation.app.clone(),
        stage,
        handshake,
        body_limits,
        token,
        deadline: limits.deadline.unwrap_or(component.settings.deadline),
        debug,
    })
}

/// The handler makes the page for what the host refuses.
fn error_page(status: StatusCode) -> Stage {
    Stage::ErrorPage(Box::new(Failure {
        status: status.as_u16(),
        reason: None,
        message: None,
        cause: FailureCause::Host,
    }))
}

/// The limits for a body of a request: those of its route come first, then its component's, then the server's.
fn body_limits(
    server: &config::Server,
    component: &config::Component,
    route: &config::RouteLimits,
) -> BodyLimits {
    let max_size = route.max_body_size.or(component.max_body_size);
    let timeout = route.body_timeout.or(component.body_timeout);
    BodyLimits {
        max_size: max_size.unwrap_or(server.max_body_size),
        timeout: timeout.unwrap_or(server.body_timeout),
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
