//! A fetch from its request to its response: the redirects between them.

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, LOCATION,
};
use http::{HeaderMap, Method};

use crate::httpclient::exchange::{self, Clock, Sent};
use crate::httpclient::request::{Body, HttpRequest};
use crate::httpclient::response::{HttpClientError, HttpResponse};
use crate::httpclient::streamed::StreamedResponse;
use crate::httpclient::url::Url;

/// Sends a request and waits for all of its response: Tornado's
/// [`AsyncHTTPClient.fetch`](https://www.tornadoweb.org/en/stable/httpclient.html#http-client-interfaces). Other
/// requests of the instance run meanwhile; a request that is cancelled takes its fetch along.
///
/// A status other than 200 to 299 is an [`HttpClientError`] too, unless
/// [`with_raise_error`](HttpRequest::with_raise_error) says otherwise.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn post(cx: &Context) -> Result {
/// let request = HttpRequest::new("https://api.example.com/stories")
///     .with_method("POST")
///     .with_header("content-type", "application/json")
///     .with_body(r#"{"title": "Once"}"#);
/// let response = fetch(request).await?;
/// cx.write(format!("{} after {:?}", response.code, response.request_time))
/// # }
/// ```
pub async fn fetch(request: impl Into<HttpRequest>) -> Result<HttpResponse, HttpClientError> {
    let request = request.into();
    let (most, raise) = (request.max_body_size, request.raise_error);
    let mut streamed = follow(request).await?;
    let body = streamed.read_to_end(most).await?;
    let response = streamed.whole(body);
    match raise && !response.is_success() {
        true => Err(HttpClientError::of_response(response)),
        false => Ok(response),
    }
}

/// Sends a request and waits for the head of its response, whose body is then read piece by piece: Tornado's
/// `streaming_callback`. A status is no error here.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use waterspout_sdk::httpclient::fetch_streaming;
/// # async fn get(cx: &Context) -> Result {
/// let mut response = fetch_streaming("https://api.example.com/large").await?;
/// let mut bytes = 0;
/// while let Some(piece) = response.body_chunk().await? {
///     bytes += piece.len();
/// }
/// cx.write(format!("{bytes} bytes"))
/// # }
/// ```
pub async fn fetch_streaming(
    request: impl Into<HttpRequest>,
) -> Result<StreamedResponse, HttpClientError> {
    follow(request.into()).await
}

/// Sends a request, and then one for each redirect.
async fn follow(mut request: HttpRequest) -> Result<StreamedResponse, HttpClientError> {
    if let Some(fault) = request.fault.take() {
        return Err(HttpClientError::new(599, fault));
    }
    let mut url = Url::parse(&request.url)?;
    let first = url.clone();
    let mut clock = Clock::start(request.request_timeout);
    let mut redirects = request.max_redirects;
    loop {
        let sent = exchange::send(&mut request, &url, &mut clock).await?;
        let to = match request.follow_redirects && redirects > 0 {
            true => target(&sent, &url)?,
            false => None,
        };
        let Some(next) = to else {
            return Ok(StreamedResponse::new(sent, url.to_string(), clock));
        };
        redirects -= 1;
        redirected(&mut request, sent.code)?;
        url = next;
        if !url.is_same_origin(&first) {
            // As in curl, and in Tornado.
            request.headers.remove(AUTHORIZATION);
            request.headers.remove(COOKIE);
            request.auth = None;
            url.forget_user();
        }
        request.headers.remove(HOST);
    }
}

/// Where a response redirects its client, if it does.
fn target(sent: &Sent, url: &Url) -> Result<Option<Url>, HttpClientError> {
    if !matches!(sent.code, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = sent.headers.get(LOCATION);
    location
        .map(|location| url.join(location.as_bytes()))
        .transpose()
}

/// Changes a request for a redirect of this status.
fn redirected(request: &mut HttpRequest, code: u16) -> Result<(), HttpClientError> {
    let becomes_get = match code {
        303 => request.method != Method::HEAD,
        301 | 302 => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body = Body::None;
        forget_body(&mut request.headers);
    } else if matches!(request.body, Body::Spent) {
        let message = "Redirected, but the body is sent already";
        return Err(HttpClientError::new(599, message));
    }
    Ok(())
}

fn forget_body(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
        headers.remove(name);
    }
}
