//! A server under load: each connection sends its next request when it is answered, or all together send at a fixed
//! rate. Also measures what that costs the server. The connections are in `client`.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::client::{self, Connection, Pace, Window};
use crate::process::{cpu_time, peak_memory, resident_memory};
use crate::questions::Questions;
use crate::served::Server;

/// The load on a server.
#[derive(Clone, Copy)]
pub struct Load {
    /// How many clients there are, each with one request at a time. There are as many connections, or fewer where one
    /// connection has several requests.
    pub connections: usize,
    /// How long, after the warm-up.
    pub time: Duration,
    /// Requests per second; none: as many as are answered.
    pub rate: Option<u64>,
}

impl Load {
    /// When it counts, if it begins now.
    pub fn window(&self, now: Instant) -> Window {
        let begin = now + warm_up(self.connections);
        Window {
            begin,
            end: begin + self.time,
        }
    }
}

/// The result of one server under load.
pub struct Run {
    /// Requests that were answered.
    pub per_second: f64,
    /// Microseconds of the server's CPU time for each request.
    pub cpu: f64,
    /// Microseconds to the answer: from the request, or from when it was due where the rate is fixed.
    pub p50: f64,
    /// The same, of the slowest in a hundred.
    pub p99: f64,
    /// The same, of the slowest of all.
    pub max: f64,
    /// How much of a core the server used; of two, it is 2 at the most.
    pub server: f64,
    /// How much of a core the client used.
    pub client: f64,
    /// How much the busier side used of its cores, at most 1; both together where they share them.
    pub busy: f64,
    /// The most memory that the server had resident, in bytes.
    pub peak: u64,
    /// The memory that it had resident at the end, in bytes.
    pub resident: u64,
    /// The first answer of HTTP, without its date.
    pub answer: Vec<u8>,
}

/// Loads a server, with one thread of the client on each of these cores.
pub fn run(
    server: &Server,
    cores: &[usize],
    questions: &Arc<Questions>,
    load: Load,
) -> anyhow::Result<Run> {
    measure(server, cores, questions, load).map_err(|error| server.explain(error))
}

fn measure(
    server: &Server,
    cores: &[usize],
    questions: &Arc<Questions>,
    load: Load,
) -> anyhow::Result<Run> {
    let mut threads: Vec<Vec<_>> = cores.iter().map(|_| Vec::new()).collect();
    let at_once = questions.wire.at_once();
    let streams = load.connections.div_ceil(at_once);
    let streams = connect(server.address, streams, questions)?;
    let now = Instant::now();
    let window = load.window(now);
    let pace = |number| Some(Pace::of(now, load.rate?, number, load.connections));
    let paces: Vec<Option<Pace>> = (0..load.connections).map(pace).collect();
    let connections = streams.into_iter().zip(paces.chunks(at_once));
    for (number, (stream, paces)) in connections.enumerate() {
        let paces = paces.to_vec();
        threads[number % cores.len()].push(Connection { stream, paces });
    }
    let clients = cores
        .iter()
        .zip(threads)
        .map(|(core, connections)| move || client::ask(*core, connections, questions, window));
    let run = during(server, cores, window, clients)?;
    Ok(Run {
        answer: questions.first_answer(),
        ..run
    })
}

/// Measures a server while these clients talk to it, each in a thread of its own on one of these cores. They return how
/// long each answer took.
pub fn during<C>(
    server: &Server,
    cores: &[usize],
    window: Window,
    clients: impl IntoIterator<Item = C>,
) -> anyhow::Result<Run>
where
    C: FnOnce() -> anyhow::Result<Vec<Duration>> + Send,
{
    let Window { begin, end } = window;
    let look = || -> anyhow::Result<_> {
        let client = cpu_time(std::process::id())?;
        Ok((Instant::now(), cpu_time(server.id())?, client))
    };
    std::thread::scope(|scope| {
        let (sender, ended) = mpsc::channel();
        for client in clients {
            let sender = sender.clone();
            // The receiver is gone where another client has failed.
            scope.spawn(move || sender.send(client()));
        }
        drop(sender);
        let mut latencies = Vec::new();
        // A client that fails ends the measurement.
        let mut wait = |until: Instant| -> anyhow::Result<()> {
            let left = || until.saturating_duration_since(Instant::now());
            while let Ok(answers) = ended.recv_timeout(left()) {
                latencies.extend(answers?);
            }
            std::thread::sleep(left());
            Ok(())
        };
        wait(begin)?;
        let before = look()?;
        wait(end)?;
        let after = look()?;
        let (peak, resident) = (peak_memory(server.id())?, resident_memory(server.id())?);
        for answers in ended {
            latencies.extend(answers?);
        }
        ensure!(!latencies.is_empty(), "no answer in {:?}", end - begin);
        latencies.sort_unstable();
        let percentile = |share: f64| {
            let at = (latencies.len() as f64 * share) as usize;
            latencies[at.min(latencies.len() - 1)].as_secs_f64() * 1e6
        };
        let measured = (after.0 - before.0).as_secs_f64();
        let share = |before: Duration, after: Duration| (after - before).as_secs_f64() / measured;
        let per_second = latencies.len() as f64 / (end - begin).as_secs_f64();
        let (used, client) = (share(before.1, after.1), share(before.2, after.2));
        Ok(Run {
            per_second,
            cpu: used / per_second * 1e6,
            p50: percentile(0.50),
            p99: percentile(0.99),
            max: percentile(1.0),
            server: used,
            client,
            busy: busy((&server.cores, used), (cores, client)),
            peak,
            resident,
            answer: Vec::new(),
        })
    })
}

/// The time before anything counts: instances start, caches fill, and each connection has been answered.
fn warm_up(connections: usize) -> Duration {
    const LEAST: Duration = Duration::from_millis(500);
    const EACH: Duration = Duration::from_micros(100);
    LEAST.max(EACH * u32::try_from(connections).unwrap_or(u32::MAX))
}

/// Opens connections, never more together than the system's queue for connections takes. If that queue is full, a
/// connection is tried again only after seconds.
fn connect(
    address: SocketAddr,
    connections: usize,
    questions: &Questions,
) -> anyhow::Result<Vec<TcpStream>> {
    const AT_ONCE: usize = 256;
    let connect = |number| {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        if number % AT_ONCE == AT_ONCE - 1 {
            // When a later connection is answered, all before it were accepted.
            questions.ask_once(address)?;
        }
        Ok(stream)
    };
    (0..connections).map(connect).collect()
}

/// How much the busier side used of its cores.
fn busy(server: (&[usize], f64), client: (&[usize], f64)) -> f64 {
    let cores = |cores: &[usize]| cores.iter().copied().collect::<BTreeSet<_>>();
    let (of_server, of_client) = (cores(server.0), cores(client.0));
    let share = |used: f64, of: &BTreeSet<usize>| used / of.len() as f64;
    if of_server.is_disjoint(&of_client) {
        share(server.1, &of_server).max(share(client.1, &of_client))
    } else {
        let all = of_server.union(&of_client).copied().collect();
        share(server.1 + client.1, &all)
    }
}
