//! A server that handlers fetch from, in the test's own process: it answers by a function, and counts who comes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub type Body = BoxBody<Bytes, Infallible>;

/// How many came, and are here.
#[derive(Debug, Default)]
pub struct Counts {
    pub accepted: AtomicUsize,
    pub open: AtomicUsize,
    pub requests: AtomicUsize,
    pub at_once: AtomicUsize,
    pub most_at_once: AtomicUsize,
}

/// A peer that answers until it is dropped.
pub struct Peer {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    /// Answers each request by this function, on a free port of 127.0.0.1.
    pub async fn start<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_with(None, answer).await
    }

    /// The same behind TLS.
    pub async fn start_with<F, R>(tls: Option<TlsAcceptor>, answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let counted = counts.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    continue;
                };
                counted.accepted.fetch_add(1, SeqCst);
                let (tls, answer, counts) = (tls.clone(), answer.clone(), counted.clone());
                tokio::spawn(async move {
                    counts.open.fetch_add(1, SeqCst);
                    let count = counts.clone();
                    let service = service_fn(move |request| {
                        let (answering, counts) = (answer(request), count.clone());
                        async move {
                            counts.requests.fetch_add(1, SeqCst);
                            let now = counts.at_once.fetch_add(1, SeqCst) + 1;
                            counts.most_at_once.fetch_max(now, SeqCst);
                            let response = answering.await;
                            counts.at_once.fetch_sub(1, SeqCst);
                            Ok::<_, Infallible>(response)
                        }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = match tls {
                        None => server.serve_connection(TokioIo::new(socket), service).await,
                        Some(tls) => match tls.accept(socket).await {
                            Ok(stream) => {
                                server.serve_connection(TokioIo::new(stream), service).await
                            }
                            Err(_) => Ok(()),
                        },
                    };
                    counts.open.fetch_sub(1, SeqCst);
                });
            }
        });
        Self {
            address,
            counts,
            task,
        }
    }

    /// One that says this to everybody.
    pub async fn saying(text: &'static str) -> Self {
        Self::start(move |_| async move { Response::new(whole(text)) }).await
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(SeqCst)
    }

    /// Waits until so many connections are open.
    pub async fn until_open(&self, connections: usize) {
        super::soon(async {
            while self.counts.open.load(SeqCst) != connections {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A body that is there at once.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}
