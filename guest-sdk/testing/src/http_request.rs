//! A request as a test says it. Sends none.

use std::time::Duration;

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
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) follow_redirects: bool,
    pub(crate) request_timeout: Option<Duration>,
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

    /// How long this one may take with its redirects and all of its response, where it is not as long as all others.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
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
