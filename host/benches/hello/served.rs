//! The servers: built, started on a core of their own, and ended when they are dropped.

use std::io::{self, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, fs::File};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::process::pin;

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Builds a workspace or package of guests with `waterspout build`, and tells where its components are.
pub fn build(folder: &str, env: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
    let folder = Path::new(ROOT).join(folder);
    let status = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .arg("build")
        .arg(&folder)
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/bench"),
        )
        .envs(env.iter().copied())
        .status()?;
    ensure!(status.success(), "{} did not build", folder.display());
    Ok(folder.join("handlers"))
}

/// An app of a few components, in a folder of its own with a cache of its own.
pub struct App {
    folder: TempDir,
    /// Files and the patterns of their routes.
    routes: Vec<(String, String)>,
}

impl App {
    /// Without a component yet.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("handlers"))?;
        Ok(Self {
            folder,
            routes: Vec::new(),
        })
    }

    /// Gives it one more component, before it is served.
    pub fn add(&mut self, file: &str, pattern: &str, component: &[u8]) -> anyhow::Result<()> {
        self.replace(file, component)?;
        self.routes.push((file.to_owned(), pattern.to_owned()));
        Ok(())
    }

    /// Puts this component into its place by rename, and tells when.
    pub fn replace(&self, file: &str, component: &[u8]) -> anyhow::Result<Instant> {
        let folder = self.folder.path();
        place(
            component,
            &folder.join(".new"),
            &folder.join("handlers").join(file),
        )
    }

    /// Serves it, on all cores or on one.
    pub fn serve(&self, isolation: &str, core: Option<usize>) -> anyhow::Result<Server> {
        let mut server = self.spawn(isolation, core)?;
        server.wait()?;
        Ok(server)
    }

    /// Starts it, and does not wait until it listens.
    pub fn spawn(&self, isolation: &str, core: Option<usize>) -> anyhow::Result<Server> {
        let folder = self.folder.path();
        let mut config = String::new();
        for (file, pattern) in &self.routes {
            config += &format!(
                "[[route]]\npattern = '{pattern}'\nhandler = '{file}'\n\n\
                 [handler.'{file}']\nisolation = '{isolation}'\n\n"
            );
        }
        fs::write(folder.join("waterspout.toml"), config)?;
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_waterspout"));
        command
            .arg("serve")
            .arg(folder)
            .args(["--listen", &address.to_string(), "--log-level", "off"])
            .arg("--cache-dir")
            .arg(folder.join("cache"));
        Server::spawn(command, address, core)
    }
}

/// Writes a file beside its place, and renames it there; tells when it was renamed.
pub fn place(bytes: &[u8], beside: &Path, place: &Path) -> anyhow::Result<Instant> {
    fs::write(beside, bytes)?;
    let now = Instant::now();
    fs::rename(beside, place)?;
    Ok(now)
}

/// A server in a process of its own, until this is dropped.
pub struct Server {
    child: Child,
    words: File,
    /// Where it serves.
    pub address: SocketAddr,
}

impl Server {
    /// Starts what serves at this address, and waits until it does.
    pub fn start(
        command: Command,
        address: SocketAddr,
        core: Option<usize>,
    ) -> anyhow::Result<Self> {
        let mut server = Self::spawn(command, address, core)?;
        server.wait()?;
        Ok(server)
    }

    /// The native peer.
    pub fn native(core: Option<usize>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--native", &address.to_string()]);
        Self::start(command, address, core)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines that it wrote.
    pub fn last_words(&mut self) -> String {
        let mut text = Vec::new();
        let read = self
            .words
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.words.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        match read {
            Ok(_) => lines[lines.len().saturating_sub(5)..].join(" / "),
            Err(error) => error.to_string(),
        }
    }

    fn spawn(
        mut command: Command,
        address: SocketAddr,
        core: Option<usize>,
    ) -> anyhow::Result<Self> {
        if let Some(core) = core {
            // SAFETY: after the fork, this makes one system call and allocates nothing.
            unsafe { command.pre_exec(move || pin(core)) };
        }
        let words = tempfile::tempfile()?;
        command
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words.try_clone()?);
        let child = command
            .spawn()
            .with_context(|| format!("{command:?} does not start"))?;
        Ok(Self {
            child,
            words,
            address,
        })
    }

    /// Waits until it accepts.
    fn wait(&mut self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}: {}", self.last_words());
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "the server does not listen: {}",
                self.last_words()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With the log off, a server can't tell which port the system chose for it.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
