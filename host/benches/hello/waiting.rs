//! Clients that wait: the memory of thousands of long polls, the time until one publish has answered all of them, and
//! the time until an event has reached all listeners of a stream. Waterspout's and Tornado's in turns.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::app::App;
use crate::patient::{answer, ask, connect, read_until};
use crate::peers::{Peer, Peers, TORNADO_APP};
use crate::process::{cpu_time, raise_descriptors, resident_memory};
use crate::served::{Server, free_address};

/// How many clients listen to the stream of events.
pub const LISTENERS: usize = 1_000;

/// How many events are sent in a round.
pub const EVENTS: usize = 20;

/// The results of one server, in each round.
#[derive(Default)]
pub struct Figures {
    /// Bytes of memory for each client that waits, its connection included.
    pub memory: Vec<f64>,
    /// Milliseconds from the publish to the last answer.
    pub answered: Vec<f64>,
    /// Milliseconds from the publish until the last of the listeners has the event.
    pub told: Vec<f64>,
    /// Microseconds of the server's CPU time for each event that a listener got.
    pub cpu: Vec<f64>,
}

/// What was measured.
pub struct Waiting {
    /// How many polled.
    pub clients: usize,
    /// Waterspout's, in one shared instance.
    pub ours: Figures,
    /// Tornado's, if it is installed.
    pub tornado: Option<Figures>,
}

/// Measures both in turns, each time in a new process.
pub fn measure(app: &App, peers: &Peers, clients: usize, rounds: usize) -> anyhow::Result<Waiting> {
    /// For all other open files.
    const SPARE: usize = 300;
    let clients = clients.min(raise_descriptors()?.saturating_sub(SPARE));
    let mut waiting = Waiting {
        clients,
        ours: Figures::default(),
        tornado: peers.version(Peer::Tornado).is_ok().then(Figures::default),
    };
    // A server that has compiled keeps memory from it, which would hide that of clients.
    app.serve("shared", None)?;
    for round in 0..rounds {
        eprintln!("waiting clients: round {}", round + 1);
        waiting.ours.add(clients, || app.serve("shared", None))?;
        if let Some(tornado) = &mut waiting.tornado {
            tornado.add(clients, || start_tornado(peers))?;
        }
    }
    Ok(waiting)
}

fn start_tornado(peers: &Peers) -> anyhow::Result<Server> {
    let address = free_address()?;
    let mut command = Command::new("python3");
    command
        .arg(TORNADO_APP)
        .args([&address.port().to_string(), "waiting"])
        .env("PYTHONPATH", peers.program(Peer::Tornado)?);
    Server::start(command, address, None)
}

impl Figures {
    fn add(
        &mut self,
        clients: usize,
        start: impl Fn() -> anyhow::Result<Server>,
    ) -> anyhow::Result<()> {
        let server = start()?;
        let polled = self.poll(&server, clients);
        polled.map_err(|error| server.explain(error))?;
        let server = start()?;
        self.listen(&server).map_err(|error| server.explain(error))
    }

    fn poll(&mut self, server: &Server, clients: usize) -> anyhow::Result<()> {
        /// This many are opened before anything counts, so that what all of them share exists already.
        const FIRST: usize = 64;
        let settle = || std::thread::sleep(Duration::from_millis(500));
        let mut first = open_all(server.address, FIRST, "poll")?;
        publish(server.address)?;
        answers(&mut first)?;
        settle();
        let before = resident_memory(server.id())?;
        let mut waiting = open_all(server.address, clients, "poll")?;
        settle();
        let after = resident_memory(server.id())?;
        let began = publish(server.address)?;
        answers(&mut waiting)?;
        self.answered.push(began.elapsed().as_secs_f64() * 1e3);
        self.memory
            .push((after as f64 - before as f64) / clients as f64);
        Ok(())
    }

    fn listen(&mut self, server: &Server) -> anyhow::Result<()> {
        /// With the end of its chunk (RFC 9112, section 7.1).
        const EVENT: &str = "data: news\n\n\r\n";
        let mut listeners = open_all(server.address, LISTENERS, "events")?;
        for listener in &mut listeners {
            read_until(listener, ends_with("\r\n\r\n"))?;
        }
        let cpu = cpu_time(server.id())?;
        for _ in 0..EVENTS {
            until_waiting(server.address, LISTENERS)?;
            let began = publish(server.address)?;
            for listener in &mut listeners {
                read_until(listener, ends_with(EVENT))?;
            }
            self.told.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let cpu = cpu_time(server.id())? - cpu;
        self.cpu
            .push(cpu.as_secs_f64() * 1e6 / (LISTENERS * EVENTS) as f64);
        Ok(())
    }
}

/// Opens connections one after the other, each with one request, and waits until the server holds all of these.
fn open_all(address: SocketAddr, count: usize, path: &str) -> anyhow::Result<Vec<TcpStream>> {
    let open = || {
        let mut stream = connect(address)?;
        ask(&mut stream, &whole(path))?;
        Ok(stream)
    };
    let open = (0..count).map(|_| open()).collect::<anyhow::Result<_>>()?;
    until_waiting(address, count)?;
    Ok(open)
}

fn until_waiting(address: SocketAddr, count: usize) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let mut stream = connect(address)?;
    let began = Instant::now();
    loop {
        ask(&mut stream, &whole("count"))?;
        if answer(&mut stream)? == count.to_string() {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "not all of {count} came to wait"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Publishes, and returns the time.
fn publish(address: SocketAddr) -> anyhow::Result<Instant> {
    let mut stream = connect(address)?;
    let began = Instant::now();
    ask(&mut stream, &whole("publish"))?;
    answer(&mut stream)?;
    Ok(began)
}

fn whole(path: &str) -> String {
    format!("/waiting/{path}")
}

fn answers(streams: &mut [TcpStream]) -> anyhow::Result<()> {
    for stream in streams {
        answer(stream)?;
    }
    Ok(())
}

fn ends_with(end: &str) -> impl Fn(&str) -> Option<()> {
    move |read| read.ends_with(end).then_some(())
}
