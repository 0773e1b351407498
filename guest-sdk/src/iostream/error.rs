//! Why a stream was not opened, read or written.

use std::fmt;

use crate::runtime::bindings::waterspout::tcp::iostream as host;
use crate::runtime::bindings::waterspout::tcp::tcpclient::ConnectError;

/// Why a stream was not opened, or something was not read or written.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use waterspout_sdk::iostream::{IoStream, StreamError};
/// # async fn all(stream: IoStream) -> Result {
/// loop {
///     match stream.read_until(b"\n").await {
///         Ok(line) => stream.write(line).await?,
///         Err(StreamError::Closed(_)) => break Ok(()),
///         Err(error) => break Err(error.into()),
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream is closed; with the system's error, if there was one. Tornado's
    /// [`StreamClosedError`](https://www.tornadoweb.org/en/stable/iostream.html#tornado.iostream.StreamClosedError), whose
    /// `real_error` that is.
    Closed(Option<String>),
    /// What was to be read did not come within that many bytes. The stream was closed for it. Tornado's
    /// `UnsatisfiableReadError`.
    Unsatisfiable(usize),
    /// More came than may wait to be read. The stream was closed for it. Tornado's `StreamBufferFullError`.
    BufferFull(usize),
    /// The component's `allow.tcp` does not grant the server, or its name leads where no name may lead; says which.
    NotGranted(String),
    /// It has taken too long to connect.
    Timeout,
    /// There is no way to the server; says why.
    Unreachable(String),
    /// The server's certificate is not accepted, or TLS fails otherwise; says why.
    Tls(String),
    /// The call was wrong; says how.
    Invalid(String),
    /// Anything else.
    Other(String),
}

impl StreamError {
    /// Whether it is [`Closed`](Self::Closed).
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(None) => f.write_str("Stream is closed"),
            Self::Closed(Some(why)) => write!(f, "Stream is closed: {why}"),
            Self::Unsatisfiable(most) => {
                write!(f, "what was to be read is not within {most} bytes")
            }
            Self::BufferFull(most) => {
                write!(f, "Reached maximum read buffer size: {most} bytes")
            }
            Self::NotGranted(why) => write!(f, "Not granted: {why}"),
            Self::Timeout => f.write_str("Timeout while connecting"),
            Self::Unreachable(why) | Self::Tls(why) | Self::Invalid(why) | Self::Other(why) => {
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for StreamError {}

impl From<host::Error> for StreamError {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Closed(why) => Self::Closed(why),
            host::Error::Tls(why) => Self::Tls(why),
            host::Error::Invalid(why) => Self::Invalid(why),
            host::Error::Other(why) => Self::Other(why),
        }
    }
}

impl From<ConnectError> for StreamError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::NotGranted(why) => Self::NotGranted(why),
            ConnectError::Timeout => Self::Timeout,
            ConnectError::Unreachable(why) => Self::Unreachable(why),
            ConnectError::Tls(why) => Self::Tls(why),
            ConnectError::Invalid(why) => Self::Invalid(why),
            ConnectError::Other(why) => Self::Other(why),
        }
    }
}
