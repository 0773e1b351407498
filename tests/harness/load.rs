//! Load on one route of a component whose answers contain its version: keep-alive connections that send requests
//! without a pause. Each answer is compared with what may serve at that moment.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The versions that take turns, and how far they have come.
///
/// The swap number `n` brings `versions[n % versions.len()]`.
#[derive(Debug)]
pub struct Turns {
    versions: Vec<String>,
    /// The last swap that may have happened.
    begun: AtomicUsize,
    /// The last swap that the status has named.
    named: AtomicUsize,
    over: AtomicBool,
}

/// What the clients of a load have seen.
#[derive(Debug, Default)]
pub struct Tally {
    pub answered: usize,
    /// Not answered, or not with 200.
    pub failed: Vec<String>,
    /// Head and body disagree, or the body is of no version at all.
    pub mixed: Vec<String>,
    /// Sent after the status named a version, answered by one before.
    pub late: Vec<String>,
}

/// A load under way.
pub struct Load {
    clients: JoinSet<()>,
    pub turns: Arc<Turns>,
    tally: Arc<Mutex<Tally>>,
}

impl Turns {
    /// The next version is about to be dropped in.
    pub fn begin(&self) -> &str {
        let turn = self.begun.fetch_add(1, SeqCst) + 1;
        self.version(turn)
    }

    /// The status names the version that was dropped in last.
    pub fn named(&self) {
        self.named.store(self.begun.load(SeqCst), SeqCst);
    }

    fn version(&self, turn: usize) -> &str {
        &self.versions[turn % self.versions.len()]
    }
}

impl Load {
    /// Begins with `versions[0]` serving at `path`. A version is the body of its answers, and their `X-Version` where
    /// there is one. Bodies of one length would hide that head and body are of different versions.
    pub fn start(address: SocketAddr, path: &str, connections: usize, versions: &[&str]) -> Self {
        let turns = Arc::new(Turns {
            versions: versions
                .iter()
                .map(|version| (*version).to_owned())
                .collect(),
            begun: AtomicUsize::new(0),
            named: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            clients.spawn(client(address, request, turns.clone(), tally.clone()));
        }
        Self {
            clients,
            turns,
            tally,
        }
    }

    /// How many requests were answered so far.
    pub fn answered(&self) -> usize {
        self.tally.lock().expect("the tally").answered
    }

    /// Waits until this many more were answered.
    pub async fn more(&self, answers: usize) {
        let wanted = self.answered() + answers;
        super::soon(async {
            while self.answered() < wanted {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Ends the load once every client has its answer, and returns the results.
    pub async fn end(mut self) -> Tally {
        self.turns.over.store(true, SeqCst);
        super::soon(async { while self.clients.join_next().await.is_some() {} }).await;
        std::mem::take(&mut self.tally.lock().expect("the tally"))
    }
}

impl Tally {
    /// Panics unless every request was answered as it should be.
    pub fn assert_flawless(&self) {
        let Self {
            failed,
            mixed,
            late,
            answered,
        } = self;
        let first = |faults: &[String]| faults.first().cloned().unwrap_or_default();
        assert!(
            failed.is_empty() && mixed.is_empty() && late.is_empty() && *answered > 0,
            "of {answered} answers: {} failed {}, {} mixed {}, {} late {}",
            failed.len(),
            first(failed),
            mixed.len(),
            first(mixed),
            late.len(),
            first(late),
        );
    }
}

/// Sends requests over one connection until the load is over.
async fn client(address: SocketAddr, request: String, turns: Arc<Turns>, tally: Arc<Mutex<Tally>>) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let mut buffer = Vec::with_capacity(4096);
    while !turns.over.load(SeqCst) {
        let named = turns.named.load(SeqCst);
        let answer = ask(&mut stream, &request, &mut buffer).await;
        let begun = turns.begun.load(SeqCst);
        let mut tally = tally.lock().expect("the tally");
        tally.answered += 1;
        let version = match answer {
            Ok(answered) if answered.status != 200 => {
                tally.failed.push(format!("{answered:?}"));
                continue;
            }
            Ok(answered) if answered.is_mixed() => {
                // The next answer can't be told from the rest of this one.
                return tally.mixed.push(format!("{answered:?}"));
            }
            Ok(answered) => answered.body,
            // The server is gone.
            Err(error) => return tally.failed.push(error.to_string()),
        };
        if !turns.versions.contains(&version) {
            tally.mixed.push(version);
        } else if !(named..=begun).any(|turn| turns.version(turn) == version) {
            tally
                .late
                .push(format!("{version} where turns {named} to {begun} may be"));
        }
    }
}

#[derive(Debug)]
struct Answered {
    status: u16,
    /// `X-Version`.
    header: Option<String>,
    /// As long as the head says.
    body: String,
    /// What came behind the body, before the next request.
    more: String,
}

impl Answered {
    fn is_mixed(&self) -> bool {
        let says_another = self.header.as_ref().is_some_and(|said| *said != self.body);
        says_another || !self.more.is_empty()
    }
}

async fn ask(
    stream: &mut TcpStream,
    request: &str,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Answered> {
    stream.write_all(request.as_bytes()).await?;
    buffer.clear();
    loop {
        let read = tokio::time::timeout(super::LONG, stream.read_buf(buffer)).await;
        let read = read.map_err(|_| {
            let begun = String::from_utf8_lossy(buffer);
            std::io::Error::other(format!("no answer, but for {begun:?}"))
        })?;
        if read? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(answered) = parse(buffer) {
            return Ok(answered);
        }
    }
}

/// The answer, once it is whole.
fn parse(bytes: &[u8]) -> Option<Answered> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let length: usize = field("content-length: ")?.parse().ok()?;
    let (body, more) = rest.split_at_checked(length)?;
    Some(Answered {
        status: head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|line| line.get(..3)?.parse().ok())
            .unwrap_or(0),
        header: field("x-version: ").map(str::to_owned),
        body: body.to_owned(),
        more: more.to_owned(),
    })
}
