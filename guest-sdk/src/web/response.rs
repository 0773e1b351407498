//! The response that is being made: status, headers, cookies and body. It does not know how they are sent.

use anyhow::{Context as _, ensure};
use http::header::{CONTENT_TYPE, DATE, SERVER, SET_COOKIE};
use http::{HeaderName, HeaderValue};

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::response::ResponseHead;
use crate::runtime::bindings::waterspout::web::types;
use crate::web::error::HttpError;

/// What was said of the response so far.
#[derive(Debug)]
pub(crate) struct Response {
    pub(super) status: u16,
    pub(super) reason: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
    /// Names with the whole lines; one line for each name.
    cookies: Vec<(String, HeaderValue)>,
    pub(super) finished: bool,
    /// The head is out.
    pub(super) is_flushed: bool,
    pub(super) is_flushing: bool,
    pub(super) trailers: Vec<(HeaderName, HeaderValue)>,
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
    pub(super) fn set_status(&mut self, status: u16, reason: Option<String>) {
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

    pub(super) fn clear_header(&mut self, name: &str) {
        self.headers
            .retain(|(other, _)| !other.as_str().eq_ignore_ascii_case(name));
    }

    /// What is out stays.
    pub(super) fn clear(&mut self) {
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

    /// Finishes the response with an error. Nothing can be added after that.
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

    /// Hands over what goes out with the answer to a handshake (RFC 6455, section 4.2.2), which has no body.
    pub fn take_handshake_headers(&mut self) -> types::Fields {
        for name in [CONTENT_TYPE, DATE, SERVER] {
            self.clear_header(name.as_str());
        }
        self.take_headers()
    }

    /// The connection speaks no HTTP any more. What would still be said is an error.
    pub(super) fn switch_protocols(&mut self) {
        *self = Self {
            status: 101,
            headers: Vec::new(),
            finished: true,
            is_flushed: true,
            ..Self::default()
        };
    }

    /// Hands the head over, once.
    pub(super) fn take_head(&mut self) -> Option<ResponseHead> {
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

pub(super) fn wire((name, value): (HeaderName, HeaderValue)) -> (String, Vec<u8>) {
    let value = value.as_bytes().trim_ascii().to_vec();
    (name.as_str().to_owned(), value)
}

pub(super) fn header<N, V>(name: N, value: V) -> Result<(HeaderName, HeaderValue)>
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
