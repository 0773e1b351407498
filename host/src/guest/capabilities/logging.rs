//! `waterspout:logging/logging`: messages of guests go to the app log. Never waits.

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::guest::bindings::logging::{self, Host, Level};
use crate::guest::resources::{Ctx, Exchange, ShownId};

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| logging::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

/// A longer message is cut: a guest must not fill the log's buffer with one call.
pub const MAX_MESSAGE: usize = 8 * 1024;

impl Host for Ctx {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        say(&self.component, level, &message, self.running().as_deref());
        Ok(())
    }
}

/// Writes one message of a component to the app log, with its request where that is known.
pub fn say(component: &str, level: Level, message: &str, request: Option<&Exchange>) {
    let request_id = request.map(|request| tracing::field::display(ShownId(request)));
    let message = &message[..message.floor_char_boundary(MAX_MESSAGE)];
    match level {
        Level::Debug => tracing::debug!(target: "app", component, request_id, "{message}"),
        Level::Info => tracing::info!(target: "app", component, request_id, "{message}"),
        Level::Warning => tracing::warn!(target: "app", component, request_id, "{message}"),
        Level::Error => tracing::error!(target: "app", component, request_id, "{message}"),
    }
}
