//! The part of `dev` in the way of a request. While the app can't be built, browsers get a page that says why. Pages
//! of the app reload themselves. Stands before `dispatch`, which does not know it, so that `serve` has none of it.

mod script;
mod trouble;
mod workbench;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;

use super::{Reply, dispatch, log_access, page};
use crate::app::generation::Site;
use crate::base::access::{Details, Summary};
use crate::base::body::Source;
use crate::base::client::{Client, RemoteIp};
use crate::base::origin_check::{Foreign, check_host, check_origin};
use crate::base::request_id;

use page::Traceback;
use workbench::Trouble;

pub use workbench::Workbench;

/// Where a page waits for a newer version of the app.
const RELOAD: &str = "/.waterspout/reload";
/// The script that waits.
const SCRIPT: &str = "/.waterspout/reload.js";

/// Answers one request under `dev`.
pub async fn answer<B>(
    bench: Arc<Workbench>,
    site: Arc<Site>,
    mut request: Request<B>,
    client: Client,
) -> Response<Reply>
where
    B: Source + 'static,
{
    let began = Instant::now();
    if client.remote_ip != RemoteIp::Unix
        && let Err(foreign) = check(&site, &request)
    {
        let text = format!(
            "403: Forbidden. `waterspout dev` answers to addresses, to `localhost`, and to hosts that a [[route]] \
             names. {foreign} is none of these; if it is meant, add it to `admin_hosts` in [server].\n"
        );
        let mut response = plain("text/plain; charset=UTF-8", text.into());
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    match request.uri().path() {
        RELOAD => return reload(&bench, request.uri().query()).await,
        SCRIPT => return plain("text/javascript; charset=UTF-8", script::TEXT.into()),
        _ => {}
    }
    let is_page = is_page(request.method(), request.headers());
    // Read before the answer is made: what changes meanwhile is newer than the page.
    let version = bench.version();
    let nothing_serves = site.current().number == 0;
    let trouble = bench.trouble();
    let trouble = trouble.or_else(|| nothing_serves.then(Trouble::not_loaded));
    if let Some(trouble) = trouble.filter(|_| is_page || nothing_serves) {
        let response = match is_page {
            true => trouble::page(&trouble, &version),
            false => trouble::text(&trouble),
        };
        let summary = Summary {
            asked: Some((request.method(), request.uri())),
            client,
        };
        log_access(&summary, response.status(), began, || Details {
            request_id: request_id::of(request.headers(), client.is_proxied),
            generation: None,
            handler: None,
        });
        return response;
    }
    if is_page {
        // The page must be whole and without a coding, so that the script can be put into it.
        for name in [
            header::ACCEPT_ENCODING,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::RANGE,
        ] {
            request.headers_mut().remove(name);
        }
    }
    let is_head = request.method() == Method::HEAD;
    let mut response = dispatch(&site, request, client).await;
    let is_traceback = response.extensions().get::<Traceback>().is_some();
    if is_page
        && is_traceback
        && let Some(text) = response.body().bytes()
    {
        // As a page, so that it goes when the fault is mended.
        let trouble = Trouble::of_guest(response.status(), &String::from_utf8_lossy(text));
        response = trouble::page(&trouble, &version);
    } else if is_page && !is_head {
        script::put_into(&mut response, &version);
    }
    response
}

/// Checks that no page of another site asks: `dev` shows sources, and the app may be one that only this machine should
/// reach. A name that a route's `host` takes is the app's own.
fn check<B>(site: &Site, request: &Request<B>) -> Result<(), Foreign> {
    let current = site.current();
    let known = &current.config.server.admin_hosts;
    let is_known = |name: &str| {
        known.iter().any(|known| known == name)
            || current.routes().any(|route| {
                let host = route.host.as_ref();
                host.is_some_and(|host| host.matches(name))
            })
    };
    let (uri, headers) = (request.uri(), request.headers());
    check_host(uri, headers, is_known)?;
    match uri.path() {
        RELOAD | SCRIPT => check_origin(uri, headers, is_known),
        // What the app answers to pages of other sites is its own affair.
        _ => Ok(()),
    }
}

/// Whether a browser asks for a page to show. A script's own request accepts `*/*`, or has a `Sec-Fetch-Mode` that
/// says otherwise. The same holds for images, and curl does not ask for HTML.
fn is_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let mut accepts = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|entry| entry.split(';').next());
    matches!(*method, Method::GET | Method::HEAD)
        && accepts.any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
        && headers
            .get("sec-fetch-mode")
            .is_none_or(|mode| mode == "navigate")
}

/// Waits until there is a newer version than the one in the query, or than now.
async fn reload(bench: &Workbench, query: Option<&str>) -> Response<Reply> {
    let known = query.and_then(|query| query.strip_prefix("version="));
    let known = known.map_or_else(|| bench.version(), str::to_owned);
    match bench.newer_than(&known).await {
        Some(version) => plain("text/plain; charset=UTF-8", version.into()),
        None => {
            let mut response = plain("text/plain; charset=UTF-8", Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
    }
}

/// An answer of the host's own, which is not cached.
fn plain(content_type: &'static str, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    page::sign(headers);
    response
}

/// Answers during development must not come from a cache later.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_a_browser_shows() {
        let is = |method: Method, accept: &'static str, mode: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            if let Some(mode) = mode {
                headers.insert("sec-fetch-mode", HeaderValue::from_static(mode));
            }
            is_page(&method, &headers)
        };
        let browser = "application/xhtml+xml, Text/HTML;q=0.9, */*;q=0.8";
        assert!(is(Method::GET, browser, None));
        assert!(is(Method::GET, browser, Some("navigate")));
        assert!(is(Method::HEAD, browser, None));
        assert!(!is(Method::GET, browser, Some("cors")));
        assert!(!is(Method::POST, browser, Some("navigate")));
        assert!(!is(Method::GET, "*/*", None));
        assert!(!is(Method::GET, "image/avif,image/*", Some("no-cors")));
    }
}
