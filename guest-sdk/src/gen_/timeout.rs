//! Waiting for a future, but not for long.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::ioloop::clocks::sleep;

/// Waits for `future`, but no longer than `timeout`. Tornado's
/// [`gen.with_timeout`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.with_timeout).
///
/// What took too long is dropped where it is. (In Tornado it runs on.) A future that is ready immediately is never
/// late.
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

#[cfg(test)]
mod tests {
    use std::future::ready;

    use futures_executor::block_on;

    use super::*;

    #[test]
    fn what_is_ready_is_never_late() {
        assert_eq!(block_on(with_timeout(Duration::ZERO, ready(1))), Ok(1));
    }
}
