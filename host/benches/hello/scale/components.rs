//! The cost of a request in an app of many components. Requests go to all in turns, so that each was unused for as
//! long as possible, or only to one of them.

use crate::app::App;
use crate::load;
use crate::questions::Questions;
use crate::runs::Plan;
use crate::runs::{Runs, in_turns};
use crate::start;
use crate::versions::Versions;

use super::lines;

/// The numbers of components. The others are divided by the first.
const COUNTS: [usize; 4] = [1, 10, 100, 1000];

/// How many are compiled by one server before all are served.
const TOGETHER: usize = 50;

/// One app, and the components that get requests.
pub struct Row {
    /// How many components it has.
    pub components: usize,
    /// How many of them get requests.
    pub asked: usize,
    /// The results.
    pub runs: Runs,
}

/// All apps.
pub struct Components {
    /// The first has one component.
    pub rows: Vec<Row>,
    /// The milliseconds of each start of the largest app with all in the cache.
    pub starts: Vec<f64>,
    /// The time of the memory alone, for these numbers.
    pub lines: Vec<lines::Row>,
}

/// Measures apps of versions of one component.
pub fn measure(versions: &Versions, plan: &Plan, starts: usize) -> anyhow::Result<Components> {
    let (first, most) = (COUNTS[0], COUNTS[COUNTS.len() - 1]);
    let app = |numbers| start::app(App::with_kept_cache()?, versions, numbers);
    // A server that compiles a thousand would not start within the time limit.
    for begin in (0..most).step_by(TOGETHER) {
        eprintln!("components: {begin} of {most} are in the cache");
        let numbers = begin..most.min(begin + TOGETHER);
        start::start(&app(numbers.clone())?, versions, numbers)?;
    }
    let apps: Vec<App> = COUNTS
        .iter()
        .map(|count| app(0..*count))
        .collect::<anyhow::Result<_>>()?;
    let largest = &apps[apps.len() - 1];
    let variants: Vec<(&App, usize, usize)> = apps
        .iter()
        .zip(COUNTS)
        .map(|(app, components)| (app, components, components))
        .chain([(largest, most, first)])
        .collect();
    let name = |(_, components, asked): &(&App, usize, usize)| {
        format!("{components} components, {asked} of them asked")
    };
    let names: Vec<String> = variants.iter().map(name).collect();
    let runs = in_turns(plan, &names, |number| {
        let (app, _, asked) = variants[number];
        let server = app.serve("shared", Some(&[plan.cores.server]))?;
        let texts = (0..asked).map(|number| (start::path(number), versions.text(number)));
        let questions = Questions::texts(&server, texts)?;
        load::run(&server, &[plan.cores.client], &questions, plan.load())
    })?;
    let rows = variants.iter().zip(runs);
    Ok(Components {
        rows: rows
            .map(|((_, components, asked), runs)| Row {
                components: *components,
                asked: *asked,
                runs,
            })
            .collect(),
        starts: (0..starts)
            .map(|_| start::start(largest, versions, 0..most))
            .collect::<anyhow::Result<_>>()?,
        lines: lines::measure(&COUNTS, plan)?,
    })
}
