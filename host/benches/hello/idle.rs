//! The cost of an idle connection: the memory of a server with thousands of them, each of which had one request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::ensure;

use crate::app::App;
use crate::process::{raise_descriptors, resident_memory};
use crate::served::Server;
use crate::workload::Workload;

/// Bytes of memory for each connection, one figure for each round.
pub struct Idle {
    /// How many were left idle.
    pub connections: usize,
    /// Waterspout's, shared.
    pub ours: Vec<f64>,
    /// The native peer's.
    pub native: Vec<f64>,
}

/// Opens connections to Waterspout and to the native peer in turns, each time to a new process.
pub fn measure(app: &App, connections: usize, rounds: usize) -> anyhow::Result<Idle> {
    /// For all other open files.
    const SPARE: usize = 200;
    let connections = connections.min(raise_descriptors()?.saturating_sub(SPARE));
    let mut idle = Idle {
        connections,
        ours: Vec::new(),
        native: Vec::new(),
    };
    // A server that has compiled keeps memory from it, which would hide that of connections.
    app.serve("shared", None)?;
    for round in 0..rounds {
        eprintln!("idle connections: round {}", round + 1);
        let mut ours = || -> anyhow::Result<()> {
            let server = app.serve("shared", None)?;
            idle.ours.push(per_connection(&server, connections)?);
            Ok(())
        };
        let mut native = || -> anyhow::Result<()> {
            let server = Server::native(None, None)?;
            idle.native.push(per_connection(&server, connections)?);
            Ok(())
        };
        if round % 2 == 0 {
            native()?;
            ours()?;
        } else {
            ours()?;
            native()?;
        }
    }
    Ok(idle)
}

fn per_connection(server: &Server, connections: usize) -> anyhow::Result<f64> {
    /// This many are opened before anything counts, so that what all connections share exists already.
    const FIRST: usize = 64;
    let request = Workload::Get.request();
    let settle = || std::thread::sleep(Duration::from_millis(500));
    let first = open(server.address, FIRST, &request)?;
    settle();
    let before = resident_memory(server.id())?;
    let more = open(server.address, connections, &request)?;
    settle();
    let after = resident_memory(server.id())?;
    drop((first, more));
    Ok((after as f64 - before as f64) / connections as f64)
}

/// Opens connections one after the other, with one answer on each.
fn open(address: SocketAddr, count: usize, request: &[u8]) -> anyhow::Result<Vec<TcpStream>> {
    let mut buffer = [0; 4096];
    let mut open = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(request)?;
        let mut read = 0;
        while !buffer[..read].ends_with(b"Hello, world") {
            let more = stream.read(&mut buffer[read..])?;
            ensure!(more > 0, "closed by the server");
            read += more;
        }
        Ok(stream)
    };
    (0..count).map(|_| open()).collect()
}
