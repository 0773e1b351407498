//! How long an app of many components takes from the start of its process to its first answer.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::served::App;
use crate::versions::{Versions, get};

/// How many components the app has.
pub const COMPONENTS: usize = 50;

/// The milliseconds of each start.
pub struct Starts {
    /// Nothing is in the cache. Done once: it is what fills it.
    pub cold: f64,
    /// The compiled code of all components is in the cache.
    pub cached: Vec<f64>,
    /// The size of each component in bytes.
    pub size: usize,
}

/// Starts the app this often with all in the cache, which one start before fills.
pub fn measure(versions: &Versions, starts: usize) -> anyhow::Result<Starts> {
    let mut app = App::new()?;
    for number in 0..COMPONENTS {
        let (file, pattern) = (format!("guest{number}.wasm"), path(number));
        app.add(&file, &pattern, &versions.component(number))?;
    }
    Ok(Starts {
        cold: start(&app, versions)?,
        cached: (0..starts)
            .map(|_| start(&app, versions))
            .collect::<anyhow::Result<_>>()?,
        size: versions.size(),
    })
}

fn path(number: usize) -> String {
    format!("/{number}")
}

fn start(app: &App, versions: &Versions) -> anyhow::Result<f64> {
    const PATIENCE: Duration = Duration::from_secs(120);
    let began = Instant::now();
    let mut server = app.spawn("shared", None)?;
    let mut answer = get(server.address, &path(0));
    while answer.is_err() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_micros(200));
        answer = get(server.address, &path(0));
    }
    let took = began.elapsed();
    answer.with_context(|| server.last_words())?;
    // No component is there later than the first one.
    for number in 0..COMPONENTS {
        let answer = get(server.address, &path(number))?;
        let right = answer.starts_with("HTTP/1.1 200") && answer.contains(&versions.text(number));
        ensure!(right, "wrong: {answer:?}");
    }
    Ok(took.as_secs_f64() * 1e3)
}
