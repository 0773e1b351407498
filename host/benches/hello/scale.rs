//! Measurements of large numbers: of components, connections, routes, requests, cores. Decides which parts are
//! measured; each part knows how.

mod components;
mod connections;
mod cores;
mod endurance;
mod lines;
mod pairs;
mod report;
mod routes;

use std::path::Path;

use crate::choice::{Choice, Extra};
use crate::runs::Plan;
use crate::versions::Versions;

/// The sizes that options set.
pub struct Size {
    /// Starts of many components.
    pub starts: usize,
    /// Requests to one server.
    pub requests: u64,
}

/// Measures the parts that are chosen, and gives each part of the page as soon as it is complete.
pub fn measure(
    choice: &Choice,
    plan: &Plan,
    hello: &Path,
    size: &Size,
    mut page: impl FnMut(&str),
) -> anyhow::Result<()> {
    let versions = || Versions::new(hello, "Hello, world");
    if choice.has_extra(Extra::Components) {
        let components = components::measure(&versions()?, plan, size.starts)?;
        page(&report::components(plan, &components));
    }
    if choice.has_extra(Extra::Connections) {
        let connections = connections::measure(hello, plan)?;
        page(&report::connections(plan, &connections));
    }
    if choice.has_extra(Extra::Routes) {
        page(&report::routes(plan, &routes::measure(hello, plan)?));
    }
    if choice.has_extra(Extra::Cores) {
        page(&report::cores(plan, &cores::measure(hello, plan)?));
    }
    if choice.has_extra(Extra::Endurance) {
        let endurance = endurance::measure(hello, plan.connections, size.requests)?;
        page(&report::endurance(&endurance));
    }
    Ok(())
}
