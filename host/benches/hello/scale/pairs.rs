//! Waterspout beside the native peer, at `hello`, with variants of cores and numbers of connections.

use std::fs;
use std::path::Path;

use crate::app::App;
use crate::load::{self, Load};
use crate::questions::Questions;
use crate::runs::Plan;
use crate::runs::{Runs, in_turns};
use crate::served::Server;
use crate::workload::Workload;

/// One variant.
pub struct Variant {
    /// Its name in the table.
    pub name: String,
    /// The server's cores.
    pub server: Vec<usize>,
    /// The cores of the client's threads.
    pub client: Vec<usize>,
    /// How many connections there are.
    pub connections: usize,
}

/// The results of both.
pub struct Pair {
    /// Waterspout, shared.
    pub ours: Runs,
    /// The native peer.
    pub native: Runs,
}

/// Measures both in each variant, all of them in each round.
pub fn measure(hello: &Path, plan: &Plan, variants: &[Variant]) -> anyhow::Result<Vec<Pair>> {
    const FILE: &str = "hello.wasm";
    let mut app = App::with_kept_cache()?;
    app.add(FILE, Workload::Get.path(), &fs::read(hello)?)?;
    // By default, one instance runs 1,000 requests, lets as many wait, and refuses the next.
    let most = variants.iter().map(|variant| variant.connections).max();
    app.set(FILE, "max_queue", most.unwrap_or_default().max(1000))?;
    // The first start compiles, so that the measured ones find the code in the cache.
    app.serve("shared", None)?;
    let both = |variant: &Variant| {
        ["native hyper", "shared"].map(|who| format!("{}, {who}", variant.name))
    };
    let names: Vec<String> = variants.iter().flat_map(both).collect();
    let runs = in_turns(plan, &names, |number| {
        let variant = &variants[number / 2];
        let server = match number % 2 {
            0 => Server::native(None, Some(&variant.server))?,
            _ => app.serve("shared", Some(&variant.server))?,
        };
        let load = Load {
            connections: variant.connections,
            ..plan.load()
        };
        let questions = Questions::of(&server, Workload::Get)?;
        load::run(&server, &variant.client, &questions, load)
    })?;
    let mut runs = runs.into_iter();
    let mut pairs = Vec::new();
    while let (Some(native), Some(ours)) = (runs.next(), runs.next()) {
        pairs.push(Pair { ours, native });
    }
    Ok(pairs)
}
