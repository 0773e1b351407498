//! The servers: built, started on a core of their own, and ended when they are dropped.

use std::mem::{size_of, zeroed};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

/// The root of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Builds a workspace or package of guests with `waterspout build`, and tells where one of its components is.
pub fn build(folder: &str, component: &str, env: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
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
    Ok(folder.join("handlers").join(format!("{component}.wasm")))
}

/// An app of one component at `/`, in a folder of its own with a cache of its own.
pub struct App {
    folder: TempDir,
}

impl App {
    pub fn new(component: &[u8]) -> anyhow::Result<Self> {
        let app = Self {
            folder: tempfile::tempdir()?,
        };
        fs::create_dir(app.folder.path().join("handlers"))?;
        app.replace(component)?;
        Ok(app)
    }

    /// Puts this component into its place by rename, and tells when.
    pub fn replace(&self, component: &[u8]) -> anyhow::Result<Instant> {
        let folder = self.folder.path();
        let new = folder.join(".new");
        fs::write(&new, component)?;
        let now = Instant::now();
        fs::rename(new, folder.join("handlers/guest.wasm"))?;
        Ok(now)
    }

    /// Serves it, on all cores or on one.
    pub fn serve(&self, isolation: &str, core: Option<usize>) -> anyhow::Result<Server> {
        let folder = self.folder.path();
        let config = format!(
            "[[route]]\npattern = '/'\nhandler = 'guest.wasm'\n\n\
             [handler.'guest.wasm']\nisolation = '{isolation}'\n"
        );
        fs::write(folder.join("waterspout.toml"), config)?;
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_waterspout"));
        command
            .arg("serve")
            .arg(folder)
            .args(["--listen", &address.to_string(), "--log-level", "off"])
            .arg("--cache-dir")
            .arg(folder.join("cache"));
        Server::start(command, address, core)
    }
}

/// A server in a process of its own, until this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// The native peer, on one core.
    pub fn native(core: usize) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--native", &address.to_string()]);
        Self::start(command, address, Some(core))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts it and waits until it accepts.
    fn start(
        mut command: Command,
        address: SocketAddr,
        core: Option<usize>,
    ) -> anyhow::Result<Self> {
        const PATIENCE: Duration = Duration::from_secs(60);
        if let Some(core) = core {
            // SAFETY: after the fork, this makes one system call and allocates nothing.
            unsafe { command.pre_exec(move || pin(core)) };
        }
        let child = command.stdin(Stdio::null()).spawn()?;
        let mut server = Self { child, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended: {status}");
            }
            ensure!(began.elapsed() < PATIENCE, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// With the log off, a server can't tell which port the system chose for it.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// Where server and client run.
pub struct Cores {
    pub server: usize,
    pub client: usize,
}

impl Cores {
    /// The first two cores that this process may use; the same one twice where there is no other.
    pub fn choose() -> anyhow::Result<Self> {
        // SAFETY: the set is plain bits, and the call fills no more than its size.
        let allowed = unsafe {
            let mut set = zeroed::<libc::cpu_set_t>();
            match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) {
                0 => set,
                _ => return Err(io::Error::last_os_error().into()),
            }
        };
        // SAFETY: the number is below the size of the set.
        let mut cores = (0..libc::CPU_SETSIZE as usize)
            .filter(|core| unsafe { libc::CPU_ISSET(*core, &allowed) });
        let server = cores.next().context("no core to run on")?;
        let client = cores.next().unwrap_or(server);
        Ok(Self { server, client })
    }
}

/// Keeps the calling thread, and all that it starts, on one core.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: the set is plain bits, the core was found in such a set, and the call only reads it.
    let done = unsafe {
        let mut set = zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The time that a process has run on any core, in its own code and in the kernel.
pub fn cpu_time(id: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name of the program may have spaces; it ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')').context("/proc says nothing")?;
    let ticks = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    // SAFETY: this only asks for a constant of the system.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}
