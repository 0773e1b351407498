//! The servers that are measured: Waterspout in each isolation, and its peers. Knows how each is started, and measures
//! nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow};
use clap::ValueEnum;

use crate::app::{self, App};
use crate::certificate::{Certificate, cert_file, key_file};
use crate::peers::{Peer, Peers, TORNADO_APP};
use crate::served::{Server, free_address};
use crate::wire::Wire;
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

    /// Whether the server can do this workload. `wasmtime serve` has no routes, no lifecycle, no compression and no
    /// TLS, Tornado has no HTTP/2, and a workload without a guest needs no isolation.
    pub fn does(self, workload: Workload) -> bool {
        match workload {
            Workload::Get
            | Workload::Json
            | Workload::Headers
            | Workload::Upload
            | Workload::Stream => true,
            Workload::Lifecycle | Workload::Compressed => self.serve_flags().is_none(),
            Workload::TlsH2 => self.is_ours(),
            Workload::NotFound => matches!(self, Self::Native | Self::Shared | Self::Tornado),
        }
    }

    /// Whether it is Waterspout. Then a failure is an error, and not only a row of the table.
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

    /// The program that it needs, if it is not from this repository.
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
    /// The certificate of servers that encrypt.
    certificate: Certificate,
    /// The programs of others.
    pub peers: Peers,
}

impl Programs {
    /// Builds the guests. Those of the demo app are built already.
    pub fn new(examples: &Path, peers: Peers) -> anyhow::Result<Self> {
        let guests = app::build("host/benches/guests", &[])?;
        let certificate = Certificate::new()?;
        let mut apps = BTreeMap::new();
        for workload in Workload::value_variants() {
            let component = match workload {
                Workload::Get | Workload::NotFound | Workload::TlsH2 => examples.join("hello.wasm"),
                Workload::Lifecycle => guests.join("lifecycle.wasm"),
                Workload::Json => guests.join("json.wasm"),
                Workload::Headers => guests.join("headers.wasm"),
                Workload::Upload => examples.join("upload.wasm"),
                Workload::Compressed => guests.join("page.wasm"),
                Workload::Stream => guests.join("stream.wasm"),
            };
            // A test of a missing route must not hit the route of a component.
            let path = match workload {
                Workload::NotFound => Workload::Get.path(),
                _ => workload.path(),
            };
            let mut app = App::new()?;
            app.add("guest.wasm", path, &fs::read(component)?)?;
            match workload {
                Workload::Compressed => app.configure("settings", "compress_response", true)?,
                Workload::TlsH2 => {
                    let folder = certificate.folder();
                    let files = [("cert", cert_file(folder)), ("key", key_file(folder))];
                    app.configure("server", "tls", BTreeMap::from(files))?;
                }
                _ => {}
            }
            // The first start compiles, so that the measured ones find the code in the cache.
            app.serve("shared", None)?;
            apps.insert(*workload, app);
        }
        Ok(Self {
            apps,
            guests,
            certificate,
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
                    .args([address.port().to_string(), workload.name()])
                    .env("PYTHONPATH", self.peers.program(Peer::Tornado)?);
                Server::start(command, address, Some(cores))
            }
            _ => {
                let encrypts = workload == Workload::TlsH2;
                let folder = encrypts.then(|| self.certificate.folder());
                Server::native(folder, Some(cores))
            }
        }
    }

    /// The protocol of clients for this workload.
    pub fn wire(&self, workload: Workload) -> Wire {
        match workload {
            Workload::TlsH2 => Wire::Http2(self.certificate.connector()),
            _ => Wire::Http1,
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
