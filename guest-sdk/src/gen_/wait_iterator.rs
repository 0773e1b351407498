//! Waiting for each of several futures as it comes.

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;

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
/// use waterspout_sdk::gen_::WaitIterator;
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

    /// The next result. `None` when there are no more.
    pub async fn next(&mut self) -> Option<(K, T)> {
        self.waiting.next().await
    }

    /// Whether there are no more.
    pub fn done(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::ready;

    use futures_executor::block_on;

    use super::*;
    use crate::testing::after;

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
}
