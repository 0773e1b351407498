//! The time of a swap: from the rename of a new version into its place to its first answer.

use std::time::Duration;

use crate::app::App;
use crate::served::Server;
use crate::versions::{Versions, until_answer_has};

/// The milliseconds of each swap of one component.
pub struct Swaps {
    /// The component's.
    pub name: &'static str,
    /// The component's size in bytes.
    pub size: usize,
    /// To new versions, by servers that have compiled nothing before.
    pub cold: Vec<f64>,
    /// To new versions, by a server that has compiled another of them.
    pub edited: Vec<f64>,
    /// To versions whose compiled code is in the cache.
    pub cached: Vec<f64>,
}

/// Swaps through as many versions of each kind.
pub fn measure(name: &'static str, versions: &Versions, swaps: usize) -> anyhow::Result<Swaps> {
    const FILE: &str = "guest.wasm";
    // With one swap, there must be another version to come back from.
    let swaps = swaps.max(2);
    let mut app = App::new()?;
    app.add(FILE, "/", &versions.component(0))?;
    // The next servers find the first code in the cache.
    app.serve("shared", None)?;
    let swap = |server: &Server, version: usize| {
        // Until then the work before is over.
        std::thread::sleep(Duration::from_millis(250));
        let renamed = app.replace(FILE, &versions.component(version))?;
        let answered = until_answer_has(&versions.text(version), server.address, "/")?;
        Ok((answered - renamed).as_secs_f64() * 1e3)
    };
    let cold = (1..=swaps)
        .map(|version| swap(&app.serve("shared", None)?, version))
        .collect::<anyhow::Result<_>>()?;
    let server = app.serve("shared", None)?;
    // Compiled here, and so not counted.
    swap(&server, swaps + 1)?;
    let edited = (swaps + 2..=2 * swaps + 1)
        .map(|version| swap(&server, version))
        .collect::<anyhow::Result<_>>()?;
    let cached = (1..=swaps)
        .map(|version| swap(&server, version))
        .collect::<anyhow::Result<_>>()?;
    Ok(Swaps {
        name,
        size: versions.size(),
        cold,
        edited,
        cached,
    })
}
