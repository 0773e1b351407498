//! What many requests leave behind in one process: memory, descriptors, mappings, threads, read under load.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::App;
use crate::process::{descriptors, mappings, resident_memory, threads};
use crate::questions::Questions;
use crate::served::Server;

/// The same component in each isolation.
const ISOLATIONS: [&str; 3] = ["shared", "exclusive", "fresh"];

/// Requests on one connection; then another takes its place.
pub const EACH: usize = 1000;

/// The state of the process at one moment.
pub struct Sample {
    /// How many requests were answered by then.
    pub requests: u64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Memory mappings.
    pub mappings: usize,
    /// Threads.
    pub threads: usize,
}

/// One process from its first request to its last one.
pub struct Endurance {
    /// The first is after the warm-up.
    pub samples: Vec<Sample>,
    /// The number of concurrent connections.
    pub connections: usize,
    /// From the first request to the last sample.
    pub took: Duration,
}

/// What all connections share.
struct Progress {
    answered: AtomicU64,
    over: AtomicBool,
}

/// Sends requests until this many are answered. Fails with the first failure.
pub fn measure(hello: &Path, connections: usize, requests: u64) -> anyhow::Result<Endurance> {
    let mut app = App::with_kept_cache()?;
    for isolation in ISOLATIONS {
        let file = format!("{isolation}.wasm");
        app.add(&file, &path(isolation), &fs::read(hello)?)?;
        app.set(&file, "isolation", isolation)?;
    }
    // A server that has compiled keeps memory from it.
    app.serve("shared", None)?;
    let mut server = app.serve("shared", None)?;
    let samples = load(&server, connections, requests).map_err(|error| server.explain(error))?;
    server.check()?;
    Ok(samples)
}

fn path(isolation: &str) -> String {
    format!("/{isolation}")
}

fn load(server: &Server, connections: usize, requests: u64) -> anyhow::Result<Endurance> {
    let texts = ISOLATIONS.map(|isolation| (path(isolation), "Hello, world".to_owned()));
    let questions = Questions::texts(server, texts)?;
    let progress = Arc::new(Progress {
        answered: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    let began = Instant::now();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| ask(server.address, connections, &questions, &progress));
        let mut samples = Vec::new();
        for mark in marks(requests) {
            while progress.answered.load(Ordering::Relaxed) < mark && !client.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            if client.is_finished() {
                break;
            }
            samples.push(look(server, &progress));
        }
        let took = began.elapsed();
        progress.over.store(true, Ordering::Relaxed);
        let ended = client.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Endurance {
            samples: samples.into_iter().collect::<anyhow::Result<_>>()?,
            connections,
            took,
        })
    })
}

/// The numbers of requests after which samples are taken: the first hundredth warms up, then each tenth.
fn marks(requests: u64) -> impl Iterator<Item = u64> {
    [requests / 100]
        .into_iter()
        .chain((1..=10).map(move |tenth| requests * tenth / 10))
}

fn look(server: &Server, progress: &Progress) -> anyhow::Result<Sample> {
    let id = server.id();
    let sample = Sample {
        requests: progress.answered.load(Ordering::Relaxed),
        memory: resident_memory(id)?,
        descriptors: descriptors(id)?,
        mappings: mappings(id)?,
        threads: threads(id)?,
    };
    eprintln!(
        "{} requests: {:.1} MB, {} descriptors, {} mappings, {} threads",
        sample.requests,
        sample.memory as f64 / 1e6,
        sample.descriptors,
        sample.mappings,
        sample.threads
    );
    Ok(sample)
}

/// Sends requests on this many concurrent connections until it is over.
fn ask(
    address: SocketAddr,
    connections: usize,
    questions: &Arc<Questions>,
    progress: &Arc<Progress>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            let (questions, progress) = (questions.clone(), progress.clone());
            clients.spawn(async move {
                while !progress.over.load(Ordering::Relaxed) {
                    one_connection(address, &questions, &progress)
                        .await
                        .with_context(|| {
                            let answered = progress.answered.load(Ordering::Relaxed);
                            format!("a request failed after {answered} were answered")
                        })?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        Ok(())
    })
}

async fn one_connection(
    address: SocketAddr,
    questions: &Questions,
    progress: &Progress,
) -> anyhow::Result<()> {
    /// For all requests of a connection.
    const PATIENCE: Duration = Duration::from_secs(120);
    let requests = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut buffer = questions.buffer();
        for _ in 0..EACH {
            if progress.over.load(Ordering::Relaxed) {
                break;
            }
            let question = questions.next();
            stream.write_all(&question.request.http1).await?;
            question.answer.read(&mut stream, &mut buffer).await?;
            progress.answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let ended = timeout(PATIENCE, requests).await;
    ended.context("no answer")?
}
