//! The app's own settings.

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use crate::result::Result;
use crate::runtime::bindings::waterspout::settings::settings as host;
use crate::runtime::bindings::waterspout::web::types::RequestNumber;

/// [`Context::settings`](crate::Context::settings) without a request: in `start` as the generation has it that is being loaded, and in tasks, loops, schedules
/// and functions of the executor as the newest generation has it. Where `start` asks, a change of the table makes new
/// instances of the component.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// async fn start() -> Result {
///     let settings: serde_json::Value = waterspout_sdk::web::settings()?;
///     log::info!("started as {}", settings["title"]);
///     Ok(())
/// }
/// ```
pub fn settings<T: DeserializeOwned>() -> Result<T> {
    of(None)
}

/// The settings of a request's generation, or of the newest.
pub(crate) fn of<T: DeserializeOwned>(request: Option<RequestNumber>) -> Result<T> {
    let settings = host::app(request);
    serde_json::from_str(if settings.is_empty() { "{}" } else { &settings })
        .context("reading [settings] app")
}
