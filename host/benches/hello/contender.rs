//! Who is measured: ours in each isolation, and the peers. Knows how each is started, and takes no time.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, anyhow};
use clap::ValueEnum;

use crate::app::{self, App};
use crate::peers::{Peer, Peers, TORNADO_APP};
use crate::served::{Server, free_address};
use crate::workload::Workload;

/// A server and its settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Contender {
    /// A server of hyper alone; always there, as the others are divided by it
    Native,
    /// Waterspout, `isolation = "shared"`
    Shared,
    /// Waterspout, `isolation = "exclusive"`
    Exclusive,
    /// Waterspout, `isolation = "fresh"`
    Fresh,
    /// `wasmtime serve`, wasi:http 0.2, as it comes
    ServeP2,
    /// The same, with instances used again
    ServeP2Reuse,
    /// `wasmtime serve`, wasi:http 0.3, as it comes
    ServeP3,
    /// The same, with instances used again for longer
    ServeP3Reuse,
    /// Tornado
    Tornado,
}

impl Contender {
    /// All of them, in the order of the tables.
    pub const ALL: &[Self] = &[
        Self::Native,
        Self::Shared,
        Self::Exclusive,
        Self::Fresh,
        Self::ServeP2,
        Self::ServeP2Reuse,
        Self::ServeP3,
        Self::ServeP3Reuse,
        Self::Tornado,
    ];

    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native hyper",
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
            Self::Fresh => "fresh",
            Self::ServeP2 => "wasmtime serve p2",
            Self::ServeP2Reuse => "wasmtime serve p2, reuse",
            Self::ServeP3 => "wasmtime serve p3",
            Self::ServeP3Reuse => "wasmtime serve p3, reuse",
            Self::Tornado => "Tornado",
        }
    }

    /// Whether there is something to compare. `wasmtime serve` has neither routes nor a lifecycle, and what needs no
    /// guest needs no isolation.
    pub fn does(self, workload: Workload) -> bool {
        match workload {
            Workload::Get | Workload::Json | Workload::Headers => true,
            Workload::Lifecycle => self.serve_flags().is_none(),
            Workload::NotFound => matches!(self, Self::Native | Self::Shared | Self::Tornado),
        }
    }

    /// Whether it is ours, so that a failure is a fault to be seen and not a row of the table.
    pub fn is_ours(self) -> bool {
        self == Self::Native || self.isolation().is_some()
    }

    /// The options of `wasmtime serve`.
    pub fn serve_flags(self) -> Option<&'static [&'static str]> {
        match self {
            Self::ServeP2 | Self::ServeP3 => Some(&[]),
            Self::ServeP2Reuse => Some(&["--max-instance-reuse-count=100000"]),
            Self::ServeP3Reuse => Some(&[
                "--max-instance-reuse-count=100000",
                "--max-instance-concurrent-reuse-count=16",
            ]),
            _ => None,
        }
    }

    /// What it needs that is not of this repository.
    pub fn peer(self) -> Option<Peer> {
        match self {
            Self::Tornado => Some(Peer::Tornado),
            _ => self.serve_flags().map(|_| Peer::Wasmtime),
        }
    }

    fn isolation(self) -> Option<&'static str> {
        match self {
            Self::Shared => Some("shared"),
            Self::Exclusive => Some("exclusive"),
            Self::Fresh => Some("fresh"),
            _ => None,
        }
    }

    fn serve_component(self) -> &'static str {
        match self {
            Self::ServeP3 | Self::ServeP3Reuse => "wasi_p3.wasm",
            _ => "wasi_p2.wasm",
        }
    }
}

/// All that is needed to start any of them.
pub struct Programs {
    /// Waterspout's app for each workload.
    apps: BTreeMap<Workload, App>,
    /// The folder of the benchmark's own components.
    guests: PathBuf,
    /// The programs of others.
    pub peers: Peers,
}

impl Programs {
    /// Builds the guests; `hello` is a component that is there.
    pub fn new(hello: &[u8], peers: Peers) -> anyhow::Result<Self> {
        let guests = app::build("host/benches/guests", &[])?;
        let mut apps = BTreeMap::new();
        for workload in Workload::value_variants() {
            let read = |name: &str| fs::read(guests.join(name));
            // Who asks for what has no route may be asked for something else.
            let (component, path) = match workload {
                Workload::Get | Workload::NotFound => (hello.to_vec(), "/"),
                Workload::Lifecycle => (read("lifecycle.wasm")?, workload.path()),
                Workload::Json => (read("json.wasm")?, workload.path()),
                Workload::Headers => (read("headers.wasm")?, workload.path()),
            };
            let mut app = App::new()?;
            app.add("guest.wasm", path, &component)?;
            // What is compiled at the first start is found by those that are measured.
            app.serve("shared", None)?;
            apps.insert(*workload, app);
        }
        Ok(Self {
            apps,
            guests,
            peers,
        })
    }

    /// Starts one on these cores, and waits until it accepts.
    pub fn start(
        &self,
        contender: Contender,
        workload: Workload,
        cores: &[usize],
    ) -> anyhow::Result<Server> {
        if let Some(isolation) = contender.isolation() {
            return self.app(workload)?.serve(isolation, Some(cores));
        }
        let address = free_address()?;
        if let Some(flags) = contender.serve_flags() {
            let mut command = Command::new(self.peers.program(Peer::Wasmtime)?);
            command
                .args(["serve", "-Scli", "--addr", &address.to_string()])
                .args(flags)
                .arg(self.guests.join(contender.serve_component()));
            return Server::start(command, address, Some(cores));
        }
        match contender {
            Contender::Tornado => {
                let mut command = Command::new("python3");
                command
                    .arg(TORNADO_APP)
                    .arg(address.port().to_string())
                    .env("PYTHONPATH", self.peers.program(Peer::Tornado)?);
                Server::start(command, address, Some(cores))
            }
            _ => Server::native(Some(cores)),
        }
    }

    /// Waterspout's app for this workload.
    pub fn app(&self, workload: Workload) -> anyhow::Result<&App> {
        self.apps
            .get(&workload)
            .context("an app for each workload")
            .map_err(|error| anyhow!("{}: {error}", workload.name()))
    }
}
