//! Tests of what wakes an instance for its stream, over real connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Wake;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::config::Component;

/// Counts how often it was woken.
#[derive(Default)]
struct Wakes {
    times: AtomicUsize,
    came: Notify,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.times.fetch_add(1, SeqCst);
        self.came.notify_one();
    }
}

impl Wakes {
    fn times(&self) -> usize {
        self.times.load(SeqCst)
    }

    async fn next(&self) {
        let came = tokio::time::timeout(Duration::from_secs(10), self.came.notified());
        came.await.expect("it is woken");
    }
}

/// A client's stream with what it wakes, and the client.
async fn open() -> (Stream, Arc<Wakes>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).await.expect("a connection");
    let (socket, _) = listener.accept().await.expect("a connection");
    let terms = Terms {
        limits: Component::default().stream_limits(),
        certificates: None,
        meter: Arc::default(),
        lingers: false,
        side: |meter| &meter.streams,
    };
    let farewell: Farewell = Box::new(|_| Box::new(()));
    let tls = Tls::new(Arc::default());
    let stream = Stream::new(Socket::Tcp(socket), terms.into(), tls.into(), farewell);
    let wakes = Arc::<Wakes>::default();
    stream.serve_as(1, wakes.clone().into());
    (stream, wakes, client)
}

/// What has come.
fn now(stream: &Stream, most: usize) -> Result<Vec<u8>, StreamError> {
    stream.read(most).0
}

/// Reads as one does who waits to be woken whenever there is too little.
async fn read(stream: &Stream, wakes: &Wakes, most: usize) -> Result<Vec<u8>, StreamError> {
    loop {
        match now(stream, most)? {
            nothing if nothing.is_empty() => wakes.next().await,
            read => return Ok(read),
        }
    }
}

#[tokio::test]
async fn it_is_woken_when_more_has_come_than_was_read_and_not_before() {
    let (stream, wakes, mut client) = open().await;
    assert_eq!(now(&stream, 100), Ok(Vec::new()));
    tokio::task::yield_now().await;
    assert_eq!(wakes.times(), 0);
    client.write_all(b"one").await.expect("written");
    assert_eq!(read(&stream, &wakes, 100).await, Ok(b"one".to_vec()));
    // It listens already: nobody has to find out that there is no more.
    client.write_all(b"and two").await.expect("written");
    wakes.next().await;
    assert_eq!(now(&stream, 3), Ok(b"and".to_vec()));
    // As much as was asked for: who wants more reads on.
    assert_eq!(read(&stream, &wakes, 100).await, Ok(b" two".to_vec()));
    drop(client);
    wakes.next().await;
    assert_eq!(now(&stream, 100), Err(StreamError::Closed(None)));
}

#[tokio::test]
async fn nothing_is_missed_where_others_wait_for_the_same_stream() {
    let (stream, wakes, mut client) = open().await;
    assert_eq!(now(&stream, 100), Ok(Vec::new()));
    let ended = tokio::spawn({
        let stream = stream.clone();
        async move { stream.ended().await }
    });
    let readable = tokio::spawn({
        let stream = stream.clone();
        async move { stream.readable().await }
    });
    tokio::task::yield_now().await;
    for word in ["first", "second"] {
        client.write_all(word.as_bytes()).await.expect("written");
        let came = read(&stream, &wakes, 100).await;
        assert_eq!(came, Ok(word.as_bytes().to_vec()));
    }
    readable.await.expect("a task");
    drop(client);
    ended.await.expect("a task");
    assert_eq!(
        read(&stream, &wakes, 100).await,
        Err(StreamError::Closed(None))
    );
}

#[tokio::test]
async fn it_is_woken_when_the_host_ends_the_reading() {
    let (stream, wakes, mut client) = open().await;
    assert_eq!(now(&stream, 100), Ok(Vec::new()));
    let watched = stream.watched();
    client.write_all(b"last words").await.expect("written");
    wakes.next().await;
    watched.end_reading();
    wakes.next().await;
    assert_eq!(now(&stream, 100), Ok(b"last words".to_vec()));
    assert_eq!(now(&stream, 100), Err(StreamError::Closed(None)));
}
