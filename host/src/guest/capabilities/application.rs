//! `waterspout:web/application`: what a handler may ask of the app its request belongs to.

use crate::guest::bindings::application::Host;
use crate::guest::resources::Ctx;

impl Host for Ctx {
    fn reverse_url(
        &mut self,
        request: u64,
        name: String,
        arguments: Vec<String>,
    ) -> wasmtime::Result<Result<String, String>> {
        let app = &self.exchange(request)?.app;
        Ok(app
            .router
            .reverse(&name, &arguments)
            .map_err(|error| error.to_string()))
    }

    fn settings(&mut self, request: u64) -> wasmtime::Result<String> {
        Ok(self.exchange(request)?.app.settings.clone())
    }
}
