//! The response under construction: status, headers and body, in Tornado's words. Nothing of it reaches the host
//! before the function that finishes it returns, but what is flushed.

mod flush;
mod pieces;

use anyhow::{Context as _, bail, ensure};
use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, SET_COOKIE};
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::bindings::waterspout::web::response::ResponseHead;
use crate::bindings::waterspout::web::types;
use crate::{Context, HttpError, Result, error::usual_reason};

pub(crate) use pieces::is_large;

impl Context {
    /// Appends to the body: `&str`, `String`, bytes. Tornado's
    /// [`write`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.write); for JSON, which
    /// Tornado makes of a dict here, there is [`write_json`](Self::write_json).
    ///
    /// An error after [`finish`](Self::finish).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # #[derive(Default)] struct Hello;
    /// #[handler]
    /// impl RequestHandler for Hello {
    ///     async fn get(&mut self, cx: &Context) -> Result {
    ///         cx.write("Hello, ")?;
    ///         cx.write(format!("{}!", cx.get_query_argument("name")?))
    ///     }
    /// }
    /// ```
    pub fn write(&self, chunk: impl AsRef<[u8]>) -> Result {
        let mut response = self.response.borrow_mut();
        ensure!(!response.finished, "Cannot write() after finish()");
        response.body.extend_from_slice(chunk.as_ref());
        Ok(())
    }

    /// Appends `value` as JSON, and sets the content type to `application/json; charset=UTF-8`; for another one,
    /// set it after this. Unlike Tornado's `write` it takes anything that serializes, lists too.
    ///
    /// An error after [`finish`](Self::finish), or where `value` can't be written as JSON.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// #[derive(serde::Serialize)]
    /// struct Entry {
    ///     id: u64,
    ///     tags: Vec<String>,
    /// }
    ///
    /// cx.write_json(&Entry { id: 1, tags: vec!["new".to_owned()] }) // {"id":1,"tags":["new"]}
    /// # }
    /// ```
    pub fn write_json<T: Serialize + ?Sized>(&self, value: &T) -> Result {
        self.write(serde_json::to_vec(value)?)?;
        match self.is_flushed() {
            true => Ok(()),
            false => self.set_header(CONTENT_TYPE, "application/json; charset=UTF-8"),
        }
    }

    /// The status of the response: 200 until it is set.
    pub fn get_status(&self) -> u16 {
        self.response.borrow().status
    }

    /// Sets the status, 200 to 599, with its usual reason. The host answers with 500 in place of any other. Once the
    /// head is [out](Self::flush), this is only logged.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// cx.set_status(201);
    /// cx.set_header("Location", "/story/1")
    /// # }
    /// ```
    pub fn set_status(&self, status: u16) {
        self.response.borrow_mut().set_status(status, None);
    }

    /// Sets the status with a reason phrase of its own: printable ASCII.
    pub fn set_status_with_reason(&self, status: u16, reason: impl Into<String>) {
        self.response
            .borrow_mut()
            .set_status(status, Some(reason.into()));
    }

