//! `waterspout:web/static-files`: the URLs of the app's static files, for components. Reads no file.

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::guest::bindings::static_files::{self, Host, StaticError};
use crate::guest::resources::Ctx;
use crate::services::static_files::UrlError;

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| static_files::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Host for Ctx {
    fn static_url(
        &mut self,
        request: Option<u64>,
        path: String,
        include_version: bool,
    ) -> wasmtime::Result<Result<String, StaticError>> {
        let app = match request {
            Some(request) => Some(self.exchange(request)?.app.clone()),
            None => self.app.newest.get(),
        };
        let Some(app) = app else {
            let why = "no generation of the app serves yet".to_owned();
            return Ok(Err(StaticError::Other(why)));
        };
        let Some(urls) = &app.static_urls else {
            return Ok(Err(StaticError::Missing));
        };
        let url = urls.url(&path, include_version);
        Ok(url.map_err(|UrlError::Outside| StaticError::Outside))
    }
}
