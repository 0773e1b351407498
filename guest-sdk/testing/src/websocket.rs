//! A WebSocket of a test to its app. Knows nothing of how the app is served.

mod codec;
mod handshake;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sockudo_ws::error::{CloseReason, Error};
use sockudo_ws::protocol::Message as Frame;
use ureq::http::{HeaderMap, header};

use crate::jar::Jar;
use crate::{HttpResponse, Message, WebSocketRequest};
use codec::Codec;
use handshake::Answer;
use wire::Wire;

/// The most bytes of a ping; the reason of a close may have two less.
const MAX_CONTROL: usize = 125;

/// A WebSocket to the app: Tornado's `WebSocketClientConnection`. When it is dropped before [`close`](Self::close), the
/// client is gone without a word.
///
/// Whatever waits, waits as long as a fetch may take, each time anew, and panics where that is over. Pings of the server
/// are answered while something is waited for.
pub struct WebSocket {
    wire: Wire,
    codec: Codec,
    url: String,
    headers: HeaderMap,
    messages: VecDeque<Message>,
    pongs: VecDeque<Vec<u8>>,
    /// No message may follow: a close was sent.
    is_closing: bool,
    end: Option<End>,
    /// The test knows that it is closed: it has closed it, or has read that.
    is_known: bool,
}

/// Why nothing more comes.
enum End {
    /// The server has closed it, or has answered to that.
    Closed(Option<CloseReason>),
    /// The connection has ended without that.
    Lost,
    /// The server has sent what it may not.
    Broken(Error),
}

/// An app's refusal of a WebSocket: its response, whose status is not 101.
#[derive(Clone, Debug)]
pub struct Refused(Box<HttpResponse>);

impl Refused {
    /// The response, with its body.
    pub fn response(&self) -> &HttpResponse {
        &self.0
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is no WebSocket: {}",
            self.0.effective_url, self.0.code
        )
    }
}

impl std::error::Error for Refused {}

impl WebSocket {
    /// Opens one at this URL.
    pub(crate) fn connect(
        request: &WebSocketRequest,
        url: &str,
        timeout: Duration,
        jar: Option<&Jar>,
    ) -> Result<Result<Self, Refused>, String> {
        let timeout = request.timeout.unwrap_or(timeout);
        let at = |error| format!("WebSocket {url}: {error}");
        let (wire, headers) = match handshake::open(request, url, timeout, jar).map_err(at)? {
            Answer::Opened(wire, headers) => (wire, headers),
            Answer::Refused(response) => return Ok(Err(Refused(response.into()))),
        };
        let extensions = headers.get(header::SEC_WEBSOCKET_EXTENSIONS);
        let extensions = extensions.and_then(|value| value.to_str().ok());
        let mut socket = Self {
            codec: Codec::client(extensions).map_err(at)?,
            wire,
            url: url.to_owned(),
            headers,
            messages: VecDeque::new(),
            pongs: VecDeque::new(),
            is_closing: false,
            end: None,
            is_known: false,
        };
        // What came with the response.
        socket.take()?;
        Ok(Ok(socket))
    }

    /// Sends a message: text of a `str`, or else bytes. If the server has closed or is gone already, the message is
    /// lost, and [`read_message`](Self::read_message) says so.
    ///
    /// # Panics
    ///
    /// After [`close`](Self::close), after `read_message` has returned `None`, and where the server does not read on.
    #[track_caller]
    pub fn write_message(&mut self, message: impl Into<Message>) {
        let frame = match message.into() {
            Message::Text(text) => Frame::Text(text.into()),
            Message::Binary(bytes) => Frame::Binary(bytes.into()),
        };
        self.write(&frame);
    }

