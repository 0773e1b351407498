//! The app log: passes on the messages of the [`log`] crate's macros, and printed text without a line's end. Formats
//! no line that is not written, and never waits.

use std::io::Write;
use std::sync::Once;

use crate::result::Result;
use crate::runtime::bindings::waterspout::logging::logging::{Level, log};
use crate::runtime::place;

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
        if cfg!(target_family = "wasm") {
            let say = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                say(panic);
                hand_over();
            }));
        }
    });
}

/// Hands what is printed and has no end of a line yet over to the host, which logs it at the latest when the instance
/// ends. `print!` keeps it in the instance, which may be lost.
pub(crate) fn hand_over() {
    // A log that takes nothing is the host's affair.
    let _ = std::io::stdout().flush();
}

/// Logs an error that no client sees.
pub(crate) fn log_error(function: &str, result: Result) {
    // Taken in any case, so that no later error is said to come from there.
    let place = place::take();
    if let Err(error) = result {
        let error = place::described(&error, place);
        log::error!("Uncaught error in {function}: {error}");
    }
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
