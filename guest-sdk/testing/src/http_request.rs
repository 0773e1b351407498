//! A request as a test says it, and how it is sent. Knows no app.

use std::time::Duration;

use ureq::{Agent, AsSendBody, ResponseExt, http};

use crate::HttpResponse;

/// The number of redirects that are followed: Tornado's default.
const MAX_REDIRECTS: u32 = 5;

/// A request for [`App::fetch`](crate::App::fetch): Tornado's `HTTPRequest`. A path alone is a GET.
///
/// ```no_run
/// # let app = waterspout_test::App::serve();
/// use waterspout_test::HttpRequest;
///
/// let story = HttpRequest::new("/stories")
///     .with_method("POST")
///     .with_header("Content-Type", "application/json")
///     .with_body(r#"{"title": "Rain"}"#)
///     .with_follow_redirects(false);
/// assert_eq!(app.fetch(story).header("Location"), Some("/story/1"));
/// ```
#[derive(Clone, Debug)]
pub struct HttpRequest {
    path: String,
    method: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    follow_redirects: bool,
    request_timeout: Option<Duration>,
}

impl HttpRequest {
    /// A GET of this path of the app. A whole URL is taken as it is.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            body: None,
            follow_redirects: true,
            request_timeout: None,
        }
    }

    /// Another method than GET.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = method.into();
        self
    }

    /// One more header. The same name may come again.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body. With POST it is a form, `a=1&b=2`, unless a `Content-Type` says otherwise.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Whether redirects are followed; they are, up to five. `false` shows the redirect itself.
    #[must_use]
    pub fn with_follow_redirects(mut self, follow: bool) -> Self {
        self.follow_redirects = follow;
        self
    }

    /// How long this one may take, where it is not as long as all others.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Sends it to this URL, and waits for all of the response.
    pub(crate) fn send(self, agent: &Agent, url: &str) -> Result<HttpResponse, String> {
        let failed = |error: ureq::Error| {
            let hint = match error {
                ureq::Error::RedirectFailed => {
                    " (it would have to be sent again with its body; `follow_redirects(false)` shows the redirect)"
                }
                _ => "",
            };
            format!("{} {url}: {error}{hint}", self.method)
        };
        let has_body = matches!(&*self.method, "POST" | "PUT" | "PATCH");
        let is_form = self.method == "POST" && !self.has_header("Content-Type");
        let mut request = http::Request::builder().method(&*self.method).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if is_form {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
        }
        let response = match &self.body {
            None if !has_body => self.run(agent, request.body(())),
            None => self.run(agent, request.body(&b""[..])),
            Some(body) => self.run(agent, request.body(&body[..])),
        };
        let mut response = response.map_err(failed)?;
        let body = response.body_mut().with_config().limit(u64::MAX);
        let body = body.read_to_vec().map_err(failed)?;
        Ok(HttpResponse {
            code: response.status().as_u16(),
            effective_url: response.get_uri().to_string(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }

    fn run<B: AsSendBody>(
        &self,
        agent: &Agent,
        request: http::Result<http::Request<B>>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let configured =
            agent
                .configure_request(request?)
                .max_redirects(if self.follow_redirects {
                    MAX_REDIRECTS
                } else {
                    0
                });
        let configured = match self.request_timeout {
            Some(timeout) => configured.timeout_global(Some(timeout)),
            None => configured,
        };
        agent.run(configured.build())
    }

    fn has_header(&self, name: &str) -> bool {
        let mut names = self.headers.iter().map(|(name, _)| name);
        names.any(|other| other.eq_ignore_ascii_case(name))
    }
}

impl From<&str> for HttpRequest {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for HttpRequest {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

impl From<&String> for HttpRequest {
    fn from(path: &String) -> Self {
        Self::new(path)
    }
}
