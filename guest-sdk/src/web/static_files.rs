//! URLs of the app's static files.

use anyhow::anyhow;

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::static_files::{self, StaticError};
use crate::runtime::bindings::waterspout::web::types::RequestNumber;
use crate::web::error::HttpError;

/// [`Context::static_url`](crate::Context::static_url) without a request, as the newest generation has the file: in tasks,
/// loops, schedules and functions of the executor. In `start` of a first generation there is none yet, and that is an error.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// async fn notify() -> Result {
///     let url = waterspout_sdk::web::static_url("photo.jpg", true)?;
///     log::info!("the photo is at {url}");
///     Ok(())
/// }
/// ```
pub fn static_url(path: &str, include_version: bool) -> Result<String> {
    of(None, path, include_version)
}

/// The URL of a request's generation, or of the newest.
pub(crate) fn of(
    request: Option<RequestNumber>,
    path: &str,
    include_version: bool,
) -> Result<String> {
    static_files::static_url(request, path, include_version).map_err(|error| match error {
        StaticError::Missing => anyhow!(
            "the app has no static files: put them into `static`, or set `static_path` in `[settings]`"
        ),
        // Tornado's answer.
        StaticError::Outside => HttpError::new(403).into(),
        StaticError::Other(why) => anyhow!(why),
    })
}
