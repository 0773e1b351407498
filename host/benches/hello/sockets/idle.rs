//! The memory of sockets that are idle: thousands in one instance, each after one message, awake and asleep.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::fan_out::{FILE, app, exchange};
use super::handshake;

use crate::peers::Peers;
use crate::process::resident_memory;
use crate::runs::Plan;
use crate::served::Server;
use crate::sides::{Row, Serves, Side, in_turns};

/// Seconds until an instance without events sleeps.
pub const HIBERNATE: u64 = 6;

/// Bytes of memory for each socket of one server, one figure for each round.
#[derive(Default)]
pub struct Figures {
    /// With its handler's object.
    pub awake: Vec<f64>,
    /// Without an instance, where the server can do that.
    pub asleep: Vec<f64>,
}

/// What was measured.
pub struct Idle {
    /// How many sockets were left idle.
    pub sockets: usize,
    /// All but the library alone: what it keeps for a socket is up to who uses it.
    pub rows: Vec<Row<Figures>>,
}

/// Measures all sides in turns, each time in a new process.
pub fn measure(plan: &Plan, peers: &Peers, sockets: usize) -> anyhow::Result<Idle> {
    let mut app = app(sockets)?;
    app.set(FILE, "hibernate", format!("{HIBERNATE}s"))?;
    // A server that has compiled keeps memory from it, which would hide that of sockets.
    app.serve("shared", None)?;
    let mut sides = Side::all(peers);
    sides.retain(|side| *side != Side::Library);
    eprintln!("idle sockets");
    let rows = in_turns(&sides, plan.rounds, |side, figures: &mut Figures| {
        let server = side.start(Serves::Sockets, &app, peers, None)?;
        let added = figures.add(&server, sockets, side == Side::Shared);
        added.map_err(|error| server.explain(error))
    })?;
    Ok(Idle { sockets, rows })
}

impl Figures {
    fn add(&mut self, server: &Server, sockets: usize, sleeps: bool) -> anyhow::Result<()> {
        /// This many are opened before anything counts, so that what all of them share exists already.
        const FIRST: usize = 64;
        /// Freed memory is given back by then.
        const SETTLED: Duration = Duration::from_secs(3);
        let awake = || {
            sleep(SETTLED);
            resident_memory(server.id())
        };
        let each = |before: u64, after: u64| (after as f64 - before as f64) / sockets as f64;
        let first = open(server, FIRST)?;
        let before = awake()?;
        let asleep = sleeps.then(|| memory_asleep(server)).transpose()?;
        let mut more = open(server, sockets)?;
        self.awake.push(each(before, awake()?));
        if let Some(before) = asleep {
            self.asleep.push(each(before, memory_asleep(server)?));
            for socket in &mut more {
                // It says that it was asleep.
                exchange(socket, b"0", b"1")?;
            }
        }
        drop((first, more));
        Ok(())
    }
}

/// Opens sockets one after the other, with one answer on each.
fn open(server: &Server, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    let open = |_| {
        let mut socket = handshake::open(server.address, "/idle", false)?;
        exchange(&mut socket, b"0", b"0")?;
        Ok(socket)
    };
    (0..count).map(open).collect()
}

/// The memory when all sockets are asleep: when it falls no more.
fn memory_asleep(server: &Server) -> anyhow::Result<u64> {
    const STEP: Duration = Duration::from_millis(250);
    const STEADY: Duration = Duration::from_secs(3);
    sleep(Duration::from_secs(HIBERNATE));
    let mut least = resident_memory(server.id())?;
    let mut since = Instant::now();
    while since.elapsed() < STEADY {
        sleep(STEP);
        let now = resident_memory(server.id())?;
        if now < least - least / 200 {
            (least, since) = (now, Instant::now());
        }
    }
    resident_memory(server.id())
}
