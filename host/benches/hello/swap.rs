//! How long a swap takes: from the rename of a new version into its place to the first answer of it.

use std::time::Duration;

use crate::app::App;
use crate::versions::{Versions, until_answer_has};

/// The milliseconds of each swap of one component.
pub struct Swaps {
    /// The component's.
    pub name: &'static str,
    /// The component's size in bytes.
    pub size: usize,
    /// To versions that were never seen before.
    pub cold: Vec<f64>,
    /// To versions whose compiled code is in the cache.
    pub cached: Vec<f64>,
}

/// Swaps through `swaps` versions twice: the first time all are new.
pub fn measure(name: &'static str, versions: &Versions, swaps: usize) -> anyhow::Result<Swaps> {
    const FILE: &str = "guest.wasm";
    // With one swap, there has to be another version to come back from.
    let numbers = 1..=swaps.max(2);
    let mut app = App::new()?;
    app.add(FILE, "/", &versions.component(0))?;
    let server = app.serve("shared", None)?;
    until_answer_has(&versions.text(0), server.address, "/")?;
    let mut swap = |version: usize| {
        // What the last swap left behind is gone by then.
        std::thread::sleep(Duration::from_millis(250));
        let renamed = app.replace(FILE, &versions.component(version))?;
        let answered = until_answer_has(&versions.text(version), server.address, "/")?;
        Ok((answered - renamed).as_secs_f64() * 1e3)
    };
    Ok(Swaps {
        name,
        size: versions.size(),
        cold: numbers
            .clone()
            .map(&mut swap)
            .collect::<anyhow::Result<_>>()?,
        cached: numbers.map(&mut swap).collect::<anyhow::Result<_>>()?,
    })
}
