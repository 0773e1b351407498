//! One stream: bytes in both directions, TLS, and the end.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::ReadBuf;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::linger::let_go;
use super::terms::{Farewell, Kept, Terms, Traffic};
use super::tls::Tls;
use super::transport::{Socket, Transport};

/// How much is read at once.
const AT_ONCE: usize = 32 * 1024;

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

/// A stream that others own.
#[derive(Clone)]
pub struct Watched(Weak<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Something has come, there is room for more, or nobody waits for that any more who did.
    changed: Notify,
    terms: Arc<Terms>,
    /// For TLS as a client.
    tls: Arc<Tls>,
    /// This side, and the other.
    addresses: Option<[SocketAddr; 2]>,
}

struct State {
    io: Transport,
    incoming: BytesMut,
    /// Nothing more comes.
    end: Option<StreamError>,
    /// The other side has closed, or is gone.
    is_heard_out: bool,
    traffic: Traffic,
    /// When something has come or gone last, where that is limited.
    active: Option<Instant>,
    farewell: Option<Farewell>,
    /// Where it is a client's: its number in the instance, and what is to be woken when it can be read.
    instance: Option<(u64, Waker)>,
}

impl Stream {
    pub fn new(socket: Socket, terms: Arc<Terms>, tls: Arc<Tls>, farewell: Farewell) -> Self {
        let addresses = match &socket {
            Socket::Tcp(socket) => socket.local_addr().and_then(|local| {
                let remote = socket.peer_addr()?;
                Ok([local, remote])
            }),
            Socket::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        terms.counters().opened.count();
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                io: Transport::Plain(socket),
                incoming: BytesMut::new(),
                end: None,
                is_heard_out: false,
                traffic: Traffic::default(),
                active: terms.limits.idle_timeout.map(|_| Instant::now()),
                farewell: Some(farewell),
                instance: None,
            }),
            changed: Notify::new(),
            terms,
            tls,
            addresses: addresses.ok(),
        }))
    }

    /// The same stream, without being one of its owners.
    pub fn watched(&self) -> Watched {
        Watched(Arc::downgrade(&self.0))
    }

    /// This side, and the other, as far as the system has said it.
    pub fn addresses(&self) -> Option<[SocketAddr; 2]> {
        self.0.addresses
    }

    /// From now on this is woken when more can be read, after a read that returned less than it was asked for.
    pub fn serve_as(&self, number: u64, waker: Waker) {
        self.0.state().instance = Some((number, waker));
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
        let ahead = self.0.terms.limits.read_ahead;
        self.until(|state, cx| {
            while state.end.is_none() && state.incoming.len() < ahead {
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
        let _waits = Waits(&self.0);
        let mut poll_once = |cx: &mut Context<'_>| {
            let mut state = self.0.state();
            let before = (state.incoming.len(), state.end.is_some());
            let polled = poll(&mut state, cx);
            let has_come = before != (state.incoming.len(), state.end.is_some());
            drop(state);
            if has_come {
                self.0.has_changed();
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

    /// Up to this number of the bytes that have come, and its number in the instance, where it is a client's.
    pub fn read(&self, most: usize) -> (Result<Vec<u8>, StreamError>, Option<u64>) {
        let mut state = self.0.state();
        let number = state.instance.as_ref().map(|(number, _)| *number);
        let read = match state.incoming.is_empty() {
            true => state.read_on(most),
            false => Ok(state.take(most)),
        };
        let bytes = read.as_ref().map_or(0, Vec::len);
        let waker = match bytes > 0 && bytes < most {
            true => state.listen(),
            false => None,
        };
        drop(state);
        // A connection wakes only one, and now that is the instance. There may be room again, too.
        self.0.changed.notify_waiters();
        self.0.terms.counters().received_bytes.add(bytes as u64);
        if let Some(waker) = waker {
            waker.wake();
        }
        (read, number)
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
        let written = match io.poll_write(cx, bytes) {
            Poll::Ready(written) => written?,
            Poll::Pending => return Ok(0),
        };
        // TLS keeps some of it.
        if let Poll::Ready(flushed) = io.poll_flush(cx) {
            flushed?;
        }
        state.traffic.sent += written as u64;
        state.is_active();
        drop(state);
        self.0.terms.counters().sent_bytes.add(written as u64);
        Ok(written)
    }

    /// Waits until the system has taken what was written, and takes more.
    pub async fn writable(&self) -> Result<(), StreamError> {
        let writable = poll_fn(|cx| {
            let mut state = self.0.state();
            let io = state.open()?;
            ready!(io.poll_flush(cx))?;
            ready!(io.poll_write_ready(cx))?;
            Poll::Ready(Ok(()))
        });
        let Some(limit) = self.0.terms.limits.write_timeout else {
            return writable.await;
        };
        match timeout(limit, writable).await {
            Ok(writable) => writable,
            Err(_) => {
                let why = format!("the other side has taken nothing for {limit:?}");
                let error = StreamError::Closed(Some(why));
                self.0.close(error.clone());
                Err(error)
            }
        }
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
        self.0.close(StreamError::Closed(None));
    }

    /// Whether small pieces go out immediately.
    pub fn set_nodelay(&self, nodelay: bool) {
        // A connection that is lost says so elsewhere.
        let _ = self.0.state().io.set_nodelay(nodelay);
    }

    /// Begins TLS, as the client, with the server of this name or address.
    pub async fn start_tls(&self, host: &str) -> Result<(), StreamError> {
        let (connector, name) = self.0.tls.with(host).await.map_err(StreamError::Tls)?;
        let begin = |socket| connector.connect(name, socket);
        self.encrypt(begin, TlsStream::Client).await
    }

    /// Begins TLS, as the server.
    pub async fn accept_tls(&self) -> Result<(), StreamError> {
        let Some(certificates) = &self.0.terms.certificates else {
            let why = "it has no certificate: `tls` in [[tcp]] names one";
            return Err(StreamError::Invalid(why.to_owned()));
        };
        let acceptor = TlsAcceptor::from(certificates.clone());
        let begin = |socket| acceptor.accept(socket);
        self.encrypt(begin, TlsStream::Server).await
    }

    async fn encrypt<S, F: Future<Output = io::Result<S>>>(
        &self,
        begin: impl FnOnce(Socket) -> F,
        side: fn(S) -> TlsStream<Socket>,
    ) -> Result<(), StreamError> {
        let socket = {
            let mut state = self.0.state();
            if !state.incoming.is_empty() {
                let why = "something has come that was not read, and TLS would lose it";
                return Err(StreamError::Invalid(why.to_owned()));
            }
            match std::mem::replace(&mut state.io, Transport::Away) {
                Transport::Plain(socket) => socket,
                other => {
                    state.io = other;
                    state.open()?;
                    return Err(StreamError::Invalid("it speaks TLS already".to_owned()));
                }
            }
        };
        // If this future is dropped, the stream is closed.
        let mut away = Away(&self.0, Transport::Closed);
        let stream = begin(socket).await;
        let stream = stream.map_err(|error| StreamError::Tls(error.to_string()))?;
        away.1 = Transport::Tls(Box::new(side(stream)));
        Ok(())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stream = f.debug_struct("Stream");
        stream
            .field("addresses", &self.0.addresses)
            .finish_non_exhaustive()
    }
}

impl Watched {
    /// Reads no more than what has come: whoever reads on finds the end.
    pub fn end_reading(&self) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        let mut state = inner.state();
        let cx = &mut Context::from_waker(Waker::noop());
        while state.incoming.len() < inner.terms.limits.read_ahead {
            if state.end.is_some() || state.poll_fill(cx).is_pending() {
                break;
            }
        }
        state.end.get_or_insert(StreamError::Closed(None));
        drop(state);
        inner.has_changed();
    }

    /// Closes it. Whoever reads or writes is told why.
    pub fn close(&self, why: String) {
        if let Some(inner) = self.0.upgrade() {
            inner.close(StreamError::Closed(Some(why)));
        }
    }

    /// When something has come or gone last, where that is limited.
    pub fn active(&self) -> Option<Instant> {
        self.0.upgrade()?.state().active
    }
}

/// Others look once more, when one that has waited waits no more.
struct Waits<'a>(&'a Inner);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.has_changed();
    }
}

