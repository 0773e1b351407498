//! A client that keeps cookies. Sends its requests through the app.

use crate::jar::Jar;
use crate::{
    App, HttpRequest, HttpResponse, Refused, StreamedResponse, WebSocket, WebSocketRequest,
};

/// A client that keeps cookies from one fetch to the next: [`App::session`]. Two of them share none.
#[derive(Debug)]
pub struct Session<'a> {
    app: &'a App,
    jar: Jar,
}

impl<'a> Session<'a> {
    pub(crate) fn new(app: &'a App) -> Self {
        Self {
            app,
            jar: Jar::default(),
        }
    }

    /// [`App::fetch`] with the cookies of this client. A `Cookie` header of the request's own goes with them.
    ///
    /// # Panics
    ///
    /// As [`App::fetch`].
    #[track_caller]
    pub fn fetch(&self, request: impl Into<HttpRequest>) -> HttpResponse {
        self.fetch_streaming(request).whole()
    }

    /// [`App::fetch_streaming`] with the cookies of this client.
    ///
    /// # Panics
    ///
    /// As [`App::fetch`].
    #[track_caller]
    pub fn fetch_streaming(&self, request: impl Into<HttpRequest>) -> StreamedResponse {
        let response = self.app.send(request.into(), Some(&self.jar));
        response.unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`App::ws_connect`] with the cookies of this client.
    ///
    /// # Errors
    ///
    /// As [`App::ws_connect`].
    ///
    /// # Panics
    ///
    /// As [`App::ws_connect`].
    #[track_caller]
    pub fn ws_connect(&self, request: impl Into<WebSocketRequest>) -> Result<WebSocket, Refused> {
        let answer = self.app.open(&request.into(), Some(&self.jar));
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The value of a cookie that the next request to this path would send.
    pub fn cookie(&self, path: &str, name: &str) -> Option<String> {
        let url = self.app.get_url(path).parse().ok()?;
        let mut cookies = self.jar.of(&url).into_iter();
        cookies.find_map(|(other, value)| (other == name).then_some(value))
    }
}
