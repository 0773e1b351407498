//! The stream handlers of a component as a list of types, and the way of one stream through its handler.

use std::pin::Pin;

use crate::iostream::error::StreamError;
use crate::iostream::stream::{IoStream, MAX_BUFFER_SIZE};
use crate::result::Result;
use crate::runtime::bindings::tcpserver::exports::waterspout::tcp::tcpserver::StreamCall;
use crate::runtime::bindings::waterspout::tcp::iostream::TcpStream;
use crate::runtime::cancel::cancellable;
use crate::runtime::kept::Work;
use crate::runtime::{logging, place};
use crate::tcpserver::TcpHandler;
use crate::web::kwargs::Kwargs;

/// A stream that is being served. An error is a text for the log.
pub type Serving = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// The stream handlers of a component: `(First, (Second, ()))`.
#[doc(hidden)]
pub trait TcpHandlers: 'static {
    /// Serves a stream with the handler at `index`.
    fn serve(index: u32, call: StreamCall, connection: TcpStream) -> Serving;
}

impl TcpHandlers for () {
    fn serve(_: u32, call: StreamCall, _: TcpStream) -> Serving {
        panic!("the component has no stream handler {}", call.handler)
    }
}

impl<H: TcpHandler, Rest: TcpHandlers> TcpHandlers for (H, Rest) {
    fn serve(index: u32, call: StreamCall, connection: TcpStream) -> Serving {
        match index.checked_sub(1) {
            None => serve::<H>(call, connection),
            Some(index) => Rest::serve(index, call, connection),
        }
    }
}

fn serve<H: TcpHandler>(call: StreamCall, connection: TcpStream) -> Serving {
    let work = Work::Request(call.stream);
    let stream = IoStream::new(connection, call.tls, MAX_BUFFER_SIZE);
    let serving: Serving = Box::pin(async move {
        let result = handle::<H>(call, stream).await;
        let place = place::take();
        result.map_err(|error| place::described(&error, place))
    });
    Box::pin(async move {
        logging::install();
        let ended = cancellable(work, serving).await;
        ended.unwrap_or(Ok(()))
    })
}

/// A stream that is closed is the usual end of its handler, and no error.
async fn handle<H: TcpHandler>(call: StreamCall, stream: IoStream) -> Result {
    let StreamCall {
        kwargs, address, ..
    } = call;
    let mut handler = H::default();
    handler.initialize(Kwargs::new(&kwargs.unwrap_or_default())?)?;
    match handler.handle_stream(stream, &address).await {
        Err(error) if matches!(error.downcast_ref(), Some(StreamError::Closed(_))) => Ok(()),
        result => result,
    }
}
