//! A healthy component beside the attacks: requests at a steady rate, and how long each took.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CONNECTIONS: u32 = 40;
/// Of each connection; together 200 requests per second.
const EVERY: Duration = Duration::from_millis(200);

/// Requests under way.
pub struct Beside {
    clients: JoinSet<Seen>,
    is_over: Arc<AtomicBool>,
}

/// What the clients saw.
#[derive(Default)]
pub struct Seen {
    /// Seconds, from when the request was due.
    times: Vec<f64>,
    pub errors: usize,
    first_error: Option<String>,
}

impl Beside {
    pub fn start(address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..CONNECTIONS {
            let is_over = is_over.clone();
            clients.spawn(async move {
                tokio::time::sleep(EVERY / CONNECTIONS * number).await;
                client(address, &is_over).await
            });
        }
        Self { clients, is_over }
    }

    pub async fn end(mut self) -> Seen {
        self.is_over.store(true, SeqCst);
        let mut all = Seen::default();
        while let Some(seen) = self.clients.join_next().await {
            let seen = seen.expect("a client");
            all.times.extend(seen.times);
            all.errors += seen.errors;
            all.first_error = all.first_error.or(seen.first_error);
        }
        all.times.sort_by(f64::total_cmp);
        all
    }
}

async fn client(address: SocketAddr, is_over: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    let mut due = Instant::now();
    while !is_over.load(SeqCst) {
        due += EVERY;
        tokio::time::sleep_until(due).await;
        match ask(&mut connection, address).await {
            Ok(()) => seen.times.push(due.elapsed().as_secs_f64()),
            Err(error) => {
                seen.errors += 1;
                seen.first_error.get_or_insert_with(|| error.to_string());
                connection = None;
            }
        }
    }
    seen
}

async fn ask(connection: &mut Option<TcpStream>, address: SocketAddr) -> std::io::Result<()> {
    let stream = match connection {
        Some(stream) => stream,
        None => connection.insert(TcpStream::connect(address).await?),
    };
    stream
        .write_all(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    let is_whole =
        |answer: &[u8]| answer.ends_with(b"\r\n\r\nv1") || answer.ends_with(b"\r\n\r\nv2");
    while !is_whole(&answer) {
        let read = stream.read_buf(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        let read = read.map_err(|_| std::io::Error::other("no answer within 30 s"))??;
        let text = String::from_utf8_lossy(&answer);
        if read == 0 || answer.len() > 12 && !text.starts_with("HTTP/1.1 200") {
            return Err(std::io::Error::other(format!(
                "not as it should be: {text:?}"
            )));
        }
    }
    Ok(())
}

impl Seen {
    /// In milliseconds.
    fn quantile(&self, part: f64) -> f64 {
        let at = (self.times.len() as f64 * part) as usize;
        self.times
            .get(at.min(self.times.len().saturating_sub(1)))
            .map_or(0.0, |time| time * 1e3)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [0.5, 0.99, 1.0].map(|part| self.quantile(part));
        let (count, errors) = (self.times.len(), self.errors);
        write!(
            f,
            "{count} answers, {errors} errors, p50 {half:.1} p99 {most:.1} max {all:.1} ms"
        )?;
        match &self.first_error {
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}
