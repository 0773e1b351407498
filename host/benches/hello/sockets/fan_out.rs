//! What it costs to send one message to thousands of sockets: one publish for all of them, and the next when all have it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::{frames, handshake};
use crate::answer::shown;
use crate::app::{self, App};
use crate::patient::{answer, connect};
use crate::peers::Peers;
use crate::process::{cpu_time, on_core};
use crate::runs::Plan;
use crate::served::Server;
use crate::sides::{Row, Serves, Side, in_turns};

/// The bytes of a message.
pub const SIZE: usize = 64;

/// The results of one server, in each round.
#[derive(Default)]
pub struct Figures {
    /// Microseconds of the server's CPU time for each message that a socket got.
    pub cpu: Vec<f64>,
    /// Messages that sockets got, a second.
    pub per_second: Vec<f64>,
    /// Milliseconds from a publish until all have the message, the mean of a round.
    pub told: Vec<f64>,
}

/// What was measured.
pub struct FanOut {
    /// How many sockets listened.
    pub sockets: usize,
    /// The library alone is the first one.
    pub rows: Vec<Row<Figures>>,
}

/// Measures all sides in turns, each time in a new process.
pub fn measure(plan: &Plan, peers: &Peers, sockets: usize) -> anyhow::Result<FanOut> {
    let app = app(sockets)?;
    // The first start compiles, so that the measured ones find the code in the cache.
    app.serve("shared", None)?;
    eprintln!("fan-out");
    let rows = in_turns(
        &Side::all(peers),
        plan.rounds,
        |side, figures: &mut Figures| {
            let server = side.start(Serves::Sockets, &app, peers, Some(&[plan.cores.server]))?;
            let told = on_core(plan.cores.client, || {
                figures.add(&server, sockets, plan.time)
            });
            told.map_err(|error| server.explain(error))
        },
    )?;
    Ok(FanOut { sockets, rows })
}

/// Waterspout's app for thousands of sockets in one instance.
pub fn app(sockets: usize) -> anyhow::Result<App> {
    let guests = app::build("host/benches/guests", &[])?;
    let mut app = App::new()?;
    app.replace(FILE, &std::fs::read(guests.join(FILE))?)?;
    app.set(FILE, "instances", 1)?;
    app.set(FILE, "max_sockets", 2 * sockets)?;
    app.configure("server", "max_connections", 2 * sockets + 1000)?;
    Ok(app)
}

/// Their component.
pub const FILE: &str = "sockets.wasm";

impl Figures {
    fn add(&mut self, server: &Server, sockets: usize, time: Duration) -> anyhow::Result<()> {
        let open = |_| {
            let mut socket = handshake::open(server.address, "/topic", false)?;
            // What comes back says that it has subscribed.
            exchange(&mut socket, b"0", b"0")?;
            Ok(socket)
        };
        let mut listeners: Vec<TcpStream> =
            (0..sockets).map(open).collect::<anyhow::Result<_>>()?;
        let mut publisher = connect(server.address)?;
        let mut tell = |number: usize| {
            let message = format!("{number:0SIZE$}");
            publish(&mut publisher, &message, sockets)?;
            for listener in &mut listeners {
                expect(listener, message.as_bytes())?;
            }
            anyhow::Ok(())
        };
        tell(0)?;
        let (began, before) = (Instant::now(), cpu_time(server.id())?);
        let mut published = 0;
        while began.elapsed() < time {
            published += 1;
            tell(published)?;
        }
        let (took, used) = (began.elapsed(), cpu_time(server.id())? - before);
        let delivered = (published * sockets) as f64;
        self.cpu.push(used.as_secs_f64() * 1e6 / delivered);
        self.per_second.push(delivered / took.as_secs_f64());
        self.told.push(took.as_secs_f64() * 1e3 / published as f64);
        Ok(())
    }
}

/// Posts a message, of which the server has to say that so many sockets get it.
fn publish(stream: &mut TcpStream, message: &str, sockets: usize) -> anyhow::Result<()> {
    let length = message.len();
    let head =
        format!("POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + message).as_bytes())?;
    let told: usize = answer(stream)?.parse().context("no number")?;
    ensure!(told == sockets, "told {told} of {sockets}");
    Ok(())
}

/// Sends a text, and waits for the answer.
pub fn exchange(socket: &mut TcpStream, text: &[u8], wanted: &[u8]) -> anyhow::Result<()> {
    socket.write_all(&frames::masked(text))?;
    expect(socket, wanted)
}

/// Waits for this text, whole in one frame.
fn expect(socket: &mut TcpStream, wanted: &[u8]) -> anyhow::Result<()> {
    let mut buffer = [0; 2 * SIZE];
    let wanted = frames::unmasked(wanted);
    let read = &mut buffer[..wanted.len()];
    socket.read_exact(read)?;
    ensure!(*read == wanted, "wrong: {}", shown(read));
    Ok(())
}
