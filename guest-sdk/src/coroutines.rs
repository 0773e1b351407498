//! Waiting for more than one thing: for all, for each as it comes, for one while another runs, for none too long. What
//! Tornado has in `gen`, a word that Rust keeps for itself. Nothing here goes on when nobody waits for it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

use crate::sleep;

/// Lets everything else that is ready in this instance run first: Tornado's
/// [`gen.moment`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.moment).
///
/// For a computation that is long and can be taken in pieces: each `moment` ends a run, and a client that is gone ends
/// the request at the next of them.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # fn hash(_: &[u8]) -> u64 { 0 }
/// # async fn post(cx: &Context) -> Result {
/// let body = cx.request().body().await?;
/// let mut sum = 0;
/// for piece in body.chunks(100_000) {
///     sum ^= hash(piece);
///     waterspout_sdk::moment().await;
/// }
/// cx.write(sum.to_string())
/// # }
/// ```
pub async fn moment() {
    wit_bindgen::yield_async().await;
}

/// Waits for all of them, which run at the same time. Their results come in the order of the list, or under the keys of
/// the map. Tornado's [`gen.multi`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.multi).
///
/// The first error ends it: that is the error of the whole, and the others are dropped where they are, as by every
/// other end of a wait. (In Tornado they run on, and what they raise is logged.)
///
/// It takes lists ([`Vec`] and arrays) and maps of futures of one type, whose output is a `Result`. Futures of
/// different types wait together in [`try_join!`](crate::try_join); where nothing can fail, in [`join!`](crate::join),
/// and a list of those in [`join_all`](crate::join_all).
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::collections::BTreeMap;
/// async fn price(of: &str) -> Result<u32> {
///     // …
/// # Ok(of.len() as u32)
/// }
///
/// # async fn get(cx: &Context) -> Result {
/// let [tea, milk] = multi([price("tea"), price("milk")]).await?;
///
/// let wanted = cx.get_query_arguments("of")?;
/// let prices = multi(wanted.iter().map(|of| price(of)).collect::<Vec<_>>()).await?;
///
/// let by_name = BTreeMap::from([("tea", price("tea")), ("milk", price("milk"))]);
/// let by_name = multi(by_name).await?; // a map of the same keys
/// cx.write_json(&by_name)
/// # }
/// ```
pub async fn multi<C: Children>(children: C) -> Result<C::Results, C::Error> {
    children.all().await
}

/// What [`multi`] can wait for: lists and maps of futures.
pub trait Children {
    /// The same with results in place of futures.
    type Results;
    /// What each of them may fail with.
    type Error;

    /// Waits for all of them.
    fn all(self) -> impl Future<Output = Result<Self::Results, Self::Error>>;
}

impl<F, T, E> Children for Vec<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Results = Vec<T>;
    type Error = E;

    fn all(self) -> impl Future<Output = Result<Vec<T>, E>> {
        all(self)
    }
}

impl<F, T, E, const N: usize> Children for [F; N]
where
    F: Future<Output = Result<T, E>>,
{
    type Results = [T; N];
    type Error = E;

    async fn all(self) -> Result<[T; N], E> {
        let results = all(self).await?.try_into();
        Ok(results.unwrap_or_else(|_| unreachable!("each of them has a result")))
    }
}

impl<K, F, T, E> Children for BTreeMap<K, F>
where
    K: Ord,
    F: Future<Output = Result<T, E>>,
{
    type Results = BTreeMap<K, T>;
    type Error = E;

    async fn all(self) -> Result<BTreeMap<K, T>, E> {
        let (keys, children): (Vec<_>, Vec<_>) = self.into_iter().unzip();
        Ok(keys.into_iter().zip(all(children).await?).collect())
    }
}

