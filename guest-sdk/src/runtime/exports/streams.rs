//! The stream handlers of a component as a list of types, the way of one stream through its handler, and the one task in
//! which all of them are.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustc_hash::FxHashMap;

use crate::iostream::error::StreamError;
use crate::iostream::readiness::{self, Readiness};
use crate::iostream::stream::IoStream;
use crate::result::Result;
use crate::runtime::bindings::waterspout::tcp::streams::{self, News, OpenedStream, StreamNumber};
use crate::runtime::cancel::{cancel, cancellable};
use crate::runtime::kept::Work;
use crate::runtime::{logging, place};
use crate::tcpserver::TcpHandler;
use crate::web::kwargs::Kwargs;

/// A handler at its stream. An error is a text for the log.
pub type Handling = Pin<Box<dyn Future<Output = Result<(), String>>>>;

/// The stream handlers of a component: `(First, (Second, ()))`.
#[doc(hidden)]
pub trait TcpHandlers: 'static {
    /// Handles a stream with the handler at `index`.
    fn handle(index: u32, opened: OpenedStream, readiness: Rc<Readiness>) -> Handling;
}

impl TcpHandlers for () {
    fn handle(_: u32, opened: OpenedStream, _: Rc<Readiness>) -> Handling {
        panic!("the component has no stream handler {}", opened.handler)
    }
}

impl<H: TcpHandler, Rest: TcpHandlers> TcpHandlers for (H, Rest) {
    fn handle(index: u32, opened: OpenedStream, readiness: Rc<Readiness>) -> Handling {
        match index.checked_sub(1) {
            None => Box::pin(handle::<H>(opened, readiness)),
            Some(index) => Rest::handle(index, opened, readiness),
        }
    }
}

async fn handle<H: TcpHandler>(
    opened: OpenedStream,
    readiness: Rc<Readiness>,
) -> Result<(), String> {
    let OpenedStream {
        kwargs,
        address,
        tls,
        connection,
        ..
    } = opened;
    let stream = IoStream::opened(connection, tls, readiness);
    let handled = async {
        let mut handler = H::default();
        handler.initialize(Kwargs::new(&kwargs.unwrap_or_default())?)?;
        handler.handle_stream(stream, &address).await
    };
    let ended = handled.await;
    let place = place::take();
    match ended {
        // The usual end of a handler, and no error.
        Err(error) if matches!(error.downcast_ref(), Some(StreamError::Closed(_))) => Ok(()),
        ended => ended.map_err(|error| place::described(&error, place)),
    }
}

/// Serves all streams of this instance until there are none left.
pub async fn serve<T: TcpHandlers>() {
    logging::install();
    let mut served = Served::default();
    let mut next = Box::pin(streams::next());
    poll_fn(|task| {
        loop {
            served.poll(task);
            match next.as_mut().poll(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(news)) => served.hear(news, begin::<T>),
            }
            next.set(streams::next());
        }
    })
    .await;
}

/// The streams of this instance whose handlers have not ended.
struct Served<F> {
    handlers: FuturesUnordered<F>,
    ready: FxHashMap<StreamNumber, Rc<Readiness>>,
}

impl<F> Default for Served<F> {
    fn default() -> Self {
        Self {
            handlers: FuturesUnordered::new(),
            ready: FxHashMap::default(),
        }
    }
}

/// What the handler of a stream has ended with. An error is a text for the log.
type Ended = (StreamNumber, Result<(), String>);

impl<F: Future<Output = Ended>> Served<F> {
    /// Polls the handlers that were woken.
    fn poll(&mut self, task: &mut Context<'_>) {
        while let Poll::Ready(Some((number, ended))) = self.handlers.poll_next_unpin(task) {
            if let Some(readiness) = self.ready.remove(&number) {
                readiness.end();
            }
            streams::end(number, ended.as_ref().copied().map_err(String::as_str));
        }
    }

    fn hear(&mut self, news: News, begin: impl Fn(OpenedStream, Rc<Readiness>) -> F) {
        for opened in news.opened {
            let readiness = Rc::<Readiness>::default();
            self.ready.insert(opened.stream, readiness.clone());
            self.handlers.push(begin(opened, readiness));
        }
        for number in news.readable {
            if let Some(readiness) = self.ready.get(&number) {
                readiness.set();
            }
        }
        for number in news.cancelled {
            cancel(Work::Request(number));
        }
    }
}

/// Begins the handler of a stream.
fn begin<T: TcpHandlers>(
    opened: OpenedStream,
    readiness: Rc<Readiness>,
) -> impl Future<Output = Ended> {
    let number = opened.stream;
    let handling = T::handle(opened.handler, opened, readiness.clone());
    async move {
        let mut handling = pin!(cancellable(Work::Request(number), handling));
        let ended = poll_fn(|task| {
            if !readiness.has_woken() {
                streams::turn_to(number);
            }
            readiness::serving(|| handling.as_mut().poll(task))
        });
        (number, ended.await.unwrap_or(Ok(())))
    }
}
