//! Servers that handlers fetch from, in the test's own process. They answer by a function, and count their clients.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub type Body = BoxBody<Bytes, Infallible>;

/// How many connections were made, and how many are open.
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

    /// A peer that always answers this.
    pub async fn saying(text: &'static str) -> Self {
        Self::start(move |_| async move { Response::new(whole(text)) }).await
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(SeqCst)
    }

    /// Waits until this many connections are open.
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

/// A body that is complete.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// How a [`Wire`] reacts to a request.
pub enum Say {
    /// Answers, and waits for the next one.
    This(Vec<u8>),
    /// Answers, and closes the connection.
    Last(Vec<u8>),
    /// Closes the connection.
    Nothing,
}

/// A server that can answer what no library would: bytes, for each head that comes. It keeps all heads.
pub struct Wire {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    /// Answers by this function, which gets a head and the number of heads before it on its connection.
    pub async fn start(answer: impl Fn(&str, usize) -> Say + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = heads.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, seen) = (answer.clone(), seen.clone());
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let mut before = 0;
                    while let Some(head) = read_request(&mut socket).await {
                        let said = answer(&head, before);
                        seen.lock().unwrap().push(head);
                        before += 1;
                        let (bytes, goes_on) = match said {
                            Say::This(bytes) => (bytes, true),
                            Say::Last(bytes) => (bytes, false),
                            Say::Nothing => (Vec::new(), false),
                        };
                        let sent = socket.get_mut().write_all(&bytes).await;
                        if sent.is_err() || !goes_on {
                            break;
                        }
                    }
                });
            }
        });
        Self { port, heads, task }
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How many heads begin with this.
    pub fn count(&self, begin: &str) -> usize {
        let heads = self.heads.lock().unwrap();
        heads.iter().filter(|head| head.starts_with(begin)).count()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The head of a request, whose body is read as well.
async fn read_request(socket: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().expect("a length"))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await.ok()?;
    Some(head)
}
