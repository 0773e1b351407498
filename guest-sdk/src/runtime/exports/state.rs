//! The state of a component that goes to its next version, from `export!`.

use crate::result::Result;
use crate::runtime::exports::component::Component;
use crate::runtime::kept::{self, Work};
use crate::runtime::logging;

pub(super) async fn save<C: Component>() -> Result<Vec<u8>, String> {
    let saved = kept::function(Work::Instance, C::save()).await;
    saved.map_err(|error| format!("{error:#}"))
}

pub(super) async fn restore<C: Component>(state: Vec<u8>) -> Result<(), String> {
    logging::install();
    let restored = kept::function(Work::Instance, C::restore(state)).await;
    restored.map_err(|error| format!("{error:#}"))
}
