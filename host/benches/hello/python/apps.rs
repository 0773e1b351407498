//! The memory of a server with several apps in Python, which share one runtime.

use std::thread::sleep;
use std::time::Duration;

use crate::app::App;
use crate::process::{proportional_memory, resident_memory};
use crate::versions::get;

/// How many apps there are.
pub const APPS: usize = 8;

/// The memory of the server in bytes, one figure for each round.
#[derive(Default)]
pub struct Memory {
    /// As the system counts it: a page that eight instances have in common is counted eight times.
    pub resident: Vec<f64>,
    /// Such a page is counted once.
    pub proportional: Vec<f64>,
}

/// The memory with one app, and with all of them, each of which has been asked.
pub fn measure(rounds: usize) -> anyhow::Result<[(usize, Memory); 2]> {
    Ok([(1, of(1, rounds)?), (APPS, of(APPS, rounds)?)])
}

fn of(apps: usize, rounds: usize) -> anyhow::Result<Memory> {
    /// Freed memory is given back by then.
    const SETTLED: Duration = Duration::from_secs(3);
    eprintln!("{apps} apps");
    let mut app = App::with_kept_cache()?;
    for number in 0..apps {
        let (file, path) = (format!("app{number}.py"), path(number));
        let program = super::APP.replace("r\"/\"", &format!("r\"{path}\""));
        app.add(&file, &path, program.as_bytes())?;
    }
    // A server that has compiled keeps memory from it.
    app.serve("shared", None)?;
    let mut memory = Memory::default();
    for _ in 0..rounds {
        let server = app.serve("shared", None)?;
        for number in 0..apps {
            get(server.address, &path(number))?;
        }
        sleep(SETTLED);
        memory.resident.push(resident_memory(server.id())? as f64);
        memory
            .proportional
            .push(proportional_memory(server.id())? as f64);
    }
    Ok(memory)
}

fn path(number: usize) -> String {
    format!("/app{number}")
}