impl<K, F, T, E, S> Children for HashMap<K, F, S>
where
    K: Eq + Hash,
    F: Future<Output = Result<T, E>>,
    S: BuildHasher + Default,
{
    type Results = HashMap<K, T, S>;
    type Error = E;

    async fn all(self) -> Result<HashMap<K, T, S>, E> {
        let (keys, children): (Vec<_>, Vec<_>) = self.into_iter().unzip();
        Ok(keys.into_iter().zip(all(children).await?).collect())
    }
}

/// Their results in their order. Not futures-util's `try_join_all`: of more than 30 that sees an error only when all
/// before it are there.
async fn all<F, T, E>(children: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let numbered = children.into_iter().enumerate();
    let mut waiting: FuturesUnordered<_> = numbered
        .map(|(number, child)| async move { (number, child.await) })
        .collect();
    let mut results: Vec<Option<T>> = Vec::new();
    results.resize_with(waiting.len(), || None);
    while let Some((number, result)) = waiting.next().await {
        results[number] = Some(result?);
    }
    Ok(results.into_iter().flatten().collect())
}

/// Waits for `future`, but no longer than `timeout`. Tornado's
/// [`gen.with_timeout`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.with_timeout).
///
/// What took too long is dropped where it is. (In Tornado it runs on.) A future that is ready at once is never late.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn post(cx: &Context) -> Result {
/// match with_timeout(Duration::from_secs(2), cx.request().body()).await {
///     Ok(body) => cx.write(format!("{} bytes", body?.len())),
///     Err(late) => bail!(HttpError::new(408).with_message(late.to_string())),
/// }
/// # }
/// ```
pub async fn with_timeout<F: Future>(
    timeout: Duration,
    future: F,
) -> Result<F::Output, TimeoutError> {
    match select(pin!(future), pin!(sleep(timeout))).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => Err(TimeoutError),
    }
}

/// What [`with_timeout`] ends with where the time is over. Tornado's
/// [`TimeoutError`](https://www.tornadoweb.org/en/stable/util.html#tornado.util.TimeoutError); a handler that ends with
/// it is answered with 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutError;

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timeout")
    }
}

impl std::error::Error for TimeoutError {}

/// Results of several futures as they come, each with its place in the list or its key. Tornado's
/// [`gen.WaitIterator`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.WaitIterator), whose `current_index`
/// comes beside the result.
///
/// A result that is an error ends nothing but its own future. What has not come when this is dropped is dropped too.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn price(of: &str) -> Result<u32> { Ok(of.len() as u32) }
/// # async fn get(cx: &Context) -> Result {
/// use waterspout_sdk::WaitIterator;
///
/// let mut prices = WaitIterator::keyed(["tea", "milk"].map(|name| (name, price(name))));
/// while let Some((name, price)) = prices.next().await {
///     match price {
///         Ok(price) => cx.write(format!("{name}: {price}\n"))?,
///         Err(error) => log::warn!("no price of {name}: {error:#}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct WaitIterator<'a, K, T> {
    waiting: FuturesUnordered<LocalBoxFuture<'a, (K, T)>>,
}

impl<'a, T: 'a> WaitIterator<'a, usize, T> {
    /// Over a list: each result comes with its index.
    pub fn new<F: Future<Output = T> + 'a>(futures: impl IntoIterator<Item = F>) -> Self {
        Self::keyed(futures.into_iter().enumerate())
    }
}

