//! Streams of bytes: read up to a delimiter, or this many, or to the end; written whole. Tornado's
//! [`tornado.iostream`](https://www.tornadoweb.org/en/stable/iostream.html). [`tcpclient`](crate::tcpclient) opens
//! them, and [`tcpserver`](crate::tcpserver) gets those that clients open.
//!
//! ```
//! use waterspout_sdk::prelude::*;
//! use waterspout_sdk::tcpclient::TcpClient;
//!
//! # async fn get(cx: &Context) -> Result {
//! let stream = TcpClient::new().connect("gopher.internal", 70).await?;
//! stream.write(b"\r\n").await?;
//! while let Ok(line) = stream.read_until(b"\r\n").await {
//!     cx.write(line)?;
//! }
//! # Ok(())
//! # }
//! ```

pub(crate) mod error;
pub(crate) mod readiness;
pub(crate) mod stream;

pub use error::StreamError;
pub use stream::IoStream;
