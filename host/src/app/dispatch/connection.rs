//! A stream that a client has opened, from its listener to its end. Reads nothing and writes nothing.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::app::generation::{Generation, Site, StreamLead};
use crate::base::access::{self, Details, Summary};
use crate::base::client::{Client, Protocol};
use crate::config::Listen;
use crate::guest::bindings::Arguments;
use crate::guest::resources::{Cancel, Connection, Exchange, LET_GO, Stage};
use crate::services::tcp::{Farewell, Socket, Stream, Watched};

/// A stream as it was accepted.
pub struct Accepted {
    pub socket: Socket,
    /// The client; `None` on a unix socket.
    pub peer: Option<SocketAddr>,
    /// The listener, as it was asked for.
    pub listen: Listen,
    /// How many the same come before it.
    pub nth: usize,
    /// How long a TLS handshake may take.
    pub handshake: Option<Duration>,
    /// What is to be kept as long as the stream is open.
    pub slot: Box<dyn Any + Send>,
}

/// Serves a stream with the handler that the site has for it at this moment, until it is closed.
///
/// In boxes is what only its beginning needs, and its end: there are as many of these futures as streams.
pub fn serve(site: Arc<Site>, accepted: Accepted) -> impl Future<Output = ()> + Send + 'static {
    let begun: BoxFuture<'static, _> = begin(site.clone(), accepted).boxed();
    begun.then(move |open| OptionFuture::from(open.map(|open| open.until_closed(site))).map(drop))
}

/// A stream that its handler has, or will have.
struct Open {
    exchange: Arc<Exchange>,
    watched: Watched,
    idle_timeout: Option<Duration>,
    /// Ready when it is closed.
    gone: oneshot::Receiver<()>,
}

/// Hands a stream to its handler. `None`: it is closed.
async fn begin(site: Arc<Site>, accepted: Accepted) -> Option<Open> {
    let Accepted {
        socket,
        peer,
        listen,
        nth,
        handshake,
        slot,
    } = accepted;
    let generation = site.current();
    let streams = generation.streams_of(&listen, nth)?;
    let StreamLead::Handler {
        component,
        target,
        terms,
    } = &streams.lead
    else {
        return None;
    };
    let (component, target, terms) = (component.clone(), target.clone(), terms.clone());
    let pool = component.pool()?;
    let permit = pool.begin_stream()?;
    let (is_encrypted, begins_encrypted) = match &streams.tls {
        Some(tls) => (true, tls.start),
        None => (false, false),
    };
    let app = generation.app.clone();
    let client = Client {
        remote_ip: peer.map(|peer| peer.ip()).into(),
        protocol: match is_encrypted {
            true => Protocol::Https,
            false => Protocol::Http,
        },
        is_proxied: false,
    };
    let (closed, gone) = oneshot::channel::<()>();
    let name: Arc<str> = listen.to_string().into();
    let told = tell(&generation, &name, client, streams.lead.to_string());
    drop(generation);
    let farewell: Farewell = Box::new(move |traffic| {
        told(traffic.received, traffic.sent);
        drop(permit);
        Box::new((slot, closed))
    });
    let idle_timeout = terms.limits.idle_timeout;
    let stream = site.services().tcp.accepted(socket, terms, farewell);
    if begins_encrypted && let Err(why) = encrypt(&stream, handshake).await {
        tracing::debug!(target: "general", %listen, "a stream came to nothing: {why}");
        return None;
    }
    let watched = stream.watched();
    let address = peer.map(|peer| peer.to_string()).unwrap_or_default();
    let connection = Connection::new(stream, address, begins_encrypted);
    let exchange = Exchange::new(
        Connection::head(&name),
        client,
        Instant::now().into_std(),
        None,
        target,
        Arc::new(Arguments::None),
        Stage::Connection(Box::new(connection)),
        None,
        app,
        true,
    );
    // From here on the pool sees to it, also when no generation has the component any more.
    pool.submit(exchange.clone()).ok()?;
    Some(Open {
        exchange,
        watched,
        idle_timeout,
        gone,
    })
}

async fn encrypt(stream: &Stream, within: Option<Duration>) -> Result<(), String> {
    let accepted = match within {
        Some(within) => timeout(within, stream.accept_tls()).await,
        None => Ok(stream.accept_tls().await),
    };
    match accepted {
        Ok(accepted) => accepted.map_err(|error| format!("{error:?}")),
        Err(_) => Err("the TLS handshake took longer than `header_timeout`".to_owned()),
    }
}

impl Open {
    /// Waits until it is closed.
    async fn until_closed(mut self, site: Arc<Site>) {
        let idle = idle(self.watched.clone(), self.idle_timeout);
        let by = tokio::select! {
            _ = &mut self.gone => return,
            () = OptionFuture::from(idle).map(drop), if self.idle_timeout.is_some() => {
                self.watched.close("nothing came and nothing went within `stream_idle_timeout`".to_owned());
                return;
            }
            by = site.ending() => by,
        };
        Box::pin(self.end(by)).await;
    }

    /// The server ends, and its handler is told: it reads its end. What goes on is cancelled a moment later.
    async fn end(&mut self, by: Instant) {
        self.watched.end_reading();
        let now = Instant::now();
        let half = by.saturating_duration_since(now) / 2;
        let patience = half.min(LET_GO);
        let served = async {
            self.exchange.answered().await;
            // Something else in its instance has it.
            self.watched.close("the server ends".to_owned());
        };
        tokio::select! {
            _ = &mut self.gone => return,
            () = served => return,
            () = sleep(patience) => {}
        }
        self.exchange.cancel(Cancel::Deadline);
        let _ = (&mut self.gone).await;
    }
}

impl Drop for Open {
    /// Its connection is to be cut: `grace` is over.
    fn drop(&mut self) {
        self.watched.close("the server ends".to_owned());
    }
}

/// Ready when nothing has come and nothing has gone for so long.
fn idle(watched: Watched, limit: Option<Duration>) -> Option<BoxFuture<'static, ()>> {
    let limit = limit?;
    let idle = async move {
        while let Some(active) = watched.active() {
            let until = active + limit;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
        // It is gone already, and that is noticed elsewhere.
        std::future::pending().await
    };
    Some(idle.boxed())
}

/// Reports the end of a stream. It keeps as little as it can: there are as many as streams.
fn tell(
    generation: &Generation,
    listen: &Arc<str>,
    client: Client,
    handler: String,
) -> impl FnOnce(u64, u64) + Send + use<> {
    let (listen, began) = (listen.clone(), Instant::now());
    let (generation, handler) = (generation.number, handler.into_boxed_str());
    move |received, sent| {
        let head = Connection::head(&listen);
        let summary = Summary {
            asked: Some((&head.method, &head.uri)),
            client,
        };
        let took = || began.elapsed();
        access::stream(&summary, [received, sent], &took, || Details {
            request_id: String::new(),
            generation: Some(generation),
            handler: Some(handler.to_string()),
        });
    }
}
