//! `waterspout:web/application`: what a component may ask of the app that it belongs to.

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::base::router::ReverseError;
use crate::guest::bindings::application::{self, Host};
use crate::guest::resources::Ctx;

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| application::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Host for Ctx {
    fn reverse_url(
        &mut self,
        request: Option<u64>,
        name: String,
        arguments: Vec<String>,
    ) -> wasmtime::Result<Result<String, application::ReverseError>> {
        let app = match request {
            Some(request) => Some(self.exchange(request)?.app.clone()),
            None => self.app.newest.get(),
        };
        let Some(app) = app else {
            let why = "no generation of the app serves yet".to_owned();
            return Ok(Err(application::ReverseError::Other(why)));
        };
        let reversed = app.router.reverse(&name, &arguments);
        Ok(reversed.map_err(|error| match error {
            ReverseError::UnknownName(_) => application::ReverseError::Unknown,
            ReverseError::Irreversible(_) | ReverseError::WrongCount { .. } => {
                application::ReverseError::Arguments(format!("{name:?}: {error}"))
            }
        }))
    }

    fn login_url(&mut self, request: u64) -> wasmtime::Result<Option<String>> {
        Ok(self.exchange(request)?.app.login_url.clone())
    }
}
