//! One request on its way through a guest and back: its head, its body, where its answer arrives, and whether it was
//! cancelled. Runs nothing. Waits only for the answer and, where it is read, for the body.

mod reading;

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Poll, Waker};
use std::time::Instant;

use futures_util::task::AtomicWaker;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};

use self::reading::{BodySlot, Waits};
use super::connection::Connection;
use super::stream::without_empty_etag;
use super::visitor::{Accepted, Homeless, Visitor};
use super::{App, BodyShare, Head, InTransit, Stream, StreamedResponse, Target, lock};
use crate::base::access::Summary;
use crate::base::body::RequestBody;
use crate::base::client::Client;
use crate::base::request_id;
use crate::base::shards;
use crate::guest::bindings::{Arguments, Failure, Response};

/// Which part of a request a guest runs.
#[derive(Debug)]
pub enum Stage {
    /// All of it.
    Whole,
    /// Only the error page, by a new object that does not know what failed.
    ErrorPage(Box<Failure>),
    /// A socket that comes from another object.
    Resume,
    /// None: it stands for a stream that a client has opened.
    Connection(Box<Connection>),
}

/// Why a request is to end before its handler is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    ClientGone,
    Deadline,
}

/// What became of a request inside its guest.
#[derive(Debug)]
pub enum Answer {
    /// The guest's own response.
    Response(Response),
    /// The beginning of the guest's own response. More is to come.
    Begun(Box<StreamedResponse>),
    /// The handler failed and made no page.
    Failed(Failure),
    /// The guest trapped in this request; the text is the trap with the guest's stack.
    Trapped(String),
    /// This request's run went past `cpu_deadline`.
    Overran,
    /// The instance was lost to the fault of another request, or of an unknown one.
    Lost,
    /// The queue is full.
    Busy,
    /// `deadline` has passed.
    Late,
    /// The client left in the middle of the request's body.
    Gone,
    /// No instance could be had.
    Unavailable(String),
    /// The request was a handshake, and becomes a socket.
    Accepted(Box<Accepted>),
    /// It was a stream, whose handler has ended.
    Served,
}

/// The place where an answer arrives.
enum AnswerSlot {
    /// With the waker of the client that waits.
    Open(Option<Waker>),
    Given(Answer, Option<InTransit>),
    /// The answer was taken, or no client waits for one any more.
    Shut,
}

/// One request on its way through a guest and back.
pub struct Exchange {
    pub head: Parts,
    pub client: Client,
    /// When its head was there.
    pub began: Instant,
    pub target: Arc<Target>,
    pub arguments: Arc<Arguments>,
    pub stage: Stage,
    /// For a handshake, and what follows it.
    pub socket: Option<Visitor>,
    pub app: Arc<App>,
    /// Whether a client that is gone ends the request.
    pub cancel_on_close: bool,
    /// Where its connection is.
    pub shard: usize,
    /// Found or made when it is first needed.
    id: OnceLock<Box<str>>,
    body: Mutex<BodySlot>,
    waits: Waits,
    /// What came after the body. In a box, as it is rare.
    trailers: OnceLock<Box<HeaderMap>>,
    body_memory: Mutex<Option<BodyShare>>,
    answer: Mutex<AnswerSlot>,
    /// Where the answer is made piece by piece. In a box, as it is rare.
    stream: OnceLock<Box<Stream>>,
    cancelled: AtomicBool,
    client_gone: AtomicBool,
    cancel: AtomicWaker,
    sent: AtomicU8,
    until_sent: AtomicWaker,
    replayed: AtomicBool,
    place: AtomicU8,
}

/// The state of a request between queue and instance.
#[repr(u8)]
enum QueueState {
    Waiting,
    Inside,
    Left,
}

/// Whether the last byte of a response was handed to the connection.
#[repr(u8)]
enum Handover {
    Open,
    /// Still open, and its end is awaited.
    Awaited,
    Done,
}