    /// Sets a header in place of all its values; a `&str`, a `String` or a number.
    ///
    /// An error where HTTP allows no such name or value, and once the head is [out](Self::flush).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.set_header("Content-Type", "text/plain; charset=UTF-8")?;
    /// cx.set_header("X-Rate-Limit", 100)
    /// # }
    /// ```
    pub fn set_header<N, V>(&self, name: N, value: V) -> Result
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let (name, value) = header(name, value)?;
        let mut response = self.response.borrow_mut();
        response.refuse_late("set a header")?;
        response.clear_header(name.as_str());
        response.headers.push((name, value));
        Ok(())
    }

    /// Adds a header and keeps the values that it has. For cookies there is [`set_cookie`](Self::set_cookie), which
    /// escapes what would begin an attribute.
    ///
    /// An error where HTTP allows no such name or value.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// cx.add_header("Link", "</style.css>; rel=preload; as=style")?;
    /// cx.add_header("Link", "</page.js>; rel=preload; as=script")
    /// # }
    /// ```
    pub fn add_header<N, V>(&self, name: N, value: V) -> Result
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let mut response = self.response.borrow_mut();
        response.refuse_late("add a header")?;
        response.headers.push(header(name, value)?);
        Ok(())
    }

    /// Removes a header with all its values, `Content-Type` too. Without effect where there is none.
    pub fn clear_header(&self, name: impl AsRef<str>) {
        self.response.borrow_mut().clear_header(name.as_ref());
    }

    /// Sets the `ETag`, quotes included, in place of the one that the host makes of the body (Tornado's `compute_etag`);
    /// with `None` there is none.
    ///
    /// An error where HTTP allows no such value.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.set_etag(Some("\"version 7\""))?;
    /// cx.write("a page that is known by its version")
    /// # }
    /// ```
    pub fn set_etag(&self, etag: Option<&str>) -> Result {
        self.set_header(ETAG, etag.unwrap_or_default())
    }

    /// Forgets status, headers and body, and sets the default headers again, as is done before an error page is made.
    /// What [`set_cookie`](Self::set_cookie) set stays, as in Tornado.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.write("half a page")?;
    /// cx.clear();
    /// cx.write("another page")
    /// # }
    /// ```
    pub fn clear(&self) {
        self.response.borrow_mut().clear();
        if !self.is_flushed() {
            self.set_default_headers();
        }
    }

    /// Ends the response: what would still add to it is skipped or an error. From `prepare` it skips the method. It
    /// need not be called at the end of a method or of `write_error`.
    ///
    /// An error when called twice, or with a body for a status that has none (204, 304).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn prepare(cx: &Context) -> Result {
    /// if cx.request().header("x-maintenance").is_some() {
    ///     cx.set_status(204);
    ///     return cx.finish();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(&self) -> Result {
        let mut response = self.response.borrow_mut();
        ensure!(!response.finished, "finish() called twice");
        if matches!(response.status, 204 | 304) {
            if !response.body.is_empty() {
                bail!(
                    "Cannot send body with status code {} {}",
                    response.status,
                    usual_reason(response.status)
                );
            }
            [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE]
                .iter()
                .for_each(|name| response.clear_header(name.as_str()));
        }
        response.finished = true;
        Ok(())
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.response.borrow().is_flushed
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.response.borrow().finished
    }
}

/// What was said of the response so far.
#[derive(Debug)]
pub(crate) struct Response {
    status: u16,
    reason: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
    /// Names with the whole lines; one line for each name.
    cookies: Vec<(String, HeaderValue)>,
    finished: bool,
    /// The head is out.
    is_flushed: bool,
    is_flushing: bool,
    trailers: Vec<(HeaderName, HeaderValue)>,
    /// What `send_error` was told.
    sent_error: Option<HttpError>,
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=UTF-8");

impl Default for Response {
    fn default() -> Self {
        Self {
            status: 200,
            reason: None,
            headers: vec![(CONTENT_TYPE, HTML)],
            body: Vec::new(),
            cookies: Vec::new(),
            finished: false,
            is_flushed: false,
            is_flushing: false,
            trailers: Vec::new(),
            sent_error: None,
        }
    }
}

impl Response {
    fn set_status(&mut self, status: u16, reason: Option<String>) {
        if self
            .refuse_late("set the status")
            .inspect_err(|error| log::warn!("{error}"))
            .is_err()
        {
            return;
        }
        self.status = status;
        self.reason = reason;
    }

    fn clear_header(&mut self, name: &str) {
        self.headers
            .retain(|(other, _)| !other.as_str().eq_ignore_ascii_case(name));
    }

    /// What is out stays.
    fn clear(&mut self) {
        self.body = Vec::new();
        if !self.is_flushed {
            let new = Self::default();
            self.set_status(new.status, new.reason);
            self.headers = new.headers;
        }
    }

    /// An error once the head is out.
    pub fn refuse_late(&self, what: &str) -> Result {
        ensure!(
            !self.is_flushed,
            "Cannot {what} after headers have been written"
        );
        Ok(())
    }

    /// In place of another of that name.
    pub fn set_cookie(&mut self, name: &str, line: HeaderValue) {
        self.cookies.retain(|(other, _)| other != name);
        self.cookies.push((name.to_owned(), line));
    }

    pub fn has_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Finishes the response with an error, to which nobody can add anything.
    pub fn send_error(&mut self, error: HttpError) -> Result {
        ensure!(!self.finished, "Cannot send_error() after finish()");
        self.finished = true;
        self.sent_error = Some(error);
        Ok(())
    }

    /// What `send_error` was told, if it was. Then the response is open again, for the page.
    pub fn take_sent_error(&mut self) -> Option<HttpError> {
        let error = self.sent_error.take()?;
        self.finished = false;
        Some(error)
    }

    /// Hands the response over. Its status stays, for `on_finish` to read.
    pub fn take(&mut self) -> types::Response {
        types::Response {
            status: self.status,
            reason: self.reason.clone(),
            headers: self.take_headers(),
            body: std::mem::take(&mut self.body),
        }
    }

