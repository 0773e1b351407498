//! The peer: the library of Waterspout's protocol on hyper, and nothing else. It sends messages back on any path, and what
//! is posted to `/publish` to all sockets of `/topic`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use sockudo_ws::OpCode;
use sockudo_ws::deflate::{DeflateConfig, DeflateNegotiation, negotiate_server_deflate};
use sockudo_ws::frame::encode_frame;
use sockudo_ws::handshake::generate_accept_key;
use sockudo_ws::protocol::{CompressedProtocol, Message, Protocol, Role};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use crate::native::BUFFER;

/// Waterspout's `websocket_max_message_size` without a configuration.
const MAX_MESSAGE: usize = 10 * 1024 * 1024;

const TOPIC: &str = "/topic";

type Answer = Response<Full<Bytes>>;

/// Those that have subscribed.
static SUBSCRIBERS: Mutex<BTreeMap<u64, Arc<OwnedWriteHalf>>> = Mutex::new(BTreeMap::new());

/// Serves until the process ends, with as many threads as it has cores.
pub fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { tokio::spawn(accept(address)).await? })
}

async fn accept(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async {
            // An error is a client that has left.
            let _ = http1::Builder::new()
                .header_read_timeout(None)
                .max_header_size(BUFFER)
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .with_upgrades()
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let answer = match request.uri().path() {
        "/publish" => publish(request).await,
        _ => upgrade(request),
    };
    Ok(answer.unwrap_or_else(|_| {
        let mut answer = Answer::default();
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        answer
    }))
}

/// Answers a handshake as Waterspout does, and carries its socket from then on.
fn upgrade(mut request: Request<Incoming>) -> anyhow::Result<Answer> {
    let text = |name| request.headers().get(name).map(HeaderValue::to_str);
    let key = text(header::SEC_WEBSOCKET_KEY).context("no key")??;
    // The policy of Waterspout for a handler that compresses.
    let policy = DeflateConfig {
        compression_level: 6,
        compression_threshold: 1,
        ..DeflateConfig::default()
    };
    let offer = text(header::SEC_WEBSOCKET_EXTENSIONS).transpose()?;
    let deflate = offer.and_then(|offer| negotiate_server_deflate(offer, &policy));
    let mut answer = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_ACCEPT, generate_accept_key(key));
    if let Some(deflate) = &deflate {
        answer = answer.header(
            header::SEC_WEBSOCKET_EXTENSIONS,
            deflate.to_response_header(),
        );
    }
    let subscribes = request.uri().path() == TOPIC;
    tokio::spawn(carry(on(&mut request), deflate, subscribes));
    Ok(answer.body(Full::default())?)
}

/// The library's two ways.
enum Endpoint {
    Plain(Protocol),
    Deflate(Box<CompressedProtocol>),
}

impl Endpoint {
    fn new(deflate: Option<DeflateNegotiation>) -> Self {
        match deflate {
            None => Self::Plain(Protocol::new(Role::Server, MAX_MESSAGE, MAX_MESSAGE)),
            Some(deflate) => {
                let protocol = CompressedProtocol::server(MAX_MESSAGE, MAX_MESSAGE, deflate.config);
                Self::Deflate(Box::new(protocol))
            }
        }
    }

    fn read(&mut self, read: &mut BytesMut, messages: &mut Vec<Message>) -> sockudo_ws::Result<()> {
        match self {
            Self::Plain(protocol) => protocol.process_into(read, messages),
            Self::Deflate(protocol) => protocol.process_into(read, messages),
        }
    }

    fn write(&mut self, message: &Message, to: &mut BytesMut) -> sockudo_ws::Result<()> {
        match self {
            Self::Plain(protocol) => protocol.encode_message(message, to),
            Self::Deflate(protocol) => protocol.encode_message(message, to),
        }
    }
}

/// A socket until its client closes it or leaves.
async fn carry(
    upgrade: OnUpgrade,
    deflate: Option<DeflateNegotiation>,
    subscribes: bool,
) -> anyhow::Result<()> {
    /// With less room than the first, there is to be the second.
    const LEAST: usize = 4096;
    const ROOM: usize = 65_536;
    let Ok(parts) = upgrade.await?.downcast::<TokioIo<TcpStream>>() else {
        bail!("not the connection that was accepted");
    };
    let (mut reader, writer) = parts.io.into_inner().into_split();
    let writer = Arc::new(writer);
    let _subscribed = subscribes.then(|| Subscribed::new(writer.clone()));
    let mut endpoint = Endpoint::new(deflate);
    let (mut read, mut out) = (BytesMut::from(parts.read_buf), BytesMut::new());
    let mut messages = Vec::new();
    loop {
        endpoint.read(&mut read, &mut messages)?;
        for message in messages.drain(..) {
            match message {
                Message::Close(_) => return Ok(()),
                Message::Pong(_) => {}
                Message::Ping(data) => endpoint.write(&Message::Pong(data), &mut out)?,
                message => endpoint.write(&message, &mut out)?,
            }
        }
        write_all(&writer, &out).await?;
        out.clear();
        if read.capacity() - read.len() < LEAST {
            read.reserve(ROOM);
        }
        if reader.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

/// A socket among those that have subscribed, until this is dropped.
struct Subscribed(u64);

impl Subscribed {
    fn new(writer: Arc<OwnedWriteHalf>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut subscribers = SUBSCRIBERS.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.insert(id, writer);
        Self(id)
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        let mut subscribers = SUBSCRIBERS.lock().unwrap_or_else(PoisonError::into_inner);
        subscribers.remove(&self.0);
    }
}

/// Writes one frame to all that have subscribed, and says how many these are.
async fn publish(request: Request<Incoming>) -> anyhow::Result<Answer> {
    let body = request.into_body().collect().await?.to_bytes();
    let mut frame = BytesMut::new();
    encode_frame(&mut frame, OpCode::Text, &body, true, None);
    let (mut count, mut slow) = (0, Vec::new());
    {
        let subscribers = SUBSCRIBERS.lock().unwrap_or_else(PoisonError::into_inner);
        for writer in subscribers.values() {
            count += 1;
            match writer.try_write(&frame) {
                Ok(written) if written == frame.len() => {}
                Ok(written) => slow.push((writer.clone(), written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    slow.push((writer.clone(), 0));
                }
                // Its task sees that it has left.
                Err(_) => {}
            }
        }
    }
    for (writer, written) in slow {
        write_all(&writer, &frame[written..]).await?;
    }
    Ok(Response::new(count.to_string().into()))
}

async fn write_all(writer: &OwnedWriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match writer.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => writer.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
