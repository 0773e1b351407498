//! The client: keep-alive connections from one pinned thread, every answer compared byte by byte.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::served::{Server, cpu_time, pin};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// Before anything counts: instances start, caches fill.
const WARM_UP: Duration = Duration::from_millis(500);

/// What one server did under load.
pub struct Run {
    pub per_second: f64,
    /// Microseconds of the server's CPU time for each request.
    pub cpu: f64,
    /// Microseconds from request to answer.
    pub p50: f64,
    pub p99: f64,
    /// How much of its core the server used, of 1.
    pub server: f64,
    /// How much of its core the client used, of 1.
    pub client: f64,
    /// What was answered, but for the date.
    pub answer: String,
}

/// Loads a server from this core for this time.
pub fn run(
    server: &Server,
    core: usize,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Run> {
    let work = || {
        pin(core)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let load = load(server, connections, time);
        runtime.block_on(async { timeout(time + Duration::from_secs(30), load).await? })
    };
    // A thread of its own, so that only the load is pinned.
    let ended = std::thread::scope(|scope| scope.spawn(work).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn load(server: &Server, connections: usize, time: Duration) -> anyhow::Result<Run> {
    let expected = Arc::new(Answer::learn(server.address).await?);
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(server.address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + time;
    let mut clients = JoinSet::new();
    for stream in streams {
        clients.spawn(ask(stream, expected.clone(), begin, end));
    }
    sleep_until(begin).await;
    let before = (
        Instant::now(),
        cpu_time(server.id())?,
        cpu_of_this_process()?,
    );
    sleep_until(end).await;
    let after = (
        Instant::now(),
        cpu_time(server.id())?,
        cpu_of_this_process()?,
    );

    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    ensure!(!latencies.is_empty(), "no answer in {time:?}");
    latencies.sort_unstable();
    let percentile = |share: f64| {
        let at = (latencies.len() as f64 * share) as usize;
        latencies[at.min(latencies.len() - 1)].as_secs_f64() * 1e6
    };
    let measured = (after.0 - before.0).as_secs_f64();
    let share = |before: Duration, after: Duration| (after - before).as_secs_f64() / measured;
    let per_second = latencies.len() as f64 / time.as_secs_f64();
    let server = share(before.1, after.1);
    Ok(Run {
        per_second,
        cpu: server / per_second * 1e6,
        p50: percentile(0.50),
        p99: percentile(0.99),
        server,
        client: share(before.2, after.2),
        answer: expected.text(),
    })
}

fn cpu_of_this_process() -> anyhow::Result<Duration> {
    cpu_time(std::process::id())
}

/// One connection: asks and checks until the end, and tells how long each answer took that came after `begin`.
async fn ask(
    mut stream: TcpStream,
    expected: Arc<Answer>,
    begin: Instant,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    // With room for more than is right, so that more is seen.
    let mut answer = vec![0; expected.bytes.len() + 64];
    loop {
        let asked = Instant::now();
        stream.write_all(REQUEST).await?;
        let mut read = 0;
        while read < expected.bytes.len() {
            match stream.read(&mut answer[read..]).await? {
                0 => bail!("closed by the server"),
                more => read += more,
            }
        }
        if !expected.is(&answer[..read]) {
            bail!("wrong: {:?}", String::from_utf8_lossy(&answer[..read]));
        }
        let answered = Instant::now();
        if answered >= end {
            return Ok(latencies);
        }
        if answered >= begin {
            latencies.push(answered - asked);
        }
    }
}

/// The right answer of one server. Only its date may change.
struct Answer {
    bytes: Vec<u8>,
    date: Range<usize>,
}

impl Answer {
    /// Asks once, and checks what comes for status and body.
    async fn learn(address: SocketAddr) -> anyhow::Result<Self> {
        const DATE: &str = "\r\ndate: ";
        const DATE_LENGTH: usize = "Tue, 15 Nov 1994 08:12:31 GMT".len();
        const END: &str = "\r\n\r\nHello, world";
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(REQUEST).await?;
        let mut bytes = Vec::new();
        while !bytes.ends_with(END.as_bytes()) {
            let more = stream.read_buf(&mut bytes).await?;
            ensure!(more > 0, "wrong: {:?}", String::from_utf8_lossy(&bytes));
        }
        let text = str::from_utf8(&bytes)?;
        ensure!(text.starts_with("HTTP/1.1 200 OK\r\n"), "wrong: {text:?}");
        let date = text.find(DATE).context("no date in the answer")? + DATE.len();
        Ok(Self {
            bytes,
            date: date..date + DATE_LENGTH,
        })
    }

    fn is(&self, bytes: &[u8]) -> bool {
        let Range { start, end } = self.date;
        bytes.len() == self.bytes.len()
            && bytes[..start] == self.bytes[..start]
            && bytes[end..] == self.bytes[end..]
    }

    fn text(&self) -> String {
        let mut bytes = self.bytes.clone();
        bytes[self.date.clone()].fill(b'.');
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
