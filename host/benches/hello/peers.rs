//! The programs of others: found, fetched into the folder of this benchmark below Cargo's target folder, or reported
//! as missing. The programs report their own versions.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::ValueEnum;

/// The programs that are measured beside this repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// `wasmtime serve`, of the crate `wasmtime-cli`.
    Wasmtime,
    /// Tornado, of the Python package index.
    Tornado,
}

/// What to do about a peer that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Want {
    /// Fetch it, which takes some minutes once
    Fetch,
    /// Leave it out, and say so
    Installed,
    /// Leave all of them out
    None,
}

/// The handlers for Tornado.
pub const TORNADO_APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/hello/tornado_app.py");

const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/peers");

/// The major version that Waterspout itself is built on.
const WASMTIME: &str = "~48.0";
const TORNADO: &str = "6.6.1";

/// The peers that are installed, and for the others the reason why not.
pub struct Peers {
    wasmtime: Result<Installed, String>,
    tornado: Result<Installed, String>,
}

/// A peer that runs.
struct Installed {
    /// Its program; for Tornado the folder of its packages.
    place: PathBuf,
    version: String,
}

impl Peers {
    /// Looks for the peers that are needed, and does as wanted where they are missing.
    pub fn find(needed: impl Fn(Peer) -> bool, want: Want) -> Self {
        let find = |peer: Peer, fetch: fn() -> anyhow::Result<()>| {
            if !needed(peer) || want == Want::None {
                return Err("not asked for".to_owned());
            }
            let found = look(peer);
            if found.is_ok() || want == Want::Installed {
                return found.map_err(|error| format!("not installed: {error:#}"));
            }
            fetch()
                .and_then(|()| look(peer))
                .map_err(|error| format!("could not be fetched: {error:#}"))
        };
        Self {
            wasmtime: find(Peer::Wasmtime, fetch_wasmtime),
            tornado: find(Peer::Tornado, fetch_tornado),
        }
    }

    /// The path of the program.
    pub fn program(&self, peer: Peer) -> anyhow::Result<&Path> {
        match self.get(peer) {
            Ok(installed) => Ok(&installed.place),
            Err(reason) => Err(anyhow::anyhow!("{peer:?} was {reason}")),
        }
    }

    /// Its version, or why it is missing.
    pub fn version(&self, peer: Peer) -> Result<&str, &str> {
        match self.get(peer) {
            Ok(installed) => Ok(&installed.version),
            Err(reason) => Err(reason),
        }
    }

    fn get(&self, peer: Peer) -> &Result<Installed, String> {
        match peer {
            Peer::Wasmtime => &self.wasmtime,
            Peer::Tornado => &self.tornado,
        }
    }
}

fn look(peer: Peer) -> anyhow::Result<Installed> {
    match peer {
        Peer::Wasmtime => {
            let place = Path::new(FOLDER).join("wasmtime/bin/wasmtime");
            let version = said(Command::new(&place).arg("--version"))?;
            ensure!(version.contains(" 48."), "it is {version}");
            Ok(Installed { place, version })
        }
        Peer::Tornado => {
            const ASK: &str = "import sys, tornado; print(f'Tornado {tornado.version} on Python {sys.version.split()[0]}')";
            let place = Path::new(FOLDER).join("tornado");
            let python = &mut Command::new("python3");
            let version = said(python.args(["-c", ASK]).env("PYTHONPATH", &place))?;
            ensure!(version.contains(TORNADO), "it is {version}");
            Ok(Installed { place, version })
        }
    }
}

/// With all default features, as users install it.
fn fetch_wasmtime() -> anyhow::Result<()> {
    // Its own folder, so that an interrupted build continues.
    let build = Path::new(FOLDER).join("build");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .args(["install", "wasmtime-cli", "--version", WASMTIME, "--locked"])
        .arg("--root")
        .arg(Path::new(FOLDER).join("wasmtime"))
        .env("CARGO_TARGET_DIR", &build))?;
    // More than a gigabyte that is not needed again.
    let _ = std::fs::remove_dir_all(build);
    Ok(())
}

fn fetch_tornado() -> anyhow::Result<()> {
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
        .arg(Path::new(FOLDER).join("tornado"))
        .arg(format!("tornado=={TORNADO}")))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("{command:?}");
    // Its output is not part of the page.
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{:?} can't be started", command.get_program()))?;
    ensure!(
        status.success(),
        "{:?} ended: {status}",
        command.get_program()
    );
    Ok(())
}

/// The output of a command in one line.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{:?} can't be started", command.get_program()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    let reason = error.trim().lines().last().unwrap_or_default();
    ensure!(output.status.success(), "{reason}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
