//! `cargo bench`: what a request costs in each isolation, beside native hyper, `wasmtime serve` and Tornado; what
//! WebSockets, swaps, starts, idle connections and much of something cost. Prints Markdown, or makes the page of results
//! of it; `docs/benchmark.md` says how to read it. Runs on Linux only.

mod answer;
mod app;
mod certificate;
mod chart;
mod choice;
mod client;
mod contender;
mod fetch;
mod http2;
mod idle;
mod kv;
mod load;
mod machine;
mod native;
mod patient;
mod peers;
mod process;
mod python;
mod questions;
mod report;
mod rounds;
mod runs;
mod scale;
mod served;
mod sides;
mod sockets;
mod spread;
mod start;
mod static_files;
mod streams;
mod swap;
mod tail;
mod versions;
mod waiting;
mod wire;
mod workload;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};

use app::App;
use choice::{Choice, Extra, Part};
use contender::{Contender, Programs};
use load::Load;
use peers::{Peer, Peers, Want};
use process::Cores;
use rounds::Sheet;
use runs::Plan;
use served::ROOT;
use versions::Versions;
use workload::Workload;

/// Measures Waterspout beside its peers.
#[derive(Parser)]
#[command(name = "cargo bench --")]
struct Options {
    /// What to measure: workloads, servers, or anything else that has a name in docs/benchmark.md; all if left out
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Part>,
    /// How many rounds count; each measures every server once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each server is measured in a round
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Keep-alive connections, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Swaps of each kind, 2 at least, and starts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    swaps: u16,
    /// Connections that are left idle; no more than the limit of open files allows
    #[arg(long, value_name = "N", default_value_t = 5000)]
    idle: usize,
    /// Clients that wait; no more than the limit of open files allows
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    waiting: usize,
    /// WebSockets that get the same message, or are left idle; no more than the limit of open files allows
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..))]
    sockets: u16,
    /// Requests per second beside swaps
    #[arg(long, value_name = "N", default_value_t = 5000)]
    rate: u64,
    /// Requests to one server, to see what they leave behind
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    requests: u64,
    /// The share of its core, in percent, that server or client has to use for a run to count; lower it to see the
    /// benchmark work on a machine that is busy, not to measure
    #[arg(long, value_name = "PERCENT", default_value_t = 95)]
    saturated: u8,
    /// What to do about a peer that is not there
    #[arg(long, value_enum, default_value_t = Want::Fetch)]
    peers: Want,
    /// Write docs/results.md and docs/results.svg; not together with --only
    #[arg(long, conflicts_with = "only")]
    page: bool,
    /// The benchmark starts itself again as its native peer.
    #[arg(long, hide = true, value_name = "ADDR")]
    native: Option<SocketAddr>,
    /// Then with the certificate of this folder.
    #[arg(long, hide = true, value_name = "FOLDER", requires = "native")]
    certificate: Option<PathBuf>,
    /// Or as its peer of WebSockets.
    #[arg(long, hide = true, value_name = "ADDR", conflicts_with = "native")]
    native_sockets: Option<SocketAddr>,
    /// Or as its peer of streams.
    #[arg(long, hide = true, value_name = "ADDR", conflicts_with = "native")]
    native_streams: Option<SocketAddr>,
    /// Cargo says this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Where each part of the page goes as soon as it is there.
struct Page(String);

impl Page {
    fn add(&mut self, text: &str) {
        print!("{text}");
        self.0 += text;
    }
}

/// The native peer gets the allocator that Waterspout has: what is compared is not that.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(address) = options.native {
        return native::serve(address, options.certificate.as_deref());
    }
    if let Some(address) = options.native_sockets {
        return sockets::serve(address);
    }
    if let Some(address) = options.native_streams {
        return streams::serve(address);
    }
    let choice = Choice(options.only.clone());
    // All is built before anything is measured.
    let examples = app::build("examples", &[])?;
    let hello = examples.join("hello.wasm");
    let count = app::build("tests/guests/count", &[STRIPPED])?.join("count.wasm");
    let needed = |peer: Peer| {
        let all = Contender::ALL.iter();
        all.filter(|one| one.peer() == Some(peer))
            .any(|one| choice.has_contender(*one))
            || (peer == Peer::Tornado && needs_tornado(&choice))
    };
    let peers = Peers::find(needed, options.peers);
    let plan = Plan {
        rounds: options.rounds.into(),
        connections: options.connections,
        time: Duration::from_secs(options.seconds),
        cores: Cores::choose()?,
        saturated: f64::from(options.saturated) / 100.0,
    };
    let mut page = Page(String::new());
    page.add(&machine::describe(&plan.cores, &peers));
    let mut sheets = sheets(&choice, &peers);
    if !sheets.is_empty() {
        let programs = Programs::new(&examples, peers)?;
        rounds::measure(&plan, &programs, &mut sheets)?;
        page.add(&report::ratios(&plan, &sheets));
        if options.page {
            page.add("\n![Requests per CPU time](results.svg)\n");
        }
        page.add(&report::flags(&sheets));
        for sheet in &sheets {
            page.add(&report::requests(&plan, sheet));
        }
    }
    extras(&options, &choice, &plan, &hello, &count, &mut page)?;
    if options.page {
        write(&page.0, &sheets)?;
    }
    Ok(())
}