/// What becomes of a connection that is away, when this is dropped.
struct Away<'a>(&'a Inner, Transport);

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        // It may have been closed in between.
        let mut farewell = None;
        if let Transport::Away = state.io {
            state.io = std::mem::replace(&mut self.1, Transport::Closed);
            if let Transport::Closed = state.io {
                state.end.get_or_insert(StreamError::Closed(None));
                farewell = state.take_farewell();
            }
        }
        drop(state);
        drop(self.0.is_gone(farewell));
        self.0.has_changed();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes, and says why to whoever reads.
    fn close(&self, why: StreamError) {
        let mut state = self.state();
        let io = std::mem::replace(&mut state.io, Transport::Closed);
        state.end.get_or_insert(why);
        state.incoming = BytesMut::new();
        let (farewell, is_heard_out) = (state.take_farewell(), state.is_heard_out);
        drop(state);
        let kept = self.is_gone(farewell);
        let_go(io, is_heard_out || !self.terms.lingers, kept);
        self.has_changed();
    }

    /// Tells all who wait to look once more.
    fn has_changed(&self) {
        self.changed.notify_waiters();
        let waker = self.state().instance.clone();
        if let Some((_, waker)) = waker {
            waker.wake();
        }
    }

    /// The connection is closed.
    fn is_gone(&self, farewell: Option<(Farewell, Traffic)>) -> Option<Kept> {
        let (farewell, traffic) = farewell?;
        self.terms.counters().closed.count();
        Some(farewell(traffic))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close(StreamError::Closed(None));
    }
}

