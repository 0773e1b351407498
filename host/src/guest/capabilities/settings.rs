//! `waterspout:settings/settings`: the app's own settings.

use crate::guest::bindings::settings::Host;
use crate::guest::resources::Ctx;

impl Host for Ctx {
    fn app(&mut self, request: Option<u64>) -> wasmtime::Result<String> {
        let settings = match request {
            Some(request) => self.exchange(request)?.app.settings.clone(),
            None => self.app.settings(),
        };
        Ok(settings.to_string())
    }
}
