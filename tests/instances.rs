//! `instances`: who shares an instance, how many there are, what they may hold, and how a request in one ends.

mod bodies;
mod ends;
mod grants;
mod queue;
mod sharing;

use crate::harness::{App, Running, guest};

/// Serves one component with these rules.
async fn serve(name: &str, rules: &str) -> Running {
    serve_with(name, rules, "").await
}

/// The same, with more tables in the configuration.
async fn serve_with(name: &str, rules: &str, rest: &str) -> Running {
    let file = format!("{name}.wasm");
    App::new()
        .handler(&file, guest(name))
        .config(&format!("[component.\"{file}\"]\n{rules}\n{rest}"))
        .serve()
        .await
}
