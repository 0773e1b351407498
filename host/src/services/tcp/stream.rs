//! One stream: bytes in both directions, TLS, and the end.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::tls::Tls;

/// How much is read ahead.
const AHEAD: usize = 64 * 1024;

/// How much is read at once.
const AT_ONCE: usize = 32 * 1024;

/// How long what was written before the end has for its way out.
const LINGER: Duration = Duration::from_secs(5);

/// Why something was not read, or not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// It is closed. The system's error, if there was one.
    Closed(Option<String>),
    Tls(String),
    Invalid(String),
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Closed(Some(error.to_string()))
    }
}

/// A stream. A clone is the same one; it is closed when the last is dropped.
#[derive(Clone)]
pub struct Stream(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Something has come, there is room for more, or nobody waits for that any more who did.
    changed: Notify,
    tls: Arc<Tls>,
    /// This side, and the other.
    addresses: Option<[SocketAddr; 2]>,
    /// Its place under `max_clients`.
    _turn: Option<OwnedSemaphorePermit>,
}

struct State {
    io: Io,
    incoming: BytesMut,
    /// Nothing more comes.
    end: Option<StreamError>,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Others shake hands with it.
    Away,
    Closed,
}

impl Stream {
    pub(super) fn new(
        socket: TcpStream,
        tls: Arc<Tls>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let addresses = socket.local_addr().and_then(|local| {
            let remote = socket.peer_addr()?;
            Ok([local, remote])
        });
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                io: Io::Plain(socket),
                incoming: BytesMut::new(),
                end: None,
            }),
            changed: Notify::new(),
            tls,
            addresses: addresses.ok(),
            _turn: turn,
        }))
    }

    /// This side, and the other, as far as the system has said it.
    pub fn addresses(&self) -> Option<[SocketAddr; 2]> {
        self.0.addresses
    }

    /// Waits until there are bytes to read, or none any more.
    pub async fn readable(&self) {
        self.until(|state, cx| match state.incoming.is_empty() {
            true => state.poll_fill(cx),
            false => Poll::Ready(()),
        })
        .await;
    }

    /// Waits until the other side has closed. What it sends before that is read ahead, as far as there is room.
    pub async fn ended(&self) {
        self.until(|state, cx| {
            while state.end.is_none() && state.incoming.len() < AHEAD {
                ready!(state.poll_fill(cx));
            }
            match state.end {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Polls until that is ready. Others may wait for the same connection at the same time, which wakes only one.
    async fn until(&self, mut poll: impl FnMut(&mut State, &mut Context<'_>) -> Poll<()>) {
        let _waits = Waits(&self.0.changed);
        let mut poll_once = |cx: &mut Context<'_>| {
            let mut state = self.0.state();
            let before = (state.incoming.len(), state.end.is_some());
            let polled = poll(&mut state, cx);
            let has_come = before != (state.incoming.len(), state.end.is_some());
            drop(state);
            if has_come {
                self.0.changed.notify_waiters();
            }
            polled
        };
        loop {
            let changed = self.0.changed.notified();
            tokio::select! {
                biased;
                () = poll_fn(&mut poll_once) => return,
                () = changed => {}
            }
        }
    }

    /// Up to this number of the bytes that have come.
    pub fn read(&self, most: usize) -> Result<Vec<u8>, StreamError> {
        let mut state = self.0.state();
        if state.incoming.is_empty() {
            return match &state.end {
                Some(end) => Err(end.clone()),
                None => Ok(Vec::new()),
            };
        }
        let was_full = state.incoming.len() >= AHEAD;
        let part = most.min(state.incoming.len());
        let read = state.incoming.split_to(part).to_vec();
        if state.incoming.is_empty() {
            // Most streams are quiet: they have no buffer.
            state.incoming = BytesMut::new();
        }
        drop(state);
        if was_full {
            self.0.changed.notify_waiters();
        }
        Ok(read)
    }

    /// Writes as much as the system takes now.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, StreamError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        // What comes later is heard by who waits in `writable`.
        let cx = &mut Context::from_waker(Waker::noop());
        let mut state = self.0.state();
        let io = state.open()?;
        match io.poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => {
                // TLS keeps some of it.
                match io.poll_flush(cx) {
                    Poll::Ready(Err(error)) => Err(error.into()),
                    _ => Ok(written),
                }
            }
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Pending => Ok(0),
        }
    }

    /// Waits until the system has taken what was written, and takes more.
    pub async fn writable(&self) -> Result<(), StreamError> {
        poll_fn(|cx| {
            let mut state = self.0.state();
            let io = state.open()?;
            ready!(io.poll_flush(cx))?;
            ready!(io.poll_write_ready(cx))?;
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Says that nothing more is written.
    pub async fn close_writing(&self) -> Result<(), StreamError> {
        poll_fn(|cx| {
            let mut state = self.0.state();
            ready!(state.open()?.poll_shutdown(cx))?;
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Closes. What was written before goes out.
    pub fn close(&self) {
        let mut state = self.0.state();
        let io = std::mem::replace(&mut state.io, Io::Closed);
        state.end.get_or_insert(StreamError::Closed(None));
        state.incoming = BytesMut::new();
        drop(state);
        io.let_go();
        self.0.changed.notify_waiters();
    }

    /// Whether small pieces go out immediately.
    pub fn set_nodelay(&self, nodelay: bool) {
        // A connection that is lost says so elsewhere.
        let _ = self.0.state().io.set_nodelay(nodelay);
    }

    /// Begins TLS, as the client, with the server of this name or address.
    pub async fn start_tls(&self, host: &str) -> Result<(), StreamError> {
        let (connector, name) = self.0.tls.with(host).await.map_err(StreamError::Tls)?;
        let socket = {
            let mut state = self.0.state();
            if !state.incoming.is_empty() {
                let why = "something has come that was not read, and TLS would lose it";
                return Err(StreamError::Invalid(why.to_owned()));
            }
            match std::mem::replace(&mut state.io, Io::Away) {
                Io::Plain(socket) => socket,
                other => {
                    state.io = other;
                    state.open()?;
                    return Err(StreamError::Invalid("it speaks TLS already".to_owned()));
                }
            }
        };
        // If this future is dropped, the stream is closed.
        let mut away = Away(&self.0, Io::Closed);
        let stream = connector.connect(name, socket).await;
        let stream = stream.map_err(|error| StreamError::Tls(error.to_string()))?;
        away.1 = Io::Tls(Box::new(stream));
        Ok(())
    }
}

/// Others look once more, when one that has waited waits no more.
struct Waits<'a>(&'a Notify);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

/// What becomes of a connection that is away, when this is dropped.
struct Away<'a>(&'a Inner, Io);

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        // It may have been closed in between.
        if let Io::Away = state.io {
            state.io = std::mem::replace(&mut self.1, Io::Closed);
            if let Io::Closed = state.io {
                state.end.get_or_insert(StreamError::Closed(None));
            }
        }
        drop(state);
        self.0.changed.notify_waiters();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut state = self.state();
        let io = std::mem::replace(&mut state.io, Io::Closed);
        drop(state);
        io.let_go();
    }
}

impl State {
    /// The connection, where it can be used.
    fn open(&mut self) -> Result<&mut Io, StreamError> {
        match &mut self.io {
            Io::Closed => Err(StreamError::Closed(None)),
            Io::Away => Err(StreamError::Invalid("TLS is beginning".to_owned())),
            io => Ok(io),
        }
    }

    /// Reads ahead. Ready where something has come, or nothing more comes.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.end.is_some() {
            return Poll::Ready(());
        }
        let mut space = [const { MaybeUninit::uninit() }; AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space);
        match ready!(self.io.poll_read(cx, &mut read)) {
            Ok(()) if read.filled().is_empty() => self.end = Some(StreamError::Closed(None)),
            Ok(()) => self.incoming.extend_from_slice(read.filled()),
            Err(error) => self.end = Some(error.into()),
        }
        Poll::Ready(())
    }
}

impl Io {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Away => Poll::Pending,
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Away | Self::Closed => Poll::Pending,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Plain(_) | Self::Away | Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_write_ready(cx),
            Self::Tls(stream) => stream.get_ref().0.poll_write_ready(cx),
            Self::Away | Self::Closed => Poll::Pending,
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Away | Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.set_nodelay(nodelay),
            Self::Tls(stream) => stream.get_ref().0.set_nodelay(nodelay),
            Self::Away | Self::Closed => Ok(()),
        }
    }

    /// Closes, behind what was written. The system does that by itself; only TLS has an end of its own.
    fn let_go(self) {
        if let Self::Tls(mut stream) = self
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let _ = timeout(LINGER, stream.shutdown()).await;
            });
        }
    }
}
