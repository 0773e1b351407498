//! Waiting for time to pass without blocking the instance.

use std::time::Duration;

use crate::bindings::wasi::clocks::monotonic_clock;

/// Waits for `duration`; other requests of the instance run meanwhile. Tornado's
/// [`gen.sleep`](https://www.tornadoweb.org/en/stable/gen.html#tornado.gen.sleep).
///
/// `std::thread::sleep` would block the whole instance, as `time.sleep` blocks Tornado's loop. A duration of more
/// than 584 years waits that long.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # use std::time::Duration;
/// # async fn get(cx: &Context) -> Result {
/// sleep(Duration::from_millis(250)).await;
/// cx.write("a moment later")
/// # }
/// ```
pub async fn sleep(duration: Duration) {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    monotonic_clock::wait_for(nanoseconds).await;
}
