//! A pause in which others run.

/// Lets everything else that is ready in this instance run first: Tornado's
/// [`gen.moment`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.moment).
///
/// For a computation that is long and can be taken in pieces: each `moment` ends a run, and a client that is gone ends
/// the request at the next of them.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// use waterspout_sdk::gen_::moment;
///
/// # fn hash(_: &[u8]) -> u64 { 0 }
/// # async fn post(cx: &Context) -> Result {
/// let body = cx.request().body().await?;
/// let mut sum = 0;
/// for piece in body.chunks(100_000) {
///     sum ^= hash(piece);
///     moment().await;
/// }
/// cx.write(sum.to_string())
/// # }
/// ```
pub async fn moment() {
    wit_bindgen::yield_async().await;
}
