//! Waiting for all of several futures.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// Waits for all of them, which run at the same time. Their results come in the order of the list, or under the keys of
/// the map. Tornado's [`gen.multi`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.multi).
///
/// The first error ends it: that is the error of the whole, and the others are dropped where they are, as by every
/// other end of a wait. (In Tornado they run on, and what they raise is logged.)
///
/// It takes lists ([`Vec`] and arrays) and maps of futures of one type, whose output is a `Result`. Futures of
/// different types wait together in [`try_join!`](crate::gen_::try_join); where nothing can fail, in
/// [`join!`](crate::gen_::join), and a list of those in [`join_all`](crate::gen_::join_all).
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

/// Their results in their order. Not futures-util's `try_join_all`: with more than 30 futures it sees an error only
/// when all before it are ready.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use futures_executor::block_on;
    use futures_util::future::LocalBoxFuture;

    use super::*;
    use crate::testing::{CountOnDrop, after};

    type Output = Result<u32, &'static str>;

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
}
