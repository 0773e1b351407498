//! Streams that clients open by TCP. Tornado's [`tornado.tcpserver`](https://www.tornadoweb.org/en/stable/tcpserver.html).

use crate::iostream::stream::IoStream;
use crate::result::Result;
use crate::web::kwargs::Kwargs;

/// The handler of streams that clients open. Tornado's
/// [`TCPServer`](https://www.tornadoweb.org/en/stable/tcpserver.html#tornado.tcpserver.TCPServer), without its sockets:
/// those are the host's, and `[[tcp]]` of the configuration says where it listens for which handler.
///
/// ```
/// use waterspout_sdk::prelude::*;
/// use waterspout_sdk::iostream::IoStream;
/// use waterspout_sdk::tcpserver::TcpHandler;
///
/// #[derive(Default)]
/// struct Echo;
///
/// #[handler]
/// impl TcpHandler for Echo {
///     async fn handle_stream(&mut self, stream: IoStream, _: &str) -> Result {
///         loop {
///             let line = stream.read_until(b"\n").await?;
///             stream.write([b"You sent: ", &line[..]].concat()).await?;
///         }
///     }
/// }
///
/// export!(tcp = [Echo]);
/// ```
///
/// ```toml
/// [[tcp]]
/// listen = "127.0.0.1:7000"
/// handler = "echo.wasm#Echo"
/// ```
///
/// Each stream gets an object of its own, made by `Default`. While one awaits, others are served. Under `#[handler]` an
/// error in the log has the place of its `?`.
pub trait TcpHandler: Default + 'static {
    /// Takes the `kwargs` of the listener, before `handle_stream`.
    fn initialize(&mut self, kwargs: Kwargs) -> Result {
        let _ = kwargs;
        Ok(())
    }

    /// Serves a stream. `address`: the client, such as `192.0.2.1:50000`; empty where it came by a unix socket. Tornado's
    /// [`handle_stream`](https://www.tornadoweb.org/en/stable/tcpserver.html#tornado.tcpserver.TCPServer.handle_stream).
    ///
    /// The stream is closed when this has returned, unless a clone of it is kept. An error is logged, except for
    /// [`StreamError::Closed`](crate::iostream::StreamError::Closed): `?` on a stream that its client has closed is how most
    /// handlers end.
    ///
    /// When the server ends, or `drain_deadline` of an instance that is to end is over, the stream reads its end: what has
    /// come is read, then it is closed for reading. A function that goes on nevertheless ends at its next `.await` 5 seconds
    /// later, or after half of the server's `grace`.
    fn handle_stream(&mut self, stream: IoStream, address: &str) -> impl Future<Output = Result>;
}
