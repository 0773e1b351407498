//! What a line costs that comes back.

use std::fs;
use std::net;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::app::{self, App};
use crate::client::{self, Window};
use crate::load::{self, Run};
use crate::peers::Peers;
use crate::runs::{Plan, Runs, in_turns};
use crate::served::Server;
use crate::sides::{Row, Serves, Side};

/// A line, with its end: 32 bytes.
pub const LINE: &[u8; 32] = b"a line of thirty-two bytes, all\n";

/// What comes back for it.
const ANSWER: &[u8; 42] = b"You sent: a line of thirty-two bytes, all\n";

/// Waterspout's app.
pub fn app(streams: usize) -> anyhow::Result<App> {
    const FILE: &str = "echo_tcp.wasm";
    let examples = app::build("examples", &[])?;
    let mut app = App::new()?;
    app.replace(FILE, &fs::read(examples.join(FILE))?)?;
    app.take_streams(&format!("{FILE}#EchoServer"))?;
    app.set(FILE, "instances", 1)?;
    app.set(FILE, "max_streams", 2 * streams)?;
    app.configure("server", "max_connections", 2 * streams + 1000)?;
    Ok(app)
}

/// Measures all sides, all of them in each round.
pub fn measure(plan: &Plan, peers: &Peers) -> anyhow::Result<Vec<Row<Runs>>> {
    let app = app(plan.connections)?;
    // The first start compiles, so that the measured ones find the code in the cache.
    app.serve("shared", None)?;
    let sides = Side::all(peers);
    let names: Vec<_> = sides.iter().map(|side| side.name().to_owned()).collect();
    let runs = in_turns(plan, &names, |number| {
        let server =
            sides[number].start(Serves::Streams, &app, peers, Some(&[plan.cores.server]))?;
        run(plan, &server).map_err(|error| server.explain(error))
    })?;
    let rows = sides.into_iter().zip(runs);
    Ok(rows.map(|(side, of)| Row { side, of }).collect())
}

fn run(plan: &Plan, server: &Server) -> anyhow::Result<Run> {
    let open = |_| net::TcpStream::connect(server.address);
    let streams: Vec<_> = (0..plan.connections).map(open).collect::<Result<_, _>>()?;
    let window = plan.load().window(Instant::now());
    let core = plan.cores.client;
    let client = || talk(core, streams, window);
    load::during(server, &[core], window, [client])
}

/// Talks on these streams from this core, and returns how long each answer took. One failure ends all.
fn talk(
    core: usize,
    streams: Vec<net::TcpStream>,
    window: Window,
) -> anyhow::Result<Vec<Duration>> {
    client::run(core, window, async {
        let mut clients = JoinSet::new();
        for stream in streams {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            clients.spawn(talk_on(TcpStream::from_std(stream)?, window));
        }
        let mut latencies = Vec::new();
        while let Some(client) = clients.join_next().await {
            latencies.extend(client??);
        }
        Ok(latencies)
    })
}

async fn talk_on(mut stream: TcpStream, window: Window) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut answer = [0; ANSWER.len()];
    loop {
        let sent = Instant::now();
        stream.write_all(LINE).await?;
        stream.read_exact(&mut answer).await?;
        ensure!(answer == *ANSWER, "another line came back");
        let answered = Instant::now();
        if answered >= window.end {
            return Ok(latencies);
        }
        if answered >= window.begin {
            latencies.push(answered - sent);
        }
    }
}