    /// Waits for the next message; `None` once the WebSocket is closed, by either side, or its connection has ended.
    ///
    /// # Panics
    ///
    /// Where nothing comes, and where the server breaks the protocol.
    #[track_caller]
    pub fn read_message(&mut self) -> Option<Message> {
        let message = self.wait("message", |socket| socket.messages.pop_front());
        message.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends a ping with up to 125 bytes. [`read_pong`](Self::read_pong) waits for what answers.
    ///
    /// # Panics
    ///
    /// As [`write_message`](Self::write_message), and where it has more bytes.
    #[track_caller]
    pub fn ping(&mut self, data: impl AsRef<[u8]>) {
        let data = data.as_ref().to_vec();
        assert!(data.len() <= MAX_CONTROL, "a ping of {} bytes", data.len());
        self.write(&Frame::Ping(data.into()));
    }

    /// Waits for the next pong, and returns what is in it; messages that come before it are kept. `None` as with
    /// [`read_message`](Self::read_message).
    ///
    /// # Panics
    ///
    /// As [`read_message`](Self::read_message).
    #[track_caller]
    pub fn read_pong(&mut self) -> Option<Vec<u8>> {
        let pong = self.wait("pong", |socket| socket.pongs.pop_front());
        pong.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Begins to close, with a code or without. [`read_message`](Self::read_message) returns the messages that are still on
    /// their way, and then `None`. As in Tornado, a reason without a code has 1000. Nothing happens where it is closed
    /// already.
    ///
    /// ```no_run
    /// # let app = waterspout_test::App::serve();
    /// let mut ws = app.ws_connect("/ws/echo").unwrap();
    /// ws.close(1001, "goodbye");
    /// assert_eq!(ws.read_message(), None);
    /// assert_eq!(ws.close_code(), Some(1001));
    /// ```
    ///
    /// # Panics
    ///
    /// Where the reason has more than 123 bytes.
    #[track_caller]
    pub fn close(&mut self, code: impl Into<Option<u16>>, reason: &str) {
        assert!(
            reason.len() <= MAX_CONTROL - 2,
            "a reason of {} bytes",
            reason.len()
        );
        self.is_known = true;
        if self.is_closing {
            return;
        }
        let usual = (!reason.is_empty()).then_some(CloseReason::NORMAL);
        let reason = code
            .into()
            .or(usual)
            .map(|code| CloseReason::new(code, reason));
        self.is_closing = true;
        let sent = self.send(&Frame::Close(reason));
        sent.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The code with which the server has closed it, or has answered to [`close`](Self::close). `None` before that has
    /// arrived, and where there was none.
    pub fn close_code(&self) -> Option<u16> {
        self.closed().map(|reason| reason.code)
    }

    /// The reason that came with [`close_code`](Self::close_code), which may be empty.
    pub fn close_reason(&self) -> Option<&str> {
        self.closed().map(|reason| &*reason.reason)
    }

    fn closed(&self) -> Option<&CloseReason> {
        match &self.end {
            Some(End::Closed(reason)) => reason.as_ref(),
            _ => None,
        }
    }

    /// The subprotocol that the server has selected, if any.
    pub fn selected_subprotocol(&self) -> Option<&str> {
        self.header(header::SEC_WEBSOCKET_PROTOCOL.as_str())
    }

    /// All headers of the response with which it was opened.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first of these headers with this name, in any case, where its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    #[track_caller]
    fn write(&mut self, frame: &Frame) {
        assert!(!self.is_known, "the WebSocket {} is closed", self.url);
        // What the test has not read yet decides nothing: the network might as well be slower.
        if self.end.is_none() {
            self.send(frame).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Waits until this finds something, or nothing more can come.
    fn wait<T>(
        &mut self,
        what: &str,
        found: impl Fn(&mut Self) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let until = self.wire.deadline();
        loop {
            if let Some(found) = found(self) {
                return Ok(Some(found));
            }
            match &self.end {
                None => self.receive(what, until)?,
                Some(End::Closed(_) | End::Lost) => {
                    self.is_known = true;
                    return Ok(None);
                }
                Some(End::Broken(error)) => {
                    return Err(format!(
                        "the server of {} breaks the protocol: {error}",
                        self.url
                    ));
                }
            }
        }
    }

    fn receive(&mut self, what: &str, until: Instant) -> Result<(), String> {
        match self.wire.read(until) {
            Ok(0) => self.end = Some(End::Lost),
            Ok(_) => self.take()?,
            Err(error) if is_lost(error.kind()) => self.end = Some(End::Lost),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                let timeout = self.wire.timeout();
                return Err(format!("no {what} came from {} for {timeout:?}", self.url));
            }
            Err(error) => return Err(format!("{}: {error}", self.url)),
        }
        Ok(())
    }

    /// Takes what has arrived, and answers to what has to be answered.
    fn take(&mut self) -> Result<(), String> {
        let mut frames = Vec::new();
        let taken = self.codec.decode(&mut self.wire.unread, &mut frames);
        for frame in frames {
            match frame {
                Frame::Text(text) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    self.messages.push_back(Message::Text(text));
                }
                Frame::Binary(bytes) => self.messages.push_back(Message::Binary(bytes.into())),
                Frame::Ping(data) if !self.is_closing => self.send(&Frame::Pong(data))?,
                Frame::Ping(_) => {}
                Frame::Pong(data) => self.pongs.push_back(data.into()),
                Frame::Close(reason) => {
                    self.end = Some(End::Closed(reason.clone()));
                    // The rest is not looked at.
                    return self.answer_close(reason);
                }
            }
        }
        if let Err(error) = taken {
            let reason = CloseReason::new(code_of(&error), "");
            self.end = Some(End::Broken(error));
            self.answer_close(Some(reason))?;
        }
        Ok(())
    }

    fn answer_close(&mut self, reason: Option<CloseReason>) -> Result<(), String> {
        match std::mem::replace(&mut self.is_closing, true) {
            true => Ok(()),
            false => self.send(&Frame::Close(reason)),
        }
    }

    /// Sends it, unless the server is gone: that is learnt by reading.
    fn send(&mut self, frame: &Frame) -> Result<(), String> {
        let bytes = self
            .codec
            .encode(frame)
            .map_err(|error| error.to_string())?;
        match self.wire.write(&bytes) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                let timeout = self.wire.timeout();
                Err(format!("{} has not read on for {timeout:?}", self.url))
            }
            Err(error) if !is_lost(error.kind()) => Err(format!("{}: {error}", self.url)),
            _ => Ok(()),
        }
    }
}

/// Whether the other side is gone.
fn is_lost(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected
    )
}

/// The code that tells a server what it has done.
fn code_of(error: &Error) -> u16 {
    match error {
        Error::InvalidUtf8 | Error::Compression(_) => CloseReason::INVALID_PAYLOAD,
        Error::MessageTooLarge | Error::FrameTooLarge => CloseReason::TOO_BIG,
        _ => CloseReason::PROTOCOL_ERROR,
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("url", &self.url)
            .field("headers", &self.headers)
            .field("close_code", &self.close_code())
            .finish_non_exhaustive()
    }
}