impl<'a, K: 'a, T: 'a> WaitIterator<'a, K, T> {
    /// Over a map, or over pairs: each result comes with its key.
    pub fn keyed<F: Future<Output = T> + 'a>(futures: impl IntoIterator<Item = (K, F)>) -> Self {
        let boxed = |(key, future): (K, F)| -> LocalBoxFuture<'a, (K, T)> {
            Box::pin(async { (key, future.await) })
        };
        Self {
            waiting: futures.into_iter().map(boxed).collect(),
        }
    }

    /// The next that is there; `None` when all were.
    pub async fn next(&mut self) -> Option<(K, T)> {
        self.waiting.next().await
    }

    /// Whether all were.
    pub fn done(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Starts futures at once and awaits them later: while `body` waits for anything, what it has
/// [started](Tasks::start) runs. Tornado's
/// [interleaving](https://www.tornadoweb.org/en/stable/guide/coroutines.html#interleaving), its `convert_yielded` and
/// asyncio's `create_task`.
///
/// What was started may use whatever was there before `interleave`, `cx` and the handler's fields too. It ends with
/// its body, finished or not, and before that with its [`Started`]: nothing goes on that nobody can await any more.
/// For two things that are both known beforehand, [`join!`](crate::join) is simpler.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn chunk(number: u32) -> Result<Option<String>> { Ok(None) }
/// # async fn show(cx: &Context, chunk: String) -> Result { cx.write(chunk) }
/// # async fn get(cx: &Context) -> Result {
/// use waterspout_sdk::interleave;
///
/// interleave(async |tasks| {
///     let mut number = 0;
///     let mut next = tasks.start(chunk(number));
///     while let Some(chunk_) = next.await? {
///         number += 1;
///         next = tasks.start(chunk(number)); // is loaded …
///         show(cx, chunk_).await?; // … while this one is shown
///     }
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub async fn interleave<'env, T>(body: impl AsyncFnOnce(&Tasks<'env>) -> T) -> T {
    let tasks = Tasks {
        started: RefCell::default(),
    };
    let mut running = FuturesUnordered::new();
    let mut body = pin!(body(&tasks));
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(output) = body.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            running.extend(tasks.started.take());
            // One that has ended may be what the body waits for.
            let Poll::Ready(Some(())) = running.poll_next_unpin(cx) else {
                return Poll::Pending;
            };
        }
    })
    .await
}

/// Where the body of an [`interleave`] starts futures.
pub struct Tasks<'env> {
    started: RefCell<Vec<LocalBoxFuture<'env, ()>>>,
}

impl<'env> Tasks<'env> {
    /// Starts `future`: it runs from the body's next `await` on, whatever that waits for.
    pub fn start<T: 'env>(&self, future: impl Future<Output = T> + 'env) -> Started<'_, T> {
        let (mut sender, receiver) = oneshot::channel();
        self.started.borrow_mut().push(Box::pin(async move {
            let output = match select(pin!(future), pin!(sender.closed())).await {
                Either::Left((output, _)) => output,
                Either::Right(_) => return,
            };
            // Nobody may be there any more to take it.
            let _ = sender.send(output);
        }));
        Started {
            receiver,
            scope: PhantomData,
        }
    }
}

/// A future that runs, and is awaited for its output. Dropped, it ends.
#[must_use = "what was started ends when this is dropped"]
pub struct Started<'scope, T> {
    receiver: oneshot::Receiver<T>,
    /// The body of the `interleave`, outside of which nothing would run it.
    scope: PhantomData<&'scope ()>,
}

