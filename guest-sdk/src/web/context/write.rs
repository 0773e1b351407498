//! How a handler makes its response: status, headers and body, with Tornado's names. Nothing of it reaches the host
//! before the function that finishes the response returns. `flush` is elsewhere.

use anyhow::{bail, ensure};
use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG};
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::httputil::usual_reason;
use crate::result::Result;
use crate::web::context::Context;
use crate::web::error::HttpError;
use crate::web::response::header;

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

    /// Sets the `ETag`, quotes included, in place of the one that the host makes of the body (Tornado's
    /// `compute_etag`); with `None` there is none.
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

    /// Whether the client has this page already: its `If-None-Match` has the `ETag` that was set. The host compares by
    /// itself when the response is finished; a handler that asks before can save the work of making the page. Tornado's
    /// [`check_etag_header`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.check_etag_header).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.set_etag(Some("\"version 7\""))?;
    /// if cx.check_etag_header() {
    ///     cx.set_status(304);
    ///     return Ok(());
    /// }
    /// cx.write("a page that takes long to make")
    /// # }
    /// ```
    pub fn check_etag_header(&self) -> bool {
        let response = self.response.borrow();
        let mut headers = response.headers.iter();
        let etag = headers.find(|(name, _)| name == ETAG);
        let etag = etag.map(|(_, value)| value.as_bytes()).unwrap_or_default();
        let known = self.request.header("if-none-match");
        !etag.is_empty() && known.is_some_and(|known| is_among(etag, known.as_bytes()))
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

    /// Answers with the error page of a status, by `write_error` where the handler has one: Tornado's
    /// [`send_error`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.send_error). The
    /// response is finished with it, whatever the handler does after; the page is made when its function returns.
    ///
    /// What it returns is always an error, so that `return` and `?` both end the function. It need not be given back:
    /// the page is made nevertheless.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// if cx.get_cookie("session").is_none() {
    ///     return cx.send_error(403);
    /// }
    /// # Ok(())
    /// # }
    /// # async fn other(cx: &Context) -> Result {
    /// cx.send_error(HttpError::new(404).with_reason("No Such Story"))
    /// # }
    /// ```
    pub fn send_error(&self, error: impl Into<HttpError>) -> Result {
        let error = error.into();
        self.response.borrow_mut().send_error(error.clone())?;
        Err(error.into())
    }
}
/// Whether a list of `If-None-Match` has this entity tag, by the weak comparison (RFC 9110, section 8.8.3.2).
fn is_among(etag: &[u8], list: &[u8]) -> bool {
    let opaque = |etag: &[u8]| etag.strip_prefix(b"W/").unwrap_or(etag).to_vec();
    if list.trim_ascii() == b"*" {
        return true;
    }
    // Each one is in quotes, in which there may be commas.
    let mut parts = list.split(|byte| *byte == b'"').skip(1).step_by(2);
    let wanted = opaque(etag);
    parts.any(|inside| [b"\"", inside, b"\""].concat() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::bindings::waterspout::web::types;

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

    #[test]
    fn an_etag_is_found_in_a_list_whether_it_is_weak_or_not() {
        for (list, is_there) in [
            (r#""a""#, true),
            (r#"W/"a""#, true),
            (r#""b", "a""#, true),
            (r#""b","W/a""#, false),
            (r#""b, "a"#, false),
            ("*", true),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(is_among(br#""a""#, list.as_bytes()), is_there, "{list}");
        }
        assert!(is_among(br#"W/"a""#, br#""a""#));
    }
}
