//! The streams of clients in one instance, and what their guest is to be told of them. Reads nothing; runs no guest.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::{Answer, Exchange, LET_GO, lock};
use crate::services::tcp::Stream;

/// Of how many streams that can be read a guest is told at once, at most.
const AT_ONCE: usize = 64;

/// The streams of clients in one instance, each with its number there.
#[derive(Default)]
pub struct OpenStreams {
    state: Mutex<State>,
    /// How many there are, to be read without the lock.
    number: AtomicUsize,
    /// The instance, for when one of its handlers was to end and did not.
    instance: AtomicWaker,
    /// Nobody waits any more for the call that serves them.
    is_forsaken: AtomicBool,
    call: AtomicWaker,
}

#[derive(Default)]
struct State {
    all: FxHashMap<u64, Open>,
    /// Those that the guest does not have yet.
    arrived: Vec<(u64, Stream)>,
    /// Whether the call that serves them was given one.
    has_given: bool,
    /// Those for which something has happened.
    woken: Vec<Arc<StreamWaker>>,
    /// Of how many the guest is told at once.
    at_once: usize,
    /// Those whose handlers were to end and did not.
    unresponsive: Vec<u64>,
    /// Who waits for what happens.
    waiting: Option<Waker>,
}

struct Open {
    exchange: Arc<Exchange>,
    place: Place,
}

/// How far a stream has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Arrived,
    Given,
    /// Its handler was asked to end.
    Cancelled,
}

/// What a guest is to be told.
#[derive(Default)]
pub struct News {
    pub opened: Vec<(u64, Arc<Exchange>, Stream)>,
    pub readable: Vec<u64>,
    pub cancelled: Vec<u64>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.readable.is_empty() && self.cancelled.is_empty()
    }
}

/// Is woken when a stream can be read, and when its handler is to end.
struct StreamWaker {
    number: u64,
    streams: Weak<OpenStreams>,
    is_woken: AtomicBool,
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_woken.swap(true, Relaxed) {
            return;
        }
        // Without its instance there is nobody to be told.
        if let Some(streams) = self.streams.upgrade() {
            let mut state = streams.state();
            state.woken.push(self.clone());
            state.tell();
        }
    }
}

impl OpenStreams {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.number.load(Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A stream has come into the instance.
    pub fn arrive(&self, number: u64, exchange: Arc<Exchange>, stream: Stream) {
        let mut state = self.state();
        let place = Place::Arrived;
        state.all.insert(number, Open { exchange, place });
        state.arrived.push((number, stream));
        state.tell();
        self.number.store(state.all.len(), Relaxed);
    }

    /// Ready when there is something to tell, with `None` where there are no streams left. Only one may wait.
    ///
    /// `is_slow`: what the guest did with the last news has taken long. Then it is told of fewer at once, since all that it
    /// does with them is one run.
    pub fn poll_news(self: &Arc<Self>, is_slow: bool, cx: &mut Context<'_>) -> Poll<Option<News>> {
        let mut state = self.state();
        state.at_once = match is_slow {
            true => state.at_once / 2,
            false => state.at_once * 2,
        };
        state.at_once = state.at_once.clamp(1, AT_ONCE);
        let mut news = News::default();
        for (number, stream) in std::mem::take(&mut state.arrived) {
            if let Some(open) = state.all.get_mut(&number) {
                open.place = Place::Given;
                news.opened.push((number, open.exchange.clone(), stream));
            }
        }
        state.has_given |= !news.opened.is_empty();
        // Those whose handlers have ended are no news, however many they are.
        while news.readable.is_empty() && news.cancelled.is_empty() && !state.woken.is_empty() {
            let some = state.at_once.min(state.woken.len());
            let woken: Vec<_> = state.woken.drain(..some).collect();
            for waker in woken {
                waker.is_woken.store(false, Relaxed);
                match state.all.get_mut(&waker.number) {
                    Some(open) if open.is_to_be_cancelled() => {
                        open.place = Place::Cancelled;
                        self.listen_out(waker.number);
                        news.cancelled.push(waker.number);
                    }
                    Some(_) => news.readable.push(waker.number),
                    // Its handler has ended.
                    None => {}
                }
            }
        }
        if news.is_empty() && !state.all.is_empty() {
            state.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        for (number, exchange, stream) in &news.opened {
            self.attend(*number, exchange, stream);
        }
        Poll::Ready(Some(news).filter(|news| !news.is_empty()))
    }

    /// From now on the guest is told what happens to this stream.
    fn attend(self: &Arc<Self>, number: u64, exchange: &Exchange, stream: &Stream) {
        let waker = Waker::from(Arc::new(StreamWaker {
            number,
            streams: Arc::downgrade(self),
            is_woken: AtomicBool::new(false),
        }));
        exchange.listen(&waker);
        if exchange.is_cancelled() {
            waker.wake_by_ref();
        }
        stream.serve_as(number, waker);
    }

    /// The handler of a stream has ended. `None`: there is none of this number.
    pub fn end(&self, number: u64) -> Option<Arc<Exchange>> {
        let mut state = self.state();
        let exchange = state.all.remove(&number)?.exchange;
        self.number.store(state.all.len(), Relaxed);
        if state.all.is_empty() {
            state.tell();
        }
        drop(state);
        exchange.answer(Answer::Served);
        Some(exchange)
    }

    /// Ends all that the guest has, because its call is over, and returns their numbers. Where it has taken none of those that
    /// wait these end, too.
    pub fn abandon(&self) -> Vec<u64> {
        let all: Vec<_> = {
            let mut state = self.state();
            let has_given = std::mem::take(&mut state.has_given);
            let ended = state.all.iter();
            let ended = ended.filter(|(_, open)| !has_given || open.place != Place::Arrived);
            ended.map(|(number, _)| *number).collect()
        };
        for number in &all {
            if let Some(exchange) = self.end(*number)
                && let Some(connection) = exchange.connection()
            {
                connection.close("`serve` has returned before its handler");
            }
        }
        all
    }

    /// Sees to it that a stream whose handler is to end is over in any case.
    fn listen_out(self: &Arc<Self>, number: u64) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let streams = Arc::downgrade(self);
        runtime.spawn(async move {
            sleep(LET_GO).await;
            let Some(streams) = streams.upgrade() else {
                return;
            };
            if let Some(exchange) = streams.end(number) {
                if let Some(connection) = exchange.connection() {
                    connection.close("its handler was to end and did not");
                }
                streams.state().unresponsive.push(number);
                streams.instance.wake();
            }
        });
    }

    /// One whose handler was to end and did not, once for each. Only one may wait for that.
    pub fn poll_unresponsive(&self, cx: &mut Context<'_>) -> Poll<u64> {
        self.instance.register(cx.waker());
        self.state()
            .unresponsive
            .pop()
            .map_or(Poll::Pending, Poll::Ready)
    }

    /// Says that nobody waits any more for the call that serves them.
    pub fn forsake(&self) {
        self.is_forsaken.store(true, Relaxed);
        self.call.wake();
    }

    /// Ready when nobody waits any more for the call that serves them.
    pub fn poll_forsaken(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.call.register(cx.waker());
        match self.is_forsaken.load(Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl State {
    /// Wakes who waits.
    fn tell(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl Open {
    /// Whether its handler is to be asked to end, which it was not yet.
    fn is_to_be_cancelled(&self) -> bool {
        self.place == Place::Given && self.exchange.is_cancelled()
    }
}

#[cfg(test)]
mod tests;
