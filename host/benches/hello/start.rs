//! The time of an app of many components from the start of its process to its first answer.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::app::App;
use crate::versions::{Versions, get};

/// How many components the app has.
pub const COMPONENTS: usize = 50;

/// The milliseconds of each start.
pub struct Starts {
    /// With an empty cache. Done once, because it fills the cache.
    pub cold: f64,
    /// The compiled code of all components is in the cache.
    pub cached: Vec<f64>,
    /// The size of each component in bytes.
    pub size: usize,
}

/// Starts the app this often with all code in the cache, which one start before fills.
pub fn measure(versions: &Versions, starts: usize) -> anyhow::Result<Starts> {
    let all = 0..COMPONENTS;
    let app = app(App::new()?, versions, all.clone())?;
    Ok(Starts {
        cold: start(&app, versions, all.clone())?,
        cached: (0..starts)
            .map(|_| start(&app, versions, all.clone()))
            .collect::<anyhow::Result<_>>()?,
        size: versions.size(),
    })
}

/// Gives an app these versions as components.
pub fn app(mut app: App, versions: &Versions, numbers: Range<usize>) -> anyhow::Result<App> {
    for number in numbers {
        let file = format!("guest{number}.wasm");
        app.add(&file, &path(number), &versions.component(number))?;
    }
    Ok(app)
}

/// The path of one of them. All paths have the same length.
pub fn path(number: usize) -> String {
    format!("/{number:04}")
}

/// The milliseconds to the first right answer of an app of these versions.
pub fn start(app: &App, versions: &Versions, numbers: Range<usize>) -> anyhow::Result<f64> {
    const PATIENCE: Duration = Duration::from_secs(300);
    let began = Instant::now();
    let mut server = app.spawn("shared", None)?;
    let mut answer = get(server.address, &path(numbers.start));
    while answer.is_err() && began.elapsed() < PATIENCE {
        server.check()?;
        std::thread::sleep(Duration::from_micros(200));
        answer = get(server.address, &path(numbers.start));
    }
    let took = began.elapsed();
    answer.with_context(|| server.last_words())?;
    // All components are ready when the first one is.
    for number in numbers {
        let answer = get(server.address, &path(number))?;
        let right = answer.starts_with("HTTP/1.1 200") && answer.contains(&versions.text(number));
        ensure!(right, "wrong: {answer:?}");
    }
    Ok(took.as_secs_f64() * 1e3)
}
