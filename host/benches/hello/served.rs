//! The servers: started on their own cores, and ended when they are dropped. Does not know what they serve.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};

use crate::process::{allowed_cores, pin};

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A server in its own process, until this is dropped.
pub struct Server {
    child: Child,
    words: File,
    /// Where it serves.
    pub address: SocketAddr,
    /// Its cores.
    pub cores: Vec<usize>,
}

impl Server {
    /// Starts the server for this address, and waits until it accepts.
    pub fn start(
        command: Command,
        address: SocketAddr,
        cores: Option<&[usize]>,
    ) -> anyhow::Result<Self> {
        let mut server = Self::spawn(command, address, cores)?;
        server.wait()?;
        Ok(server)
    }

    /// The native peer, unencrypted or with the certificate of a folder.
    pub fn native(certificate: Option<&Path>, cores: Option<&[usize]>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--native", &address.to_string()]);
        if let Some(folder) = certificate {
            command.arg("--certificate").arg(folder);
        }
        Self::start(command, address, cores)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Adds the server's last lines to a client's error.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        anyhow!("{error:#}; it said: {}", self.last_words())
    }

    /// The last lines that it wrote.
    pub fn last_words(&self) -> String {
        let mut text = Vec::new();
        let mut words = &self.words;
        let read = words
            .seek(SeekFrom::Start(0))
            .and_then(|_| words.read_to_end(&mut text));
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

    /// The same, and does not wait. Without `cores` it has all cores.
    pub fn spawn(
        mut command: Command,
        address: SocketAddr,
        cores: Option<&[usize]>,
    ) -> anyhow::Result<Self> {
        let cores = cores.map_or_else(allowed_cores, |cores| Ok(cores.to_vec()))?;
        let pinned = cores.clone();
        // SAFETY: after the fork, this makes one system call and allocates nothing.
        #[allow(unsafe_code, reason = "the child is to be pinned before it begins")]
        unsafe {
            command.pre_exec(move || pin(&pinned))
        };
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
            cores,
        })
    }

    /// Fails where its process has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the server ended: {status}: {}", self.last_words()),
            None => Ok(()),
        }
    }

    /// Waits until it accepts.
    pub fn wait(&mut self) -> anyhow::Result<()> {
        const PATIENCE: Duration = Duration::from_secs(60);
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            self.check()?;
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
