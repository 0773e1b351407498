//! An app that is being served, and the requests of a test to it. Decides nothing of how it is built and started.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ureq::Agent;

use crate::entry::entries_after;
use crate::exchange;
use crate::jar::Jar;
use crate::process::{Missing, lines};
use crate::server::Server;
use crate::stage::Stage;
use crate::{
    Builder, HttpRequest, HttpResponse, Refused, Session, StreamedResponse, USER_AGENT, WebSocket,
    WebSocketRequest,
};

/// An app that is being served, until this is dropped.
///
/// It may be shared: several threads can fetch concurrently, and in a `static` there is one server for all tests.
#[derive(Debug)]
pub struct App {
    server: Server,
    address: SocketAddr,
    agent: Agent,
    /// For a request, and for a line of the log.
    timeout: Duration,
    /// What is served. Dropped after the server has ended.
    _stage: Stage,
}

impl App {
    /// Builds the app of the test's own crate, and serves it, without changing anything in it.
    ///
    /// # Panics
    ///
    /// Where it does not build or serve, and where there is no `waterspout`. The message says what to do.
    #[track_caller]
    pub fn serve() -> Self {
        Self::builder().serve()
    }

    /// An app that is to be served otherwise: Tornado's `get_app`.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Waits until the server serves.
    pub(crate) fn new(server: Server, stage: Stage, timeout: Duration) -> Result<Self, String> {
        let address = server.address()?;
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // They are followed here, as Tornado does.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            // The server is here, whatever the environment says of the world outside.
            .proxy(None)
            .user_agent(USER_AGENT)
            .build()
            .into();
        Ok(Self {
            server,
            address,
            agent,
            timeout,
            _stage: stage,
        })
    }

    /// Sends a request and waits for its answer, whatever its status: Tornado's `fetch`.
    ///
    /// ```no_run
    /// use waterspout_test::{App, HttpRequest};
    ///
    /// let app = App::serve();
    /// assert_eq!(app.fetch("/story/1").code(), 200);
    /// let response = app.fetch(HttpRequest::new("/stories").with_method("POST").with_body("title=Rain"));
    /// assert_eq!(response.header("Content-Type"), Some("text/plain"));
    /// ```
    ///
    /// # Panics
    ///
    /// Where no answer comes in time, or none that is HTTP.
    #[track_caller]
    pub fn fetch(&self, request: impl Into<HttpRequest>) -> HttpResponse {
        let response = self.send(request.into(), None);
        response.unwrap_or_else(|error| panic!("{error}")).whole()
    }