    /// Hands the head over, once.
    fn take_head(&mut self) -> Option<ResponseHead> {
        if self.is_flushed {
            return None;
        }
        self.is_flushed = true;
        Some(ResponseHead {
            status: self.status,
            reason: self.reason.clone(),
            headers: self.take_headers(),
        })
    }

    fn take_headers(&mut self) -> types::Fields {
        let cookies = std::mem::take(&mut self.cookies).into_iter();
        let cookies = cookies.map(|(_, line)| (SET_COOKIE, line));
        let headers = std::mem::take(&mut self.headers).into_iter();
        headers.chain(cookies).map(wire).collect()
    }
}

fn wire((name, value): (HeaderName, HeaderValue)) -> (String, Vec<u8>) {
    let value = value.as_bytes().trim_ascii().to_vec();
    (name.as_str().to_owned(), value)
}

fn header<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue)>
where
    N: TryInto<HeaderName, Error: Into<http::Error>>,
    V: TryInto<HeaderValue, Error: Into<http::Error>>,
{
    let name = name.try_into().map_err(Into::into)?;
    let value = value
        .try_into()
        .map_err(Into::into)
        .with_context(|| format!("Unsafe value of header {name}"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(build: impl FnOnce(&Context) -> Result) -> types::Response {
        let cx = Context::of_test(1);
        build(&cx).unwrap();
        cx.response.borrow_mut().take()
    }

    fn header<'a>(response: &'a types::Response, name: &str) -> Vec<&'a str> {
        let values = response.headers.iter().filter(|(other, _)| other == name);
        values
            .map(|(_, value)| std::str::from_utf8(value).unwrap())
            .collect()
    }

    #[test]
    fn text_is_html_unless_told_otherwise() {
        let response = finished(|cx| {
            cx.write("a")?;
            cx.write(String::from("b"))?;
            cx.write(b"c")
        });
        assert_eq!(
            (response.status, response.reason, &response.body[..]),
            (200, None, &b"abc"[..])
        );
        assert_eq!(
            response.headers,
            [(
                "content-type".to_owned(),
                b"text/html; charset=UTF-8".to_vec()
            )]
        );
    }

    #[test]
    fn json_brings_its_content_type() {
        let response = finished(|cx| cx.write_json(&[1, 2]));
        assert_eq!(response.body, b"[1,2]");
        assert_eq!(
            header(&response, "content-type"),
            ["application/json; charset=UTF-8"]
        );
    }

    #[test]
    fn headers_are_set_added_and_cleared() {
        let response = finished(|cx| {
            cx.set_header("X-A", "1")?;
            cx.set_header("x-a", 2)?;
            cx.add_header("X-A", "3")?;
            cx.clear_header("Content-Type");
            Ok(())
        });
        assert_eq!(header(&response, "x-a"), ["2", "3"]);
        assert_eq!(header(&response, "content-type"), [""; 0]);
    }

    #[test]
    fn a_header_cannot_smuggle_a_line() {
        let cx = Context::of_test(1);
        let error = cx.set_header("X-A", "1\r\nX-B: 2").unwrap_err();
        assert_eq!(error.to_string(), "Unsafe value of header x-a");
        assert!(cx.set_header("X A", "1").is_err());
    }

    #[test]
    fn nothing_follows_finish() {
        let cx = Context::of_test(1);
        cx.finish().unwrap();
        assert_eq!(
            cx.write("x").unwrap_err().to_string(),
            "Cannot write() after finish()"
        );
        assert_eq!(
            cx.finish().unwrap_err().to_string(),
            "finish() called twice"
        );
        assert!(cx.redirect("/").is_err());
    }

    #[test]
    fn a_status_without_body_has_no_content_type_and_takes_no_body() {
        let response = finished(|cx| {
            cx.set_status(204);
            cx.finish()
        });
        assert_eq!(response.headers, []);
        let cx = Context::of_test(1);
        cx.set_status(304);
        cx.write("x").unwrap();
        assert!(cx.finish().is_err());
    }

    #[test]
    fn clear_forgets_everything_but_that_it_is_finished() {
        let cx = Context::of_test(1);
        cx.set_status_with_reason(201, "Made");
        cx.set_header("X-A", "1").unwrap();
        cx.write("x").unwrap();
        cx.clear();
        assert_eq!(
            (
                cx.get_status(),
                cx.response.borrow().body.len(),
                cx.response.borrow().headers.len()
            ),
            (200, 0, 1)
        );
    }
}
