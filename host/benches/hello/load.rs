//! The client: keep-alive connections from one pinned thread, every answer compared byte by byte. Either each
//! connection asks as fast as it is answered, or all together ask at a fixed rate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep_until, timeout};

use crate::answer::Answer;
use crate::process::{cpu_time, on_core, peak_memory};
use crate::served::Server;
use crate::workload::Workload;

/// Before anything counts: instances start, caches fill.
const WARM_UP: Duration = Duration::from_millis(500);

/// How a server is loaded.
#[derive(Clone, Copy)]
pub struct Load {
    /// What is asked.
    pub workload: Workload,
    /// How many ask, each one request at a time.
    pub connections: usize,
    /// How long, after the warm-up.
    pub time: Duration,
    /// Requests per second; none: as many as are answered.
    pub rate: Option<u64>,
}

/// What one server did under load.
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
    /// How much of its core the server used, of 1.
    pub server: f64,
    /// How much of its core the client used, of 1.
    pub client: f64,
    /// The most memory that the server had resident, in bytes.
    pub memory: u64,
    /// What was answered, but for the date.
    pub answer: String,
}

/// Loads a server from this core.
pub fn run(server: &Server, core: usize, load: Load) -> anyhow::Result<Run> {
    on_core(core, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let patience = load.time + Duration::from_secs(30);
        runtime.block_on(async { timeout(patience, measure(server, load)).await? })
    })
}

async fn measure(server: &Server, load: Load) -> anyhow::Result<Run> {
    let expected = Arc::new(Answer::learn(server.address, load.workload).await?);
    let mut streams = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(server.address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let now = Instant::now();
    let begin = now + WARM_UP;
    let end = begin + load.time;
    let request: Arc<[u8]> = load.workload.request().into();
    let mut clients = JoinSet::new();
    for (number, stream) in streams.into_iter().enumerate() {
        let pace = load
            .rate
            .map(|rate| Pace::of(now, rate, number, load.connections));
        let client = Client {
            stream,
            request: request.clone(),
            expected: expected.clone(),
            pace,
        };
        clients.spawn(client.ask(begin, end));
    }
    let look = || -> anyhow::Result<_> {
        let client = cpu_time(std::process::id())?;
        Ok((Instant::now(), cpu_time(server.id())?, client))
    };
    // A client that fails ends the measurement at once.
    let mut latencies = Vec::new();
    let mut wait = async |until: Instant, latencies: &mut Vec<Duration>| -> anyhow::Result<()> {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(until) => return Ok(()),
                Some(client) = clients.join_next() => latencies.extend(client??),
            }
        }
    };
    wait(begin, &mut latencies).await?;
    let before = look()?;
    wait(end, &mut latencies).await?;
    let after = look()?;
    let memory = peak_memory(server.id())?;
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    ensure!(!latencies.is_empty(), "no answer in {:?}", load.time);
    latencies.sort_unstable();
    let percentile = |share: f64| {
        let at = (latencies.len() as f64 * share) as usize;
        latencies[at.min(latencies.len() - 1)].as_secs_f64() * 1e6
    };
    let measured = (after.0 - before.0).as_secs_f64();
    let share = |before: Duration, after: Duration| (after - before).as_secs_f64() / measured;
    let per_second = latencies.len() as f64 / load.time.as_secs_f64();
    let used = share(before.1, after.1);
    Ok(Run {
        per_second,
        cpu: used / per_second * 1e6,
        p50: percentile(0.50),
        p99: percentile(0.99),
        max: percentile(1.0),
        server: used,
        client: share(before.2, after.2),
        memory,
        answer: expected.text(),
    })
}

/// When one connection asks, if it does not ask as fast as it can.
struct Pace {
    due: Instant,
    step: Duration,
}

impl Pace {
    /// The connections take turns.
    fn of(begin: Instant, rate: u64, number: usize, connections: usize) -> Self {
        let turn = Duration::from_secs(1).div_f64(rate as f64);
        Self {
            due: begin + turn.mul_f64(number as f64),
            step: turn.mul_f64(connections as f64),
        }
    }

    /// Waits until the next request is due, and tells when that was. Spins, as timers go in steps of milliseconds.
    async fn next(&mut self) -> Instant {
        let due = self.due;
        self.due += self.step;
        while Instant::now() < due {
            yield_now().await;
        }
        due
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
    request: Arc<[u8]>,
    expected: Arc<Answer>,
    pace: Option<Pace>,
}

impl Client {
    /// Asks and checks until the end, and tells how long each answer took that came after `begin`.
    async fn ask(mut self, begin: Instant, end: Instant) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        let mut buffer = vec![0; self.expected.len() + 64];
        loop {
            let asked = match &mut self.pace {
                Some(pace) => pace.next().await,
                None => Instant::now(),
            };
            self.stream.write_all(&self.request).await?;
            self.expected.read(&mut self.stream, &mut buffer).await?;
            let answered = Instant::now();
            if answered >= end {
                return Ok(latencies);
            }
            if answered >= begin {
                latencies.push(answered - asked);
            }
        }
    }
}