    /// Sends a request and waits for the head of its answer: the body is read while it arrives. In Tornado that is
    /// `fetch` with a `streaming_callback`.
    ///
    /// ```no_run
    /// # let app = waterspout_test::App::serve();
    /// let mut response = app.fetch_streaming("/clock");
    /// assert_eq!(response.body_chunk().as_deref(), Some(&b"tick\n"[..]));
    /// drop(response); // the client is gone
    /// ```
    ///
    /// # Panics
    ///
    /// As [`fetch`](Self::fetch).
    #[track_caller]
    pub fn fetch_streaming(&self, request: impl Into<HttpRequest>) -> StreamedResponse {
        let response = self.send(request.into(), None);
        response.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opens a WebSocket: Tornado's `websocket_connect`. No redirect is followed.
    ///
    /// ```no_run
    /// use waterspout_test::{App, WebSocketRequest};
    ///
    /// let app = App::serve();
    /// let mut ws = app.ws_connect("/ws/echo").unwrap();
    /// ws.write_message("hello");
    /// assert_eq!(ws.read_message(), Some("hello".into()));
    ///
    /// let elsewhere = WebSocketRequest::new("/ws/echo").with_header("Origin", "http://example.com");
    /// let refused = app.ws_connect(elsewhere).unwrap_err();
    /// assert_eq!(refused.response().code(), 403);
    /// ```
    ///
    /// # Errors
    ///
    /// Where the app answers with another status than 101. The error has the response.
    ///
    /// # Panics
    ///
    /// Where no answer comes in time, or none that is HTTP, or one that agrees to what was not asked.
    #[track_caller]
    pub fn ws_connect(&self, request: impl Into<WebSocketRequest>) -> Result<WebSocket, Refused> {
        let answer = self.open(&request.into(), None);
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opens a stream to this handler, as the configuration names it: Tornado's tests connect an `IOStream`. Reads and writes
    /// wait as long as a fetch. Of several listeners of the handler it is the first; where TLS begins with the stream, it is
    /// left out.
    ///
    /// ```no_run
    /// use std::io::{BufRead, BufReader, Write};
    ///
    /// let app = waterspout_test::App::serve();
    /// let mut stream = app.tcp_connect("echo.wasm#Echo");
    /// stream.write_all(b"hello\n").unwrap();
    /// let mut line = String::new();
    /// BufReader::new(stream).read_line(&mut line).unwrap();
    /// assert_eq!(line, "You sent: hello\n");
    /// ```
    ///
    /// # Panics
    ///
    /// Where no `[[tcp]]` leads to the handler, or no connection comes about.
    #[track_caller]
    pub fn tcp_connect(&self, handler: &str) -> TcpStream {
        let connect = || -> Result<TcpStream, String> {
            let log = self.server.log();
            let address = log.wait_for(self.timeout, |lines| lines::streams_for(lines, handler));
            let address = address.map_err(|_| format!("no `[[tcp]]` leads to {handler}"))?;
            let stream = TcpStream::connect_timeout(&address, self.timeout);
            let stream = stream.map_err(|error| format!("{address}: {error}"))?;
            let limited = stream.set_read_timeout(Some(self.timeout));
            let limited = limited.and_then(|()| stream.set_write_timeout(Some(self.timeout)));
            limited.map_err(|error| format!("{address}: {error}"))?;
            Ok(stream)
        };
        connect().unwrap_or_else(|error| panic!("{error}"))
    }

    /// A client that keeps cookies, as a browser does. [`fetch`](Self::fetch) keeps none, as in Tornado.
    ///
    /// ```no_run
    /// # let app = waterspout_test::App::serve();
    /// # use waterspout_test::HttpRequest;
    /// let ada = app.session();
    /// ada.fetch(HttpRequest::new("/login").with_method("POST").with_body("name=ada"));
    /// assert_eq!(ada.fetch("/").text(), "Hello, ada");
    /// assert_eq!(app.fetch("/").code(), 403);
    /// ```
    pub fn session(&self) -> Session<'_> {
        Session::new(self)
    }

    pub(crate) fn send(
        &self,
        request: HttpRequest,
        jar: Option<&Jar>,
    ) -> Result<StreamedResponse, String> {
        let url = self.get_url(request.path());
        exchange::send(request, &self.agent, &url, self.timeout, jar)
    }

    pub(crate) fn open(
        &self,
        request: &WebSocketRequest,
        jar: Option<&Jar>,
    ) -> Result<Result<WebSocket, Refused>, String> {
        let url = match request.path.strip_prefix("ws://") {
            Some(rest) => format!("http://{rest}"),
            None => self.get_url(&request.path),
        };
        WebSocket::connect(request, &url, self.timeout, jar)
    }

    /// The URL of this path: Tornado's `get_url`. One that is a URL already stays as it is.
    pub fn get_url(&self, path: &str) -> String {
        match path.starts_with("http://") || path.starts_with("https://") {
            true => path.to_owned(),
            false => format!("http://{}{path}", self.address),
        }
    }

    /// The port on 127.0.0.1 on which it is served: Tornado's `get_http_port`.
    pub fn get_http_port(&self) -> u16 {
        self.address.port()
    }

    /// What the server has logged so far. A line may come a moment after the response that it is about:
    /// [`expect_log`](Self::expect_log) waits for it, and after [`stop`](Self::stop) none is missing.
    pub fn log(&self) -> String {
        self.server.log().text()
    }

    /// Does something, and waits until the server has logged a line with these words, later than that began: Tornado's
    /// `ExpectLog`. The logger is `access`, `app` or `general`; an empty one is any of them.
    ///
    /// ```no_run
    /// # let app = waterspout_test::App::serve();
    /// let response = app.expect_log("app", "no story 7", || app.fetch("/story/7"));
    /// assert_eq!(response.code(), 404);
    /// ```
    ///
    /// # Panics
    ///
    /// Where no such line comes.
    #[track_caller]
    pub fn expect_log<T>(&self, logger: &str, words: &str, during: impl FnOnce() -> T) -> T {
        let log = self.server.log();
        let before = log.look(<[String]>::len);
        let done = during();
        let found = log.wait_for(self.timeout, |lines| {
            entries_after(before, lines)
                .any(|entry| entry.is_of(logger) && entry.contains(words))
                .then_some(())
        });
        match found {
            Ok(()) => done,
            Err(Missing::Late) => panic!("no word of {words:?} in the log"),
            Err(Missing::Ended) => panic!("the server ended without a word of {words:?}"),
        }
    }

    /// Ends the server as `SIGTERM` does, so that instances `stop`, and gives all that it has logged.
    ///
    /// # Panics
    ///
    /// Where it does not end, or not well.
    #[track_caller]
    pub fn stop(mut self) -> String {
        match self.server.stop() {
            Ok(()) => self.server.log().text(),
            Err(error) => panic!("{error}"),
        }
    }
}
