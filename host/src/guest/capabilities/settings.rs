//! `waterspout:settings/settings`: the app's own settings.

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::guest::bindings::settings::{self, Host};
use crate::guest::resources::Ctx;

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| settings::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Host for Ctx {
    fn app(&mut self, request: Option<u64>) -> wasmtime::Result<String> {
        let settings = match request {
            Some(request) => self.exchange(request)?.app.settings.clone(),
            None => self.app.settings(),
        };
        Ok(settings.to_string())
    }
}
