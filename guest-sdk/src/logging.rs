//! The app log: carries what the [`log`] crate's macros write to the host. It never formats a line that nobody reads
//! and never waits.

use std::sync::Once;

use crate::bindings::waterspout::web::logging::{Level, log};

/// Points the macros of the `log` crate at the host, once for each instance.
///
/// A component that brings its own logger keeps it.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Outside of a host, in a unit test, there is no log to write to.
        if cfg!(target_family = "wasm") && log::set_logger(&AppLog).is_ok() {
            log::set_max_level(log::LevelFilter::Debug);
        }
    });
}

struct AppLog;

impl log::Log for AppLog {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        let level = match record.level() {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warning,
            log::Level::Info => Level::Info,
            log::Level::Debug | log::Level::Trace => Level::Debug,
        };
        log(level, &record.args().to_string());
    }

    fn flush(&self) {}
}
