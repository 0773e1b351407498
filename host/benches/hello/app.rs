//! The apps with which Waterspout is measured: a folder of components, a configuration and a cache. Sends no request.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;
use serde::Serialize;
use tempfile::TempDir;

use crate::served::{ROOT, Server, free_address};

/// Cargo's folder for what a benchmark builds.
const KEPT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/bench");

/// Builds a workspace or package of guests with `waterspout build`, and returns the folder of its components.
pub fn build(folder: &str, env: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
    let folder = Path::new(ROOT).join(folder);
    let status = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .arg("build")
        .arg(&folder)
        .env("CARGO_TARGET_DIR", KEPT)
        .envs(env.iter().copied())
        .status()?;
    ensure!(status.success(), "{} did not build", folder.display());
    Ok(folder.join("handlers"))
}

/// An app in its own folder.
pub struct App {
    folder: TempDir,
    cache: PathBuf,
    /// Files and the patterns of their routes.
    routes: Vec<(String, String)>,
    /// Files, keys of their `[component]` tables, and the values of these keys.
    settings: Vec<(String, &'static str, String)>,
    /// Other tables, each with a key and its value.
    tables: Vec<(&'static str, &'static str, String)>,
    /// Where it takes streams, and for which handler.
    pub streams: Option<SocketAddr>,
    stream_handler: String,
}

impl App {
    /// Without a component, and with its own cache.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("handlers"))?;
        Ok(Self {
            cache: folder.path().join("cache"),
            folder,
            routes: Vec::new(),
            settings: Vec::new(),
            tables: Vec::new(),
            streams: None,
            stream_handler: String::new(),
        })
    }

    /// The same, with a cache that is kept for the next benchmark and shared by all such apps.
    pub fn with_kept_cache() -> anyhow::Result<Self> {
        let mut app = Self::new()?;
        app.cache = Path::new(KEPT).join("cache");
        Ok(app)
    }

    /// Adds a component, before it is served.
    pub fn add(&mut self, file: &str, pattern: &str, component: &[u8]) -> anyhow::Result<()> {
        self.replace(file, component)?;
        self.route(file, pattern);
        Ok(())
    }

    /// Adds a route to one of its components, before it is served.
    pub fn route(&mut self, file: &str, pattern: &str) {
        self.routes.push((file.to_owned(), pattern.to_owned()));
    }

    /// Sets a key of one of its components, before it is served.
    pub fn set(
        &mut self,
        file: &str,
        key: &'static str,
        value: impl Serialize,
    ) -> anyhow::Result<()> {
        let value = toml::Value::try_from(value)?.to_string();
        self.settings.push((file.to_owned(), key, value));
        Ok(())
    }

    /// Sets a key of another table, one for each, before it is served.
    pub fn configure(
        &mut self,
        table: &'static str,
        key: &'static str,
        value: impl Serialize,
    ) -> anyhow::Result<()> {
        let value = toml::Value::try_from(value)?.to_string();
        self.tables.push((table, key, value));
        Ok(())
    }

    /// Takes streams for this handler.
    pub fn take_streams(&mut self, handler: &str) -> anyhow::Result<()> {
        self.streams = Some(free_address()?);
        self.stream_handler = handler.to_owned();
        Ok(())
    }

    /// Puts this component in its place by rename, and returns the time. Without another route it has those that it
    /// declares itself.
    pub fn replace(&self, file: &str, component: &[u8]) -> anyhow::Result<Instant> {
        let folder = self.folder.path();
        let to = folder.join("handlers").join(file);
        // A Python app may be a folder.
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        place(component, &folder.join(".new"), &to)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that is no component.
    pub fn put(&self, path: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.path().join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        Ok(fs::write(path, bytes)?)
    }

    /// Serves it, on all cores or on these.
    pub fn serve(&self, isolation: &str, cores: Option<&[usize]>) -> anyhow::Result<Server> {
        let mut server = self.spawn(isolation, cores)?;
        server.wait()?;
        Ok(server)
    }

    /// Starts it, and does not wait until it listens.
    pub fn spawn(&self, isolation: &str, cores: Option<&[usize]>) -> anyhow::Result<Server> {
        let folder = self.folder.path();
        let config = self.config(isolation);
        // An empty one is a fault.
        if !config.is_empty() {
            fs::write(folder.join("waterspout.toml"), config)?;
        }
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_waterspout"));
        command
            .arg("serve")
            .arg(folder)
            .args(["--listen", &address.to_string(), "--log-level", "off"])
            .arg("--cache-dir")
            .arg(&self.cache);
        Server::spawn(command, address, cores)
    }

    /// Its `waterspout.toml`, with this isolation for all components that are not set to another.
    fn config(&self, isolation: &str) -> String {
        let mut config = String::new();
        for (table, key, value) in &self.tables {
            let _ = writeln!(config, "[{table}]\n{key} = {value}\n");
        }
        if let Some(streams) = self.streams {
            let handler = &self.stream_handler;
            let _ = writeln!(
                config,
                "[[tcp]]\nlisten = '{streams}'\nhandler = '{handler}'\n"
            );
        }
        let mut files: Vec<&str> = Vec::new();
        for (file, pattern) in &self.routes {
            let _ = writeln!(
                config,
                "[[route]]\npattern = '{pattern}'\nhandler = '{file}'\n"
            );
            files.push(file);
        }
        files.extend(self.settings.iter().map(|(file, ..)| &**file));
        files.sort_unstable();
        files.dedup();
        for file in files {
            let _ = writeln!(config, "[component.'{file}']");
            let own = self.settings.iter().filter(|(own, ..)| own == file);
            if !own.clone().any(|(_, key, _)| *key == "isolation") {
                let _ = writeln!(config, "isolation = '{isolation}'");
            }
            for (_, key, value) in own {
                let _ = writeln!(config, "{key} = {value}");
            }
        }
        config
    }
}

/// Writes a file beside its place, and renames it to there. Returns the time of the rename.
pub fn place(bytes: &[u8], beside: &Path, place: &Path) -> anyhow::Result<Instant> {
    fs::write(beside, bytes)?;
    let now = Instant::now();
    fs::rename(beside, place)?;
    Ok(now)
}
