//! One client thread: connections that stay open on one core, every answer compared byte by byte. Measures only time.

use std::net;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use crate::process::pin;
use crate::questions::Questions;
use crate::wire::Line;

/// The time in which answers count.
#[derive(Clone, Copy)]
pub struct Window {
    /// Before it, the server warms up.
    pub begin: Instant,
    /// No request is sent after an answer that comes later.
    pub end: Instant,
}

/// A connection, and the pace of each of its concurrent requests.
pub struct Connection {
    /// Connected.
    pub stream: net::TcpStream,
    /// `None`: a request is sent as soon as the one before is answered.
    pub paces: Vec<Option<Pace>>,
}

/// Sends requests on these connections from this core, and returns how long each answer took. One failure ends all.
pub fn ask(
    core: usize,
    connections: Vec<Connection>,
    questions: &Arc<Questions>,
    window: Window,
) -> anyhow::Result<Vec<Duration>> {
    run(core, window, async {
        let mut clients = JoinSet::new();
        for Connection { stream, paces } in connections {
            let (wire, buffer) = (&questions.wire, questions.buffer());
            let lines = wire.open(stream, paces.len(), buffer).await?;
            for (line, pace) in lines.into_iter().zip(paces) {
                let client = Client {
                    line,
                    questions: questions.clone(),
                    pace,
                };
                clients.spawn(client.ask(window));
            }
        }
        let mut latencies = Vec::new();
        while let Some(client) = clients.join_next().await {
            latencies.extend(client??);
        }
        Ok(latencies)
    })
}

/// Runs clients on this core. They have to end soon after the window.
pub fn run<T>(
    core: usize,
    window: Window,
    all: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    const PATIENCE: Duration = Duration::from_secs(30);
    pin(&[core])?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let patience = window.end.saturating_duration_since(Instant::now()) + PATIENCE;
    runtime.block_on(async { timeout(patience, all).await? })
}

/// When one line sends its requests, if it has a fixed rate.
#[derive(Clone, Copy)]
pub struct Pace {
    due: Instant,
    step: Duration,
}

impl Pace {
    /// The lines take turns.
    pub fn of(begin: Instant, rate: u64, number: usize, lines: usize) -> Self {
        let turn = Duration::from_secs(1).div_f64(rate as f64);
        Self {
            due: begin + turn.mul_f64(number as f64),
            step: turn.mul_f64(lines as f64),
        }
    }

    /// Waits until the next request is due, and returns that time. Spins, because timers have steps of milliseconds.
    async fn next(&mut self) -> Instant {
        let due = self.due;
        self.due += self.step;
        while Instant::now() < due {
            yield_now().await;
        }
        due
    }
}

/// A client on one line.
struct Client {
    line: Line,
    questions: Arc<Questions>,
    pace: Option<Pace>,
}

impl Client {
    /// Sends requests and checks the answers until the end. Returns how long each answer took that counts.
    async fn ask(mut self, window: Window) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        loop {
            let asked = match &mut self.pace {
                Some(pace) => pace.next().await,
                None => Instant::now(),
            };
            let question = self.questions.next();
            self.line.ask(question).await?;
            let answered = Instant::now();
            if answered >= window.end {
                return Ok(latencies);
            }
            if answered >= window.begin {
                latencies.push(answered - asked);
            }
        }
    }
}
