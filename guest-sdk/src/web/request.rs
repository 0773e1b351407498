//! The request: each question is put to the host when it is asked first, and the answer kept. A handler that asks
//! nothing pays nothing.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use cookie::Cookie;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::DeserializeOwned;

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::request::{self as host, RequestHead};
use crate::runtime::bindings::waterspout::web::request_body::{self, BodyError};
use crate::runtime::bindings::waterspout::web::types::RequestNumber;
use crate::web::arguments::Arguments;
use crate::web::cookies;
use crate::web::error::HttpError;
use crate::web::multipart::{self, Files, Form};

/// The request, in the words of Tornado's
/// [`HTTPServerRequest`](https://www.tornadoweb.org/en/stable/httputil.html#tornado.httputil.HTTPServerRequest).
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn get(cx: &Context) -> Result {
/// let request = cx.request();
/// cx.write(format!("{} {} from {}", request.method(), request.path(), request.remote_ip()))
/// # }
/// ```
#[derive(Debug)]
pub struct Request {
    id: RequestNumber,
    name: OnceCell<String>,
    head: OnceCell<RequestHead>,
    method: OnceCell<Method>,
    headers: OnceCell<HeaderMap>,
    cookies: OnceCell<Vec<Cookie<'static>>>,
    query_arguments: OnceCell<Arguments>,
    body: OnceCell<Bytes>,
    form: OnceCell<Box<Form>>,
    /// Whether a piece of the body was handed out.
    has_taken: Cell<bool>,
}

impl Request {
    /// What tells this request from all others, as the logs have it: `X-Request-Id` where a trusted proxy sent one that
    /// is sound, else one that the host made.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.set_header("X-Request-Id", cx.request().id())?;
    /// cx.write("Hello, world")
    /// # }
    /// ```
    pub fn id(&self) -> &str {
        self.name.get_or_init(|| host::id(self.id))
    }

    /// The method, `GET` for example.
    pub fn method(&self) -> &Method {
        let parse = || {
            Method::from_bytes(self.head().method.as_bytes())
                .expect("the host sends only valid methods")
        };
        self.method.get_or_init(parse)
    }

    /// The target as sent, nothing decoded: path and query, or an absolute URI.
    pub fn uri(&self) -> &str {
        &self.head().uri
    }

    /// The part of the target before `?`, not decoded.
    pub fn path(&self) -> &str {
        &self.head().path
    }

    /// The part of the target after `?`, not decoded; empty where there is none.
    pub fn query(&self) -> &str {
        &self.head().query
    }

    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
    pub fn version(&self) -> &str {
        &self.head().version
    }

    /// `http` or `https`.
    pub fn protocol(&self) -> &str {
        &self.head().protocol
    }

    /// The `Host` header, with the port where it has one; `127.0.0.1` where an HTTP/1.0 request has none.
    pub fn host(&self) -> &str {
        &self.head().host
    }

    /// The whole address that was asked for: protocol, host and target.
    pub fn full_url(&self) -> String {
        let uri = self.uri();
        match uri.starts_with('/') || uri == "*" {
            true => format!("{}://{}{uri}", self.protocol(), self.host()),
            // As a proxy is asked (RFC 9112, section 3.2.2).
            false => uri.to_owned(),
        }
    }

    /// The client's address, without port; empty for a unix socket. `unknown` where a trusted proxy names its client in
    /// a way that can't be read.
    pub fn remote_ip(&self) -> &str {
        &self.head().remote_ip
    }

    /// The certificate that the client has shown, as DER; none where it has shown none. It was verified with the
    /// authority in `client_ca` of the configuration. Tornado's [`get_ssl_certificate`](https://www.tornadoweb.org/en/stable/httputil.html#tornado.httputil.HTTPServerRequest.get_ssl_certificate)
    /// with `binary_form=True`.
    pub fn get_ssl_certificate(&self) -> Option<Vec<u8>> {
        host::ssl_certificate(self.id)
    }

    /// How long ago the request began: when its head was here. It is asked of the host each time.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # fn on_finish(cx: &Context) -> Result {
    /// log::info!("{:.1} ms", cx.request().request_time().as_secs_f64() * 1000.0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn request_time(&self) -> Duration {
        Duration::from_nanos(host::request_time(self.id))
    }

    /// The first value of one header. Cheaper than [`headers`](Self::headers) for a handler that reads one or two.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let language = cx.request().header("accept-language");
    /// let german = language.is_some_and(|value| value.as_bytes().starts_with(b"de"));
    /// cx.write(if german { "Guten Tag" } else { "Hello" })
    /// # }
    /// ```
    pub fn header(&self, name: impl AsRef<str>) -> Option<HeaderValue> {
        match self.headers.get() {
            Some(headers) => headers.get(name.as_ref()).cloned(),
            None => host::header(self.id, name.as_ref())
                .first()
                .and_then(|value| HeaderValue::from_bytes(value).ok()),
        }
    }

    /// All headers.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// for (name, value) in cx.request().headers() {
    ///     log::debug!("{name}: {value:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn headers(&self) -> &HeaderMap {
        self.headers.get_or_init(|| {
            let parse = |(name, value): (String, Vec<u8>)| {
                Some((
                    HeaderName::try_from(name).ok()?,
                    HeaderValue::try_from(value).ok()?,
                ))
            };
            let mut headers = HeaderMap::new();
            for (name, value) in host::headers(self.id).into_iter().filter_map(parse) {
                headers.append(name, value);
            }
            headers
        })
    }

    /// The cookies in the order in which they were sent, their values without quotes and escapes. What is not a cookie
    /// is left out.
    pub fn cookies(&self) -> &[Cookie<'static>] {
        self.cookies.get_or_init(|| {
            let values = match self.headers.get() {
                Some(headers) => headers
                    .get_all(COOKIE)
                    .iter()
                    .map(|value| value.as_bytes().to_vec())
                    .collect(),
                None => host::header(self.id, COOKIE.as_str()),
            };
            values
                .iter()
                .flat_map(|value| cookies::parse(value))
                .collect()
        })
    }

    /// The value of a cookie, without quotes and escapes; the last one where the name was sent twice.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.write(cx.request().cookie("theme").unwrap_or("light"))
    /// # }
    /// ```
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies()
            .iter()
            .rfind(|cookie| cookie.name() == name)
            .map(Cookie::value)
    }

    /// The arguments of the query, percent-decoded.
    pub fn query_arguments(&self) -> &Arguments {
        self.query_arguments
            .get_or_init(|| Arguments::parse(self.query().as_bytes()))
    }

    /// The arguments of a form: of a body of type `application/x-www-form-urlencoded`, 1,000 at most, or of the parts
    /// of `multipart/form-data` that are no files. None for a body of any other type.
    ///
    /// [`HttpError`] 400 where it is not what its type says, or was encoded (`Content-Encoding`); else fails as
    /// [`body`](Self::body) does.
    pub async fn body_arguments(&self) -> Result<&Arguments> {
        Ok(&self.form().await?.arguments)
    }

    /// The files of a body of type `multipart/form-data`; none for any other type. Of files and other fields together
    /// there are 100 at most, each with up to 10 KB of headers: Tornado's limits.
    ///
    /// Fails as [`body_arguments`](Self::body_arguments) does.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Upload;
    /// #[handler]
    /// impl RequestHandler for Upload {
    ///     async fn post(&mut self, cx: &Context) -> Result {
    ///         let files = cx.request().files().await?;
    ///         let file = files.get("photo").ok_or(HttpError::new(400))?;
    ///         cx.write(format!("{}: {} bytes", file.filename(), file.body().len()))
    ///     }
    /// }
    /// ```
    pub async fn files(&self) -> Result<&Files> {
        Ok(&self.form().await?.files)
    }

    pub(crate) fn content_type(&self) -> Option<HeaderValue> {
        self.header(CONTENT_TYPE)
    }

    async fn form(&self) -> Result<&Form> {
        if let Some(form) = self.form.get() {
            return Ok(form);
        }
        let content_type = self.content_type();
        let content_type = content_type.as_ref().and_then(|value| value.to_str().ok());
        let form = match content_type {
            Some(content_type) if content_type.starts_with("application/x-www-form-urlencoded") => {
                self.refuse_encoded()?;
                let arguments = Arguments::parse_form(self.body().await?)?;
                Form {
                    arguments,
                    ..Form::default()
                }
            }
            Some(content_type) if content_type.starts_with("multipart/form-data") => {
                self.refuse_encoded()?;
                self.body().await?;
                let body = self.body.get().cloned().unwrap_or_default();
                multipart::parse(content_type, body).await?
            }
            _ => Form::default(),
        };
        Ok(self.form.get_or_init(|| Box::new(form)))
    }

    /// A form that was compressed, for example, can't be read.
    pub(crate) fn refuse_encoded(&self) -> Result {
        match self.header(CONTENT_ENCODING) {
            None => Ok(()),
            Some(encoding) => {
                let message = format!("Unsupported Content-Encoding: {encoding:?}");
                Err(HttpError::new(400).with_message(message).into())
            }
        }
    }

    /// The whole body, once it is here; empty where there is none. It can be asked for again, and by several futures
    /// side by side. Nothing is lost where this future is dropped before it is ready, as `with_timeout` does it.
    ///
    /// [`HttpError`] 413 for a body that is too long, 408 for one that is too late, 400 for one that is broken. Another
    /// error where [`body_chunk`](Self::body_chunk) took from it before, or where the client is gone.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// let body = cx.request().body().await?;
    /// cx.write(body) // sent back as it came
    /// # }
    /// ```
    pub async fn body(&self) -> Result<&[u8]> {
        loop {
            // After each wait, too: others may have asked meanwhile.
            if let Some(body) = self.body.get() {
                return Ok(body);
            }
            if self.has_taken.get() {
                bail!("the body was read in pieces, and what was taken is gone");
            }
            if let Some(body) = request_body::take_body(self.id) {
                let body = body.or_else(refuse)?;
                return Ok(self.body.get_or_init(|| body.into()));
            }
            request_body::wait_body(self.id).await;
        }
    }

    /// The body as JSON; [`HttpError`] 400 where it is not JSON of that type, else fails as [`body`](Self::body) does.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// #[derive(serde::Deserialize)]
    /// struct Entry {
    ///     title: String,
    /// }
    ///
    /// let entry: Entry = cx.request().body_json().await?;
    /// cx.write(entry.title)
    /// # }
    /// ```
    pub async fn body_json<T: DeserializeOwned>(&self) -> Result<T> {
        let parsed = serde_json::from_slice(self.body().await?);
        Ok(parsed
            .map_err(|error| HttpError::new(400).with_message(format!("Invalid JSON: {error}")))?)
    }

    /// The next piece of the body as it arrives, never empty; none at its end. What was taken is gone: after it there
    /// is no [`body`](Self::body).
    ///
    /// Nothing is lost where this future is dropped before it is ready, as `with_timeout` does it: the one that asks
    /// next, for a piece or for the [`body`](Self::body), goes on from there. What a `body()` that was dropped has
    /// waited for comes as one piece. Futures that ask side by side get one piece each.
    ///
    /// Fails as [`body`](Self::body) does.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn put(cx: &Context) -> Result {
    /// let mut bytes = 0;
    /// while let Some(piece) = cx.request().body_chunk().await? {
    ///     bytes += piece.len();
    /// }
    /// cx.write(format!("{bytes} bytes"))
    /// # }
    /// ```
    pub async fn body_chunk(&self) -> Result<Option<Vec<u8>>> {
        loop {
            // It hands nothing out, so a future that is dropped takes nothing with it.
            request_body::wait_chunk(self.id).await;
            if let Some(chunk) = request_body::take_chunk(self.id) {
                let chunk = chunk.or_else(refuse)?;
                self.has_taken.set(self.has_taken.get() || chunk.is_some());
                return Ok(chunk);
            }
        }
    }

    /// The body went to `data_received`: what is asked of it from now on finds none, as in Tornado.
    pub(crate) fn is_received(&self) {
        let _ = self.body.set(Bytes::new());
        let _ = self.form.set(Box::default());
    }

    pub(crate) fn new(id: RequestNumber) -> Self {
        Self {
            id,
            name: OnceCell::new(),
            head: OnceCell::new(),
            method: OnceCell::new(),
            headers: OnceCell::new(),
            cookies: OnceCell::new(),
            query_arguments: OnceCell::new(),
            body: OnceCell::new(),
            form: OnceCell::new(),
            has_taken: Cell::new(false),
        }
    }

    pub(crate) fn number(&self) -> RequestNumber {
        self.id
    }

    fn head(&self) -> &RequestHead {
        self.head.get_or_init(|| host::head(self.id))
    }
}