impl<T> Future for Started<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = Pin::new(&mut self.receiver).poll(cx);
        output
            .map(|output| output.unwrap_or_else(|_| unreachable!("it runs until this is dropped")))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};
    use std::rc::Rc;

    use futures_executor::block_on;
    use futures_util::task::noop_waker_ref;

    use super::*;

    type Output = Result<u32, &'static str>;

    /// Is ready when it is polled for the `turn`th time, and wakes in between.
    async fn after<T>(turns: u32, output: T) -> T {
        for _ in 1..turns {
            moment().await;
        }
        output
    }

    #[test]
    fn multi_keeps_order_and_keys() {
        let list = vec![after(3, Output::Ok(1)), after(1, Ok(2)), after(2, Ok(3))];
        assert_eq!(block_on(multi(list)), Ok(vec![1, 2, 3]));
        let array = [after(2, Output::Ok(1)), after(1, Ok(2))];
        assert_eq!(block_on(multi(array)), Ok([1, 2]));
        let map = BTreeMap::from([("a", after(2, Output::Ok(1))), ("b", after(1, Ok(2)))]);
        assert_eq!(
            block_on(multi(map)),
            Ok(BTreeMap::from([("a", 1), ("b", 2)]))
        );
        let map = HashMap::from([("a", after(2, Output::Ok(1))), ("b", after(1, Ok(2)))]);
        assert_eq!(
            block_on(multi(map)),
            Ok(HashMap::from([("a", 1), ("b", 2)]))
        );
        assert_eq!(
            block_on(multi(Vec::<LocalBoxFuture<Output>>::new())),
            Ok(vec![])
        );
    }

    #[test]
    fn the_first_error_of_multi_drops_the_others() {
        let dropped = Rc::new(Cell::new(0));
        let child = |turns, output| {
            let counted = CountOnDrop(dropped.clone());
            async move {
                let _counted = counted;
                after(turns, output).await
            }
        };
        let list = vec![
            child(9, Err("late")),
            child(2, Err("first")),
            child(1, Ok(1)),
        ];
        assert_eq!(block_on(multi(list)), Output::Err("first").map(|_| vec![]));
        assert_eq!(dropped.get(), 3);
        let map = BTreeMap::from([(1, child(9, Ok(1))), (2, child(1, Err("first")))]);
        assert_eq!(block_on(multi(map)).unwrap_err(), "first");
        assert_eq!(dropped.get(), 5);
        let many = (0..40).map(|number| match number {
            39 => child(2, Err("last")),
            _ => child(u32::MAX, Ok(number)),
        });
        assert_eq!(block_on(multi(many.collect::<Vec<_>>())), Err("last"));
        assert_eq!(dropped.get(), 45);
    }

    #[test]
    fn what_is_ready_is_never_late() {
        assert_eq!(block_on(with_timeout(Duration::ZERO, ready(1))), Ok(1));
    }

    #[test]
    fn a_wait_iterator_gives_what_comes_first() {
        let turns = [3, 1, 2];
        let mut iterator = WaitIterator::new(turns.map(|turns| after(turns, turns)));
        let mut order = Vec::new();
        while let Some(result) = block_on(iterator.next()) {
            assert_eq!(iterator.done(), order.len() == 2);
            order.push(result);
        }
        assert_eq!(order, [(1, 1), (2, 2), (0, 3)]);
        let keyed = WaitIterator::keyed(BTreeMap::from([("a", ready(1))]));
        assert_eq!(block_on({ keyed }.next()), Some(("a", 1)));
    }

    #[test]
    fn what_was_started_runs_while_the_body_waits_for_something_else() {
        let log = RefCell::new(Vec::new());
        let say = |word| log.borrow_mut().push(word);
        let sum = block_on(interleave(async |tasks| {
            let started = tasks.start(async {
                say("started");
                after(2, ()).await;
                say("ended");
                1
            });
            say("body");
            after(5, ()).await;
            say("awaits");
            let more = tasks.start(ready(2));
            more.await + started.await
        }));
        assert_eq!(sum, 3);
        assert_eq!(log.take(), ["body", "started", "ended", "awaits"]);
    }

    #[test]
    fn what_was_started_ends_with_its_handle_and_with_the_body() {
        let dropped = Rc::new(Cell::new(0));
        let endless = || {
            let counted = CountOnDrop(dropped.clone());
            async move {
                let _counted = counted;
                pending::<()>().await
            }
        };
        block_on(interleave(async |tasks| {
            let (first, _second) = (tasks.start(endless()), tasks.start(endless()));
            after(2, ()).await;
            drop(first);
            after(2, ()).await;
            assert_eq!(dropped.get(), 1);
        }));
        assert_eq!(dropped.get(), 2);

        let mut whole = Box::pin(interleave(async |tasks| tasks.start(endless()).await));
        let cx = &mut Context::from_waker(noop_waker_ref());
        assert!(whole.as_mut().poll(cx).is_pending());
        drop(whole);
        assert_eq!(dropped.get(), 3);
    }

    struct CountOnDrop(Rc<Cell<u32>>);

    impl Drop for CountOnDrop {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
}
