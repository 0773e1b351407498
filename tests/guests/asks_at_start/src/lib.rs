//! Reads the app's settings in `start` and keeps them. Answers with what it kept, a space, and what the settings are now: a
//! test of `contract` sees that a change of them makes new instances.

use std::sync::OnceLock;

use raw::waterspout::settings::settings;
use raw::{Arguments, Call, HandlerClass, Outcome, lifecycle};

static KEPT: OnceLock<String> = OnceLock::new();

struct AsksAtStart;

raw::export!(AsksAtStart with_types_in raw);
raw::lifecycle::export!(AsksAtStart with_types_in raw::lifecycle);

impl raw::Guest for AsksAtStart {
    async fn describe() -> Vec<HandlerClass> {
        raw::only_get("AsksAtStart")
    }

    async fn get(_: Call, _: Arguments) -> Outcome {
        let kept = KEPT.get().expect("`start` comes first");
        raw::ok(format!("{kept} {}", settings::app(None)))
    }

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish cancel release }
}

impl lifecycle::Guest for AsksAtStart {
    async fn describe() -> Vec<String> {
        vec!["start".to_owned()]
    }

    async fn start() -> Result<(), String> {
        KEPT.set(settings::app(None))
            .map_err(|kept| format!("`start` was called before, with {kept}"))
    }

    async fn stop() {
        unreachable!()
    }
}
