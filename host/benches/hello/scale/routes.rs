//! The cost of a request among many routes: all of one component, each with a group, requested in turns.

use std::fs;
use std::path::Path;

use crate::app::App;
use crate::load;
use crate::questions::Questions;
use crate::runs::Plan;
use crate::runs::{Runs, in_turns};

/// The numbers of routes. The others are divided by the first.
const COUNTS: [usize; 4] = [10, 100, 1000, 10_000];

/// One app.
pub struct Row {
    /// How many routes it has.
    pub routes: usize,
    /// What a request took.
    pub runs: Runs,
}

/// Measures apps of one component.
pub fn measure(hello: &Path, plan: &Plan) -> anyhow::Result<Vec<Row>> {
    const FILE: &str = "hello.wasm";
    let hello = fs::read(hello)?;
    let app = |routes: &usize| -> anyhow::Result<App> {
        let mut app = App::with_kept_cache()?;
        app.replace(FILE, &hello)?;
        for number in 0..*routes {
            app.route(FILE, &format!("{}([^/]+)", folder(number)));
        }
        Ok(app)
    };
    let apps: Vec<App> = COUNTS.iter().map(app).collect::<anyhow::Result<_>>()?;
    // The first start compiles, so that the measured ones find the code in the cache.
    apps[0].serve("shared", None)?;
    let names = COUNTS.map(|routes| format!("{routes} routes"));
    let runs = in_turns(plan, &names, |number| {
        let server = apps[number].serve("shared", Some(&[plan.cores.server]))?;
        let paths = (0..COUNTS[number]).map(|number| format!("{}value", folder(number)));
        let texts = paths.map(|path| (path, "Hello, world".to_owned()));
        let questions = Questions::texts(&server, texts)?;
        load::run(&server, &[plan.cores.client], &questions, plan.load())
    })?;
    let rows = COUNTS.into_iter().zip(runs);
    Ok(rows.map(|(routes, runs)| Row { routes, runs }).collect())
}

/// All have the same length, so that requests of all apps cost the same to read.
fn folder(number: usize) -> String {
    format!("/thing{number:04}/")
}
