//! The memory of streams that are idle: thousands in one instance, each after one line.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use super::lines::{self, LINE};
use crate::peers::Peers;
use crate::process::resident_memory;
use crate::runs::Plan;
use crate::served::Server;
use crate::sides::{Row, Serves, Side, in_turns};

/// What was measured.
pub struct Idle {
    /// How many streams were left idle.
    pub streams: usize,
    /// Bytes of memory for each stream, one figure for each round.
    pub rows: Vec<Row<Vec<f64>>>,
}

/// Measures all sides in turns, each time in a new process.
pub fn measure(plan: &Plan, peers: &Peers, streams: usize) -> anyhow::Result<Idle> {
    let app = lines::app(streams)?;
    // A server that has compiled keeps memory from it, which would hide that of streams.
    app.serve("shared", None)?;
    eprintln!("idle streams");
    let rows = in_turns(
        &Side::all(peers),
        plan.rounds,
        |side, figures: &mut Vec<f64>| {
            let server = side.start(Serves::Streams, &app, peers, None)?;
            let each = each(&server, streams).map_err(|error| server.explain(error))?;
            figures.push(each);
            Ok(())
        },
    )?;
    Ok(Idle { streams, rows })
}

fn each(server: &Server, streams: usize) -> anyhow::Result<f64> {
    /// This many are opened before anything counts, so that what all of them share exists already.
    const FIRST: usize = 64;
    /// Freed memory is given back by then.
    const SETTLED: Duration = Duration::from_secs(3);
    let memory = || {
        sleep(SETTLED);
        resident_memory(server.id())
    };
    let _first = open(server, FIRST)?;
    let before = memory()?;
    let _more = open(server, streams)?;
    Ok((memory()? as f64 - before as f64) / streams as f64)
}

/// Opens streams one after the other, with one answer on each.
fn open(server: &Server, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let open = |_| {
        let mut stream = TcpStream::connect(server.address)?;
        stream.write_all(LINE)?;
        let mut answer = [0; 42];
        stream.read_exact(&mut answer)?;
        Ok(stream)
    };
    (0..count).map(open).collect()
}