/// Whether anything beside requests is also measured with Tornado.
fn needs_tornado(choice: &Choice) -> bool {
    let of_streams = streams::PARTS.into_iter();
    let mut extras = sockets::PARTS
        .into_iter()
        .chain(of_streams)
        .chain(python::PARTS)
        .chain([Extra::Waiting, Extra::Static]);
    extras.any(|extra| choice.has_extra(extra))
}

/// What is to be measured of requests. A peer that is not there has no row.
fn sheets(choice: &Choice, peers: &Peers) -> Vec<Sheet> {
    let workloads = Workload::value_variants().iter();
    workloads
        .filter(|workload| choice.has_workload(**workload))
        .map(|workload| {
            let contenders: Vec<Contender> = Contender::ALL
                .iter()
                .copied()
                .filter(|one| one.does(*workload) && choice.has_contender(*one))
                .filter(|one| one.peer().is_none_or(|peer| peers.version(peer).is_ok()))
                .collect();
            Sheet::new(*workload, &contenders)
        })
        .collect()
}

fn extras(
    options: &Options,
    choice: &Choice,
    plan: &Plan,
    hello: &Path,
    count: &Path,
    page: &mut Page,
) -> anyhow::Result<()> {
    let swaps = usize::from(options.swaps);
    let of_hello = Versions::new(hello, "Hello, world")?;
    let of_count = Versions::new(count, "on_connection_close")?;
    if choice.has_extra(Extra::Swap) {
        eprintln!("swaps");
        let figures = [
            swap::measure("hello", &of_hello, swaps)?,
            swap::measure("count", &of_count, swaps)?,
        ];
        page.add(&report::swaps(&figures));
    }
    if choice.has_extra(Extra::Start) {
        eprintln!("starts");
        page.add(&report::starts(&start::measure(&of_hello, swaps)?));
    }
    if choice.has_extra(Extra::Idle) {
        let mut app = App::new()?;
        app.add("hello.wasm", "/", &fs::read(hello)?)?;
        page.add(&report::idle(&idle::measure(
            &app,
            options.idle,
            plan.rounds,
        )?));
    }
    if choice.has_extra(Extra::Waiting) {
        let guests = app::build("host/benches/guests", &[])?;
        let mut app = App::new()?;
        app.add(
            "waiting.wasm",
            "/waiting/(.*)",
            &fs::read(guests.join("waiting.wasm"))?,
        )?;
        app.set("waiting.wasm", "deadline", "off")?;
        app.set("waiting.wasm", "max_concurrent", 2 * options.waiting)?;
        app.configure("server", "max_connections", 2 * options.waiting)?;
        let peers = Peers::find(|peer| peer == Peer::Tornado, options.peers);
        let figures = waiting::measure(&app, &peers, options.waiting, plan.rounds)?;
        page.add(&report::waiting(&figures));
    }
    if choice.has_extra(Extra::Fetch) {
        eprintln!("fetch");
        let guest = app::build("host/benches/guests", &[])?.join("fetch.wasm");
        page.add(&report::fetches(&fetch::measure(&guest, plan.rounds)?));
    }
    if choice.has_extra(Extra::Tail) {
        let load = Load {
            rate: Some(options.rate),
            ..plan.load()
        };
        let healthy = fs::read(hello)?;
        let tails = tail::measure(&healthy, &of_count, load, plan)?;
        page.add(&report::tails(&tails, load));
    }
    if choice.has_extra(Extra::Kv) {
        eprintln!("kv");
        let guest = app::build("tests/guests/kv", &[])?.join("kv.wasm");
        page.add(&report::kv(plan, &kv::measure(&guest, plan)?));
    }
    if sockets::PARTS.iter().any(|part| choice.has_extra(*part)) {
        let peers = Peers::find(|peer| peer == Peer::Tornado, options.peers);
        let count = options.sockets.into();
        sockets::measure(choice, plan, &peers, count, |text| page.add(text))?;
    }
    if streams::PARTS.iter().any(|part| choice.has_extra(*part)) {
        let peers = Peers::find(|peer| peer == Peer::Tornado, options.peers);
        let count = options.sockets.into();
        streams::measure(choice, plan, &peers, count, |text| page.add(text))?;
    }
    if choice.has_extra(Extra::Static) {
        let peers = Peers::find(|peer| peer == Peer::Tornado, options.peers);
        static_files::measure(plan, &peers, |text| page.add(text))?;
    }
    if python::PARTS.iter().any(|part| choice.has_extra(*part)) {
        let peers = Peers::find(|peer| peer == Peer::Tornado, options.peers);
        let size = python::Size {
            edits: swaps,
            waiting: options.waiting,
        };
        python::measure(choice, plan, &peers, &size, |text| page.add(text))?;
    }
    let size = scale::Size {
        starts: swaps,
        requests: options.requests,
    };
    scale::measure(choice, plan, hello, &size, |text| page.add(text))
}

/// Without the names of functions, `count` is about as large as the component that swaps are judged by.
const STRIPPED: (&str, &str) = ("CARGO_PROFILE_RELEASE_STRIP", "symbols");

fn write(body: &str, sheets: &[Sheet]) -> anyhow::Result<()> {
    const HEAD: &str = "# Results\n\n\
        `cargo bench -- --page` makes this page. [How it is measured](benchmark.md), and how to read it.\n\n";
    let docs = Path::new(ROOT).join("docs");
    fs::write(docs.join("results.md"), format!("{HEAD}{body}"))?;
    fs::write(docs.join("results.svg"), chart::draw(sheets))?;
    eprintln!("docs/results.md and docs/results.svg are written");
    Ok(())
}
