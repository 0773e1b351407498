//! A request on its way: sent, redirected as Tornado's client is, and answered with a head. Reads no body.

use std::time::{Duration, Instant};

use ureq::http::{self, HeaderMap, header};
use ureq::{Agent, AsSendBody, Body};
use url::Url;

use crate::jar::Jar;
use crate::{HttpRequest, StreamedResponse};

/// The number of redirects that are followed: Tornado's default.
const MAX_REDIRECTS: u32 = 5;

/// Sends it to this URL, and waits for the head of the response that is no redirect.
pub fn send(
    mut request: HttpRequest,
    agent: &Agent,
    url: &str,
    timeout: Duration,
    jar: Option<&Jar>,
) -> Result<StreamedResponse, String> {
    let begin = Instant::now();
    let timeout = request.request_timeout.unwrap_or(timeout);
    // As the test has written it: a parsed URL has another path for `/a/../b`.
    let mut url = url.to_owned();
    let mut redirects = match request.follow_redirects {
        true => MAX_REDIRECTS,
        false => 0,
    };
    loop {
        let left = timeout.saturating_sub(begin.elapsed());
        let response = once(&request, agent, &url, left, jar);
        let response = response.map_err(|error| format!("{} {url}: {error}", request.method))?;
        let parsed = Url::parse(&url).ok();
        if let (Some(jar), Some(url)) = (jar, &parsed) {
            jar.keep(url, response.headers());
        }
        let code = response.status().as_u16();
        let next = parsed.and_then(|from| {
            let next = redirected(code, response.headers(), &from)?;
            Some((from.origin() == next.origin(), next))
        });
        match next {
            Some((is_same_origin, next)) if redirects > 0 => {
                redirects -= 1;
                turn(&mut request, code, is_same_origin);
                url = next.into();
            }
            _ => return Ok(answered(response, url)),
        }
    }
}

fn once(
    request: &HttpRequest,
    agent: &Agent,
    url: &str,
    timeout: Duration,
    jar: Option<&Jar>,
) -> Result<http::Response<Body>, ureq::Error> {
    let method = &*request.method;
    let mut sent = http::Request::builder().method(method).uri(url);
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    if method == "POST" && !request.has_header("Content-Type") {
        sent = sent.header("Content-Type", "application/x-www-form-urlencoded");
    }
    let kept = jar.zip(Url::parse(url).ok());
    if let (Some((jar, url)), Some(headers)) = (kept, sent.headers_mut()) {
        jar.add_to(headers, &url).map_err(http::Error::from)?;
    }
    match &request.body {
        Some(body) => run(agent, sent.body(&body[..]), timeout),
        None if matches!(method, "POST" | "PUT" | "PATCH") => {
            run(agent, sent.body(&b""[..]), timeout)
        }
        None => run(agent, sent.body(()), timeout),
    }
}

fn run<B: AsSendBody>(
    agent: &Agent,
    request: http::Result<http::Request<B>>,
    timeout: Duration,
) -> Result<http::Response<Body>, ureq::Error> {
    let request = agent.configure_request(request?);
    agent.run(request.timeout_global(Some(timeout)).build())
}

/// Where a response sends its client.
fn redirected(code: u16, headers: &HeaderMap, from: &Url) -> Option<Url> {
    if !matches!(code, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    from.join(location).ok()
}

/// Makes it the request to the next place. 307 and 308 keep its method and its body.
fn turn(request: &mut HttpRequest, code: u16, is_same_origin: bool) {
    let becomes_get = match code {
        303 => request.method != "HEAD",
        301 | 302 => request.method == "POST",
        _ => false,
    };
    let mut dropped = vec!["Host"];
    if becomes_get {
        request.method = "GET".to_owned();
        request.body = None;
        dropped.extend([
            "Content-Length",
            "Content-Type",
            "Content-Encoding",
            "Transfer-Encoding",
        ]);
    }
    if !is_same_origin {
        dropped.extend(["Authorization", "Cookie"]);
    }
    let is_dropped = |name: &str| dropped.iter().any(|other| other.eq_ignore_ascii_case(name));
    request.headers.retain(|(name, _)| !is_dropped(name));
}

fn answered(response: http::Response<Body>, effective_url: String) -> StreamedResponse {
    let (head, body) = response.into_parts();
    StreamedResponse {
        code: head.status.as_u16(),
        headers: head.headers,
        effective_url,
        body: body.into_with_config().limit(u64::MAX).reader(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_followed_by_the_rules_of_tornado() {
        let post = HttpRequest::new("/")
            .with_method("POST")
            .with_header("content-type", "text/plain")
            .with_header("Cookie", "a=1")
            .with_body("text");
        for (code, same_origin, method, headers) in [
            (301, true, "GET", &["Cookie"][..]),
            (302, true, "GET", &["Cookie"]),
            (303, false, "GET", &[]),
            (307, true, "POST", &["content-type", "Cookie"]),
            (308, false, "POST", &["content-type"]),
        ] {
            let mut request = post.clone();
            turn(&mut request, code, same_origin);
            let names: Vec<_> = request.headers.iter().map(|(name, _)| &**name).collect();
            assert_eq!((&*request.method, &*names), (method, headers), "{code}");
            assert_eq!(request.body.is_some(), method == "POST", "{code}");
        }
        let mut head = HttpRequest::new("/").with_method("HEAD");
        turn(&mut head, 303, true);
        assert_eq!(head.method, "HEAD");
    }
}