fn refuse<T>(error: BodyError) -> Result<T> {
    match error {
        BodyError::TooLarge => bail!(HttpError::new(413).with_message("the body is too large")),
        BodyError::Timeout => {
            bail!(HttpError::new(408).with_message("the body did not arrive in time"))
        }
        BodyError::Malformed => bail!(HttpError::new(400).with_message("the body is malformed")),
        BodyError::Gone => bail!("the body was read before, or the client is gone"),
        BodyError::Other(why) => bail!(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request whose answers are here already, so that no host is asked.
    fn request(query: &str, headers: &[(&'static str, &'static str)], body: &str) -> Request {
        let request = Request::new(1);
        let head = RequestHead {
            method: "POST".into(),
            uri: format!("/path?{query}"),
            path: "/path".into(),
            query: query.into(),
            version: "HTTP/1.1".into(),
            protocol: "http".into(),
            host: "example.com".into(),
            remote_ip: "192.0.2.1".into(),
        };
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        request.head.set(head).unwrap();
        request.headers.set(headers.collect()).unwrap();
        request
            .body
            .set(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap();
        request
    }

    #[test]
    fn the_full_url_is_what_was_sent_where_that_is_whole() {
        for (uri, whole) in [
            ("/a?b", "http://example.com/a?b"),
            ("//a", "http://example.com//a"),
            ("http://example.com/a?b", "http://example.com/a?b"),
        ] {
            let mut request = request("", &[], "");
            request.head.get_mut().unwrap().uri = uri.into();
            assert_eq!(request.full_url(), whole);
        }
    }

    #[test]
    fn the_last_cookie_of_a_name_wins_and_rubbish_is_left_out() {
        let request = request("", &[("cookie", r#"a=1; rubbish; b="two"; a=3"#)], "");
        assert_eq!(request.cookies().len(), 3);
        assert_eq!(
            (
                request.cookie("a"),
                request.cookie("b"),
                request.cookie("c")
            ),
            (Some("3"), Some("two"), None)
        );
    }

    #[test]
    fn a_form_has_arguments_and_any_other_body_none() {
        let form = [(
            "content-type",
            "application/x-www-form-urlencoded; charset=UTF-8",
        )];
        let read = |headers: &[(&'static str, &'static str)]| {
            let request = request("", headers, "a=1&a=2");
            crate::testing::block_on(request.body_arguments())
                .unwrap()
                .get("a")
                .map(<[u8]>::to_vec)
        };
        assert_eq!(read(&form), Some(b"2".to_vec()));
        assert_eq!(read(&[("content-type", "text/plain")]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn json_of_another_shape_is_the_clients_fault() {
        let error =
            crate::testing::block_on(request("", &[], "[1").body_json::<Vec<u8>>()).unwrap_err();
        assert_eq!(error.downcast_ref::<HttpError>().unwrap().status(), 400);
    }
}
