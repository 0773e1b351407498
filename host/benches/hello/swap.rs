//! How long a swap takes: from the rename of a new version into its place to the first answer of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::served::App;

/// The milliseconds of each swap of one component.
pub struct Swaps {
    pub name: &'static str,
    /// The component's size in bytes.
    pub size: usize,
    /// To versions that were never seen before.
    pub cold: Vec<f64>,
    /// To versions whose compiled code is in the cache.
    pub cached: Vec<f64>,
}

/// Swaps through `swaps` versions twice: the first time all are new.
///
/// A version is the component with another text of the same length in the place of `marker`, which has to be part
/// of its answer.
pub fn measure(
    name: &'static str,
    component: &Path,
    marker: &str,
    swaps: usize,
) -> anyhow::Result<Swaps> {
    let component = std::fs::read(component)?;
    let places: Vec<usize> = component
        .windows(marker.len())
        .enumerate()
        .filter_map(|(at, window)| (window == marker.as_bytes()).then_some(at))
        .collect();
    ensure!(
        places.len() == 1,
        "{name} has {marker:?} {} times",
        places.len()
    );
    let text = |version: usize| format!("{version:->width$}", width = marker.len());
    let patched = |version: usize| {
        let mut bytes = component.clone();
        bytes[places[0]..][..marker.len()].copy_from_slice(text(version).as_bytes());
        bytes
    };
    // With one swap, there has to be another version to come back from.
    let versions = 1..=swaps.max(2);

    let app = App::new(&patched(0))?;
    let server = app.serve("shared", None)?;
    until_answer_has(&text(0), server.address)?;
    let mut swap = |version: usize| {
        // What the last swap left behind is gone by then.
        std::thread::sleep(Duration::from_millis(250));
        let renamed = app.replace(&patched(version))?;
        let answered = until_answer_has(&text(version), server.address)?;
        Ok((answered - renamed).as_secs_f64() * 1e3)
    };
    Ok(Swaps {
        name,
        size: component.len(),
        cold: versions
            .clone()
            .map(&mut swap)
            .collect::<anyhow::Result<_>>()?,
        cached: versions.map(&mut swap).collect::<anyhow::Result<_>>()?,
    })
}

/// Asks again and again, a few times per millisecond, and tells when the answer was there.
fn until_answer_has(text: &str, address: SocketAddr) -> anyhow::Result<Instant> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        let answer = get(address)?;
        let now = Instant::now();
        ensure!(answer.starts_with("HTTP/1.1 200"), "wrong: {answer:?}");
        if answer.contains(text) {
            return Ok(now);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    None.context("the new version does not answer")
}

fn get(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
