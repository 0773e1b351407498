//! Apps in Python: Waterspout beside Tornado on the machine's own Python. Decides which parts are measured; each part knows
//! how.

mod apps;
mod echo;
mod edit;
mod hello;
mod report;

use crate::app::App;
use crate::choice::{Choice, Extra};
use crate::peers::Peers;
use crate::process::raise_descriptors;
use crate::runs::Plan;
use crate::waiting;

/// The parts, in the order of the page.
pub const PARTS: [Extra; 5] = [
    Extra::PythonHello,
    Extra::PythonEcho,
    Extra::PythonEdit,
    Extra::PythonApps,
    Extra::PythonPolls,
];

/// The app, and its name in `handlers/`.
const APP: &str = include_str!("python/app.py");
const DIRECT: &str = include_str!("python/direct.py");
const FILE: &str = "app.py";

/// The memory of the instance that has all polls.
const MEMORY: &str = "256MB";

/// How much is measured of what takes long.
pub struct Size {
    /// Edits of each kind.
    pub edits: usize,
    /// Clients that wait.
    pub waiting: usize,
}

/// Measures the parts that are chosen, and gives each part of the page as soon as it is complete.
pub fn measure(
    choice: &Choice,
    plan: &Plan,
    peers: &Peers,
    size: &Size,
    mut page: impl FnMut(&str),
) -> anyhow::Result<()> {
    let has = |part| choice.has_extra(part);
    if has(Extra::PythonHello) {
        page(&report::hello(plan, &hello::measure(plan, peers)?));
    }
    if has(Extra::PythonEcho) {
        page(&report::echo(plan, &echo::measure(plan, peers)?));
    }
    if has(Extra::PythonEdit) {
        page(&report::edits(&edit::measure(size.edits)?));
    }
    if has(Extra::PythonApps) {
        page(&report::apps(&apps::measure(plan.rounds)?));
    }
    if has(Extra::PythonPolls) {
        raise_descriptors()?;
        let mut app = app()?;
        app.set(FILE, "memory", MEMORY)?;
        app.set(FILE, "deadline", "off")?;
        app.set(FILE, "max_concurrent", 2 * size.waiting)?;
        app.configure("server", "max_connections", 2 * size.waiting)?;
        let waiting = waiting::measure(&app, peers, size.waiting, plan.rounds)?;
        page(&report::polls(MEMORY, &waiting));
    }
    Ok(())
}

/// The component that runs it is in the cache of all benchmarks: making it takes longer than most of them.
fn app() -> anyhow::Result<App> {
    app_of(APP)
}

fn app_of(program: &str) -> anyhow::Result<App> {
    let app = App::with_kept_cache()?;
    app.replace(FILE, program.as_bytes())?;
    Ok(app)
}