impl Exchange {
    #[expect(clippy::too_many_arguments, reason = "each is one field, named alike")]
    /// A request that begins.
    pub fn new(
        head: Parts,
        client: Client,
        began: Instant,
        body: Option<RequestBody>,
        target: Arc<Target>,
        arguments: Arc<Arguments>,
        stage: Stage,
        socket: Option<Visitor>,
        app: Arc<App>,
        cancel_on_close: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            head,
            client,
            began,
            target,
            arguments,
            stage,
            socket,
            app,
            cancel_on_close,
            shard: shards::here(),
            id: OnceLock::new(),
            body: Mutex::new(body.map_or(BodySlot::None, BodySlot::Here)),
            waits: Waits::default(),
            trailers: OnceLock::new(),
            body_memory: Mutex::new(None),
            answer: Mutex::new(AnswerSlot::Open(None)),
            stream: OnceLock::new(),
            cancelled: AtomicBool::new(false),
            client_gone: AtomicBool::new(false),
            cancel: AtomicWaker::new(),
            sent: AtomicU8::new(Handover::Open as u8),
            until_sent: AtomicWaker::new(),
            replayed: AtomicBool::new(false),
            place: AtomicU8::new(QueueState::Waiting as u8),
        })
    }

    /// The same request once more, for its error page alone. It has no body.
    pub fn error_page(&self, failure: Failure) -> Arc<Self> {
        let again = Self::new(
            self.head.clone(),
            self.client,
            self.began,
            None,
            self.target.clone(),
            self.arguments.clone(),
            Stage::ErrorPage(failure.into()),
            None,
            self.app.clone(),
            self.cancel_on_close,
        );
        let _ = again.id.set(self.id().into());
        again
    }

    /// What tells this request from all others, in logs and elsewhere.
    pub fn id(&self) -> &str {
        let find = || request_id::of(&self.head.headers, self.client.is_proxied);
        self.id.get_or_init(|| find().into_boxed_str())
    }

    /// The target as its handler sees it: without the beginning of the path that its route takes away.
    pub fn uri(&self) -> Cow<'_, Uri> {
        let uri = &self.head.uri;
        let prefix = self.target.strip_prefix.as_deref();
        match prefix.and_then(|prefix| without_prefix(uri, prefix)) {
            Some(rest) => Cow::Owned(rest),
            None => Cow::Borrowed(uri),
        }
    }

    /// The request, as the log shows it.
    pub fn summary(&self) -> Summary<'_> {
        Summary {
            asked: Some((&self.head.method, &self.head.uri)),
            client: self.client,
        }
    }

    /// Gives the answer. The first one counts, while a client waits for it. A further answer breaks off a streamed one
    /// that has not ended.
    pub fn answer(&self, answer: Answer) {
        self.answer_in_transit(answer, None);
    }

    /// The same for a large response, which is in transit until it is taken.
    pub fn answer_in_transit(&self, answer: Answer, transit: Option<InTransit>) {
        let slot = lock(&self.answer);
        if matches!(*slot, AnswerSlot::Open(_)) {
            give(slot, answer, transit);
        } else if let Some(stream) = self.stream() {
            drop(slot);
            stream.cut();
        }
    }

    /// Gives a streamed answer, whose body follows. `None`: no client waits for one. The error is for the handler's
    /// author.
    pub fn begin(&self, mut head: Head) -> Result<Option<&Stream>, String> {
        const WITHOUT_BODY: [u16; 2] = [204, 304];
        let has_body = self.head.method != Method::HEAD && !WITHOUT_BODY.contains(&head.status);
        without_empty_etag(&mut head.headers);
        let (stream, begun) = Stream::new(head, has_body)?;
        let slot = lock(&self.answer);
        if !matches!(*slot, AnswerSlot::Open(_)) {
            return Ok(None);
        }
        let stream = &**self.stream.get_or_init(|| Box::new(stream));
        give(slot, Answer::Begun(Box::new(begun)), None);
        Ok(Some(stream))
    }

    /// The streamed answer, once it has begun.
    pub fn stream(&self) -> Option<&Stream> {
        self.stream.get().map(|stream| &**stream)
    }

    /// Waits for the answer and takes it. Only one task may wait, and only once.
    pub async fn answered(&self) -> Answer {
        poll_fn(|cx| {
            let mut slot = lock(&self.answer);
            if let AnswerSlot::Open(waiting) = &mut *slot {
                if !matches!(waiting, Some(waiting) if waiting.will_wake(cx.waker())) {
                    *waiting = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            match std::mem::replace(&mut *slot, AnswerSlot::Shut) {
                AnswerSlot::Given(answer, transit) => {
                    drop(transit);
                    Poll::Ready(answer)
                }
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Says that no client waits for an answer any more.
    pub fn shut(&self) {
        *lock(&self.answer) = AnswerSlot::Shut;
    }

    /// Whether an answer was given, or no client waits for one.
    pub fn is_answered(&self) -> bool {
        !matches!(*lock(&self.answer), AnswerSlot::Open(_))
    }

    /// Whether a client waits for an answer, or for more of one.
    pub(super) fn is_wanted(&self) -> bool {
        !self.is_answered() || self.stream().is_some_and(Stream::is_open)
    }

    /// Cancels the request. A client that is gone cancels it only where `cancel_on_close` is set.
    pub fn cancel(&self, reason: Cancel) {
        if reason == Cancel::ClientGone {
            self.client_gone.store(true, Ordering::Release);
        }
        if reason == Cancel::Deadline || self.cancel_on_close {
            self.cancelled.store(true, Ordering::Release);
        }
        if self.is_cancelled() {
            self.cancel.wake();
        }
        self.sent();
    }

    /// Whether the request was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Whether the client is gone.
    pub fn is_client_gone(&self) -> bool {
        self.client_gone.load(Ordering::Acquire)
    }

    /// An instance takes the request. `false`: it has left the queue before.
    pub fn enter(&self) -> bool {
        self.go(QueueState::Inside)
    }

    /// The request leaves the queue. `false`: it is inside already.
    pub fn leave(&self) -> bool {
        self.go(QueueState::Left)
    }

    /// Whether the request left the queue before an instance took it.
    pub fn has_left(&self) -> bool {
        self.place.load(Ordering::SeqCst) == QueueState::Left as u8
    }

    /// The request waits once more.
    pub fn wait_again(&self) {
        self.place
            .store(QueueState::Waiting as u8, Ordering::SeqCst);
    }

    fn go(&self, place: QueueState) -> bool {
        let (from, to) = (QueueState::Waiting as u8, place as u8);
        let moved = self
            .place
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        moved.is_ok()
    }

    /// Wakes this task when the request is cancelled. One registration counts for all waits of the task.
    pub fn listen(&self, waker: &Waker) {
        self.cancel.register(waker);
    }

    /// Waits until the request is cancelled, in the task that listens.
    pub async fn cancelled(&self) {
        poll_fn(|_| match self.is_cancelled() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Says that the last byte of the response was handed to the connection, or never will be.
    pub fn sent(&self) {
        if self.sent.swap(Handover::Done as u8, Ordering::SeqCst) == Handover::Awaited as u8 {
            self.until_sent.wake();
        }
    }

    /// Waits for [`Exchange::sent`]. Only one task may wait.
    pub async fn until_sent(&self) {
        poll_fn(|cx| {
            if self.sent.load(Ordering::Acquire) == Handover::Done as u8 {
                return Poll::Ready(());
            }
            self.until_sent.register(cx.waker());
            let (from, to) = (Handover::Open as u8, Handover::Awaited as u8);
            let awaited = self
                .sent
                .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
            match awaited {
                Err(sent) if sent == Handover::Done as u8 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    /// The trailers, once the end of the body was read.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.get().map(|trailers| &**trailers)
    }

    /// The `Host` header as sent, or what Tornado takes where an HTTP/1.0 request has none.
    pub fn host(&self) -> &str {
        host(&self.head)
    }

    /// The same request under the id that it had in another instance.
    pub fn known_as(self: Arc<Self>, id: &str) -> Arc<Self> {
        let _ = self.id.set(id.into());
        self
    }

    /// What tells who can take its socket over.
    pub fn homeless(&self) -> Option<Homeless<'_>> {
        Some(Homeless {
            socket: &self.socket.as_ref()?.socket,
            head: &self.head,
            client: self.client,
            id: self.id(),
            class: &self.target.class,
        })
    }

    /// Whether it stands for a socket that comes from another object.
    pub fn is_resumed(&self) -> bool {
        matches!(self.stage, Stage::Resume)
    }

    /// The stream that it stands for.
    pub fn connection(&self) -> Option<&Connection> {
        match &self.stage {
            Stage::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    /// Claims the one replay of a request. It must be safe (RFC 9110, section 9.2.1), unanswered and without a body.
    pub fn claim_replay(&self) -> bool {
        let whole = matches!(*lock(&self.body), BodySlot::None);
        self.head.method.is_safe()
            && whole
            && !self.is_cancelled()
            && !self.is_answered()
            && !self.replayed.swap(true, Ordering::AcqRel)
    }
}

/// Puts an answer in its place, if that is open, and wakes the task that waits for it.
fn give(mut slot: MutexGuard<'_, AnswerSlot>, answer: Answer, transit: Option<InTransit>) {
    let before = std::mem::replace(&mut *slot, AnswerSlot::Given(answer, transit));
    drop(slot);
    if let AnswerSlot::Open(Some(waiting)) = before {
        waiting.wake();
    }
}

/// The id of a request for the log, computed only when it is written.
#[derive(Clone, Copy)]
pub struct ShownId<'a>(pub &'a Exchange);

impl fmt::Display for ShownId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.id())
    }
}

/// A target without this beginning of its path, if that is whole segments of it.
fn without_prefix(uri: &Uri, prefix: &str) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    let rest = whole.strip_prefix(prefix)?;
    let rest = match rest.as_bytes().first() {
        Some(b'/') => rest.to_owned(),
        Some(b'?') | None => format!("/{rest}"),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}

/// The authority that a request is for: of its target where that is absolute, else of its `Host` header.
pub fn host(head: &Parts) -> &str {
    let target = head.uri.authority().map(http::uri::Authority::as_str);
    let header = || head.headers.get(http::header::HOST)?.to_str().ok();
    target.or_else(header).unwrap_or("127.0.0.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_away_in_whole_segments() {
        for (uri, rest) in [
            ("/blog", Some("/")),
            ("/blog?a=b", Some("/?a=b")),
            ("/blog/", Some("/")),
            ("/blog/x?a", Some("/x?a")),
            ("http://host:1/blog/x", Some("http://host:1/x")),
            ("/blogger", None),
            ("/", None),
            ("*", None),
        ] {
            let stripped = without_prefix(&uri.parse().unwrap(), "/blog");
            assert_eq!(stripped, rest.map(|rest| rest.parse().unwrap()), "{uri}");
        }
    }
}
