//! The answers of the admin listener: whether the host is ready, and what serves. Changes nothing.

mod metrics;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::app::generation::{Component, Generation, Site, State, Swap};
use crate::base::client::{Client, RemoteIp};
use crate::base::error::cut;
use crate::base::origin_check::{Foreign, check_host, check_origin};
use crate::config::Isolation;
use crate::guest::instances::PoolStats;

/// Answers one request of the admin listener.
pub fn answer<B>(site: &Arc<Site>, request: &Request<B>, client: Client) -> Response<Full<Bytes>> {
    // No browser reaches a unix socket.
    if client.remote_ip != RemoteIp::Unix
        && let Err(foreign) = check(site, request)
    {
        let text = format!(
            "403: Forbidden. {foreign} is not this machine; if it is meant, add it to `admin_hosts` in [server].\n"
        );
        return reply(StatusCode::FORBIDDEN, "text/plain; charset=UTF-8", text);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed\n");
    }
    match request.uri().path() {
        // A listener without a generation that serves exists only under `dev`.
        "/readyz" if site.current().number == 0 => {
            text(StatusCode::SERVICE_UNAVAILABLE, "nothing serves yet\n")
        }
        "/healthz" | "/readyz" => text(StatusCode::OK, "ok\n"),
        "/api/status" => reply(StatusCode::OK, "application/json", status(site).to_string()),
        "/metrics" => match metrics::text(site) {
            Ok(text) => reply(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "500: Internal Server Error\n",
            ),
        },
        _ => text(StatusCode::NOT_FOUND, "404: Not Found\n"),
    }
}

/// Checks that no page of another site asks.
fn check<B>(site: &Site, request: &Request<B>) -> Result<(), Foreign> {
    let current = site.current();
    let known = &current.config.server.admin_hosts;
    let is_known = |name: &str| known.iter().any(|known| known == name);
    let (uri, headers) = (request.uri(), request.headers());
    check_host(uri, headers, is_known)?;
    check_origin(uri, headers, is_known)
}

/// The status, with the fields of the contract, section 7.
fn status(site: &Site) -> Value {
    site.survey(|generation, last_swap, refused, leaving| {
        let mut components: Vec<Value> = generation
            .components
            .values()
            .map(|component| serving(component, refused.get(&component.file)))
            .collect();
        let draining = leaving.iter().filter_map(|leaving| {
            let stats = leaving.stats()?;
            Some(entry(
                &leaving.file,
                &leaving.sha256,
                leaving.generation,
                "draining",
                None,
                leaving.isolation,
                Some(stats),
            ))
        });
        components.extend(draining);
        // A refused file, where no older version serves.
        let new = refused
            .iter()
            .filter(|(file, _)| !generation.components.contains_key(*file));
        components.extend(new.map(|(file, error)| {
            entry(
                file,
                "",
                generation.number,
                "failed",
                Some(error),
                Isolation::Shared,
                None,
            )
        }));
        json!({
            "generation": generation.number,
            "routes": routes(generation),
            "components": components,
            "tcp": tcp(generation),
            "last_swap": last_swap.map(swap),
            "schedules": schedules(site),
        })
    })
}

/// A text that a component may have written.
fn shown(text: &str) -> String {
    /// In characters.
    const MOST: usize = 1000;
    cut(text, MOST)
}

fn schedules(site: &Site) -> Vec<Value> {
    let records = site.schedules().into_iter();
    records
        .map(|record| {
            json!({
                "name": shown(&record.name),
                "component": record.file,
                "function": shown(&record.function),
                "when": record.timing,
                "running": record.is_running,
                "runs": record.runs,
                "failures": record.failures,
                "missed": record.missed,
            })
        })
        .collect()
}

fn routes(generation: &Generation) -> Vec<Value> {
    generation
        .routes()
        .map(|route| {
            let lead = &generation.leads[route.target];
            json!({
                "pattern": shown(route.pattern.text()),
                "host": route.host.as_ref().map(|host| shown(host.text())),
                "name": route.name.as_deref().map(shown),
                "handler": shown(&lead.to_string()),
                "component": lead.component().map(|component| &component.file),
            })
        })
        .collect()
}

fn tcp(generation: &Generation) -> Vec<Value> {
    let streams = generation.streams.iter();
    streams
        .map(|entry| {
            json!({
                "listen": entry.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "handler": shown(&entry.lead.to_string()),
                "component": entry.lead.component().file,
                "tls": entry.tls.is_some(),
            })
        })
        .collect()
}

fn serving(component: &Component, refused: Option<&String>) -> Value {
    let (state, error, stats) = match &component.state {
        State::Serving { pool, .. } => ("serving", refused, Some(pool.core().stats())),
        State::Failed(error) => ("failed", refused.or(Some(error)), None),
    };
    entry(
        &component.file,
        &component.sha256,
        component.generation,
        state,
        error,
        component.settings.isolation,
        stats,
    )
}

fn entry(
    file: &str,
    sha256: &str,
    generation: u64,
    state: &str,
    error: Option<&String>,
    isolation: Isolation,
    stats: Option<PoolStats>,
) -> Value {
    json!({
        "file": file,
        "sha256": sha256,
        "generation": generation,
        "state": state,
        "error": error,
        "isolation": match isolation {
            Isolation::Shared => "shared",
            Isolation::Exclusive => "exclusive",
            Isolation::Fresh => "fresh",
        },
        "instances": stats.map_or(0, |stats| stats.instances),
        "requests": stats.map_or(0, |stats| stats.requests),
        "in_flight": stats.map_or(0, |stats| stats.in_flight),
        "traps": stats.map_or(0, |stats| stats.traps),
        "sockets": stats.map_or(0, |stats| stats.sockets),
        "streams": stats.map_or(0, |stats| stats.streams),
    })
}

fn swap(swap: &Swap) -> Value {
    let ms = swap.took.as_secs_f64() * 1000.0;
    json!({
        "generation": swap.generation,
        "ms": (ms * 10.0).round() / 10.0,
        "ok": swap.error.is_none(),
        "error": swap.error,
    })
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=UTF-8", body.to_owned())
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
