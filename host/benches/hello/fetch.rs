//! Requests that wait for others: each fetches twice concurrently from a slow server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::ensure;

use crate::app::App;
use crate::native::SLOW;
use crate::patient::{answer, ask, connect};
use crate::served::Server;

/// How many concurrent clients there are, all with one instance.
pub const CLIENTS: usize = 1_000;

/// The milliseconds from the first of the requests until all are answered, of each round.
pub fn measure(guest: &Path, rounds: usize) -> anyhow::Result<Vec<f64>> {
    let guest = fs::read(guest)?;
    (0..rounds).map(|_| round(&guest)).collect()
}

fn round(guest: &[u8]) -> anyhow::Result<f64> {
    let slow = Server::native(None, None)?;
    let origin = format!("http://{}", slow.address);
    let mut app = App::with_kept_cache()?;
    app.add("fetch.wasm", "/fetch", guest)?;
    app.set(
        "fetch.wasm",
        "allow",
        BTreeMap::from([("http", vec![&origin])]),
    )?;
    let server = app.serve("shared", None)?;
    let path = format!("/fetch?url={origin}{SLOW}");
    let ask_all = || {
        let clients = (0..CLIENTS).map(|_| connect(server.address));
        let mut clients: Vec<_> = clients.collect::<anyhow::Result<_>>()?;
        let began = Instant::now();
        for client in &mut clients {
            ask(client, &path)?;
        }
        for client in &mut clients {
            let body = answer(client)?;
            ensure!(body == "at last at last", "wrong: {body}");
        }
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    ask_all().map_err(|error| server.explain(error))
}
