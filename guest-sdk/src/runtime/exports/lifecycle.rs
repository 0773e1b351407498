//! The description of a component's lifecycle, from `export!`.

use crate::result::Result;
use crate::runtime::exports::component::Component;
use crate::runtime::kept::{self, Work};
use crate::runtime::logging::{self, log_error};

/// What `describe` says of the component's instances.
pub(super) fn describe<C: Component>() -> Vec<String> {
    let properties = [
        ("single", C::SINGLE),
        ("start", C::START),
        ("stop", C::STOP),
    ];
    let present = properties.into_iter().filter(|(_, present)| *present);
    present.map(|(name, _)| name.to_owned()).collect()
}

pub(super) async fn start<C: Component>() -> Result<(), String> {
    logging::install();
    let started = kept::function(Work::Instance, C::start()).await;
    started.map_err(|error| format!("{error:#}"))
}

pub(super) async fn stop<C: Component>() {
    logging::install();
    log_error("stop", kept::function(Work::Instance, C::stop()).await);
}

pub(super) async fn save<C: Component>() -> Result<Vec<u8>, String> {
    let saved = kept::function(Work::Instance, C::save()).await;
    saved.map_err(|error| format!("{error:#}"))
}

pub(super) async fn restore<C: Component>(state: Vec<u8>) -> Result<(), String> {
    logging::install();
    let restored = kept::function(Work::Instance, C::restore(state)).await;
    restored.map_err(|error| format!("{error:#}"))
}