impl State {
    /// The connection, where it can be used.
    fn open(&mut self) -> Result<&mut Transport, StreamError> {
        match &mut self.io {
            Transport::Closed => Err(match &self.end {
                Some(end) => end.clone(),
                None => StreamError::Closed(None),
            }),
            Transport::Away => Err(StreamError::Invalid("TLS is beginning".to_owned())),
            io => Ok(io),
        }
    }

    /// Reads ahead. Ready where something has come, or nothing more comes.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [const { MaybeUninit::uninit() }; AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(self.poll_into(cx, &mut read));
        self.incoming.extend_from_slice(read.filled());
        Poll::Ready(())
    }

    /// Reads into this space. Ready where something has come, or nothing more comes.
    fn poll_into(&mut self, cx: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<()> {
        if self.end.is_some() {
            return Poll::Ready(());
        }
        match ready!(self.io.poll_read(cx, read)) {
            Ok(()) if read.filled().is_empty() => {
                self.end = Some(StreamError::Closed(None));
                self.is_heard_out = true;
            }
            Ok(()) => {
                self.traffic.received += read.filled().len() as u64;
                self.is_active();
            }
            Err(error) => {
                self.end = Some(error.into());
                self.is_heard_out = true;
            }
        }
        Poll::Ready(())
    }

    /// Takes what was read ahead.
    fn take(&mut self, most: usize) -> Vec<u8> {
        let part = most.min(self.incoming.len());
        let taken = self.incoming.split_to(part).to_vec();
        if self.incoming.is_empty() {
            // Most streams are quiet: they have no buffer.
            self.incoming = BytesMut::new();
        }
        taken
    }

    /// What can be read now, where nothing was read ahead. Only of a client's stream: who has another waits before it reads.
    fn read_on(&mut self, most: usize) -> Result<Vec<u8>, StreamError> {
        let mut space = [const { MaybeUninit::uninit() }; AT_ONCE];
        let mut read = ReadBuf::uninit(&mut space[..most.min(AT_ONCE)]);
        if let Some(instance) = self.instance.take() {
            // Where nothing has come it is woken when something does.
            let _ = self.poll_into(&mut Context::from_waker(&instance.1), &mut read);
            self.instance = Some(instance);
        }
        match &self.end {
            Some(end) if read.filled().is_empty() => Err(end.clone()),
            _ => Ok(read.filled().to_vec()),
        }
    }

    /// Has the instance woken when more can be read, and returns its waker where that is so already.
    fn listen(&mut self) -> Option<Waker> {
        let (_, waker) = self.instance.as_ref()?;
        let is_there = self.end.is_some()
            || !self.incoming.is_empty()
            || self
                .io
                .poll_read_ready(&mut Context::from_waker(waker))
                .is_ready();
        is_there.then(|| waker.clone())
    }

    fn is_active(&mut self) {
        if let Some(active) = &mut self.active {
            *active = Instant::now();
        }
    }

    fn take_farewell(&mut self) -> Option<(Farewell, Traffic)> {
        Some((self.farewell.take()?, self.traffic))
    }
}

#[cfg(test)]
mod tests;
