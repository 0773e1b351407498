//! An app in its own folder, and the binary that serves it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::watch;

use super::client::{Answer, Client, soon};

/// An app that is being written.
pub struct App {
    folder: TempDir,
    /// Where it is, if not in that folder.
    at: Option<PathBuf>,
    cache: Option<PathBuf>,
    through: Option<(String, Vec<String>)>,
    address_space: Option<u64>,
    file_size: Option<u64>,
    counts: Option<PathBuf>,
    inherits: Option<TcpListener>,
    variable: Option<(&'static str, PathBuf)>,
}

impl App {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("handlers")).expect("handlers/");
        Self {
            folder,
            at: None,
            cache: None,
            through: None,
            address_space: None,
            file_size: None,
            counts: None,
            inherits: None,
            variable: None,
        }
    }

    /// An app that exists already, or will.
    pub fn at(path: &Path) -> Self {
        Self {
            at: Some(path.to_owned()),
            ..Self::new()
        }
    }

    /// Serves with its own cache of compiled code.
    pub fn cache(mut self, folder: &Path) -> Self {
        self.cache = Some(folder.to_owned());
        self
    }

    /// Serves through another program, which runs what follows its arguments.
    pub fn through(mut self, program: &str, arguments: &[String]) -> Self {
        self.through = Some((program.to_owned(), arguments.to_vec()));
        self
    }

    /// Serves with at most this many bytes of address space, as on a system that grants less.
    pub fn address_space(mut self, bytes: u64) -> Self {
        self.address_space = Some(bytes);
        self
    }

    /// Serves with files of at most this many bytes, as on a disk that is full.
    pub fn file_size(mut self, bytes: u64) -> Self {
        self.file_size = Some(bytes);
        self
    }

    /// Serves on one core, inside a callgrind that counts only when it is told to, into this file.
    pub fn counting_instructions(mut self, file: &Path) -> Self {
        self.counts = Some(file.to_owned());
        self
    }

    /// Serves with this socket passed on as by systemd, under the name `web`.
    pub fn inheriting(mut self, socket: TcpListener) -> Self {
        self.inherits = Some(socket);
        self
    }

    /// Serves with this environment variable.
    pub fn variable(mut self, name: &'static str, value: &Path) -> Self {
        self.variable = Some((name, value.to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        self.at.as_deref().unwrap_or(self.folder.path())
    }

    pub fn handler(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.handler_path(name), bytes).expect("a handler");
        self
    }

    /// Puts a component in the place of one that is served, in one step.
    pub fn replace(&self, name: &str, bytes: &[u8]) {
        let place = self.handler_path(name);
        let beside = place.with_extension("new");
        std::fs::write(&beside, bytes).expect("a file");
        std::fs::rename(&beside, &place).expect("a rename");
    }

    pub fn config(self, text: &str) -> Self {
        std::fs::write(self.path().join("waterspout.toml"), text).expect("waterspout.toml");
        self
    }

    pub fn without_config(self) -> Self {
        std::fs::remove_file(self.path().join("waterspout.toml")).expect("waterspout.toml");
        self
    }

    pub fn handler_path(&self, name: &str) -> PathBuf {
        self.path().join("handlers").join(name)
    }

    /// Runs one of the other commands to its end: exit code, standard output and error together.
    pub fn run(&self, command: &str) -> (Option<i32>, String) {
        self.run_with(command, &[])
    }

    /// The same, with more arguments.
    pub fn run_with(&self, command: &str, more: &[&str]) -> (Option<i32>, String) {
        let output = self::command(command, self.path()).args(more).output();
        let output = output.expect("waterspout starts");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// Serves it on free ports.
    pub async fn serve(self) -> Running {
        self.serve_as("serve", &[]).await
    }

    /// Serves it where its configuration says. The first of `listen` must be an address, and `admin` must be set.
    pub async fn serve_where_it_says(self) -> Running {
        self.start("serve", &[]).await
    }

    pub async fn serve_as(self, command: &str, more: &[&str]) -> Running {
        let anywhere = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        self.start(command, &[&anywhere, more].concat()).await
    }

    fn server(&self) -> Command {
        let binary = env!("CARGO_BIN_EXE_waterspout");
        if let Some(socket) = &self.inherits {
            let mut server = Command::new("sh");
            // The number of the process is known only when it exists.
            server.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\"", binary]);
            server.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
            pass_on(&mut server, socket.as_raw_fd());
            return server;
        }
        if let Some((program, arguments)) = &self.through {
            let mut server = Command::new(program);
            server.args(arguments).arg(binary);
            return server;
        }
        let Some(counts) = &self.counts else {
            return Command::new(binary);
        };
        let mut server = Command::new("valgrind");
        let file = format!("--callgrind-out-file={}", counts.display());
        server.args([
            "-q",
            "--tool=callgrind",
            "--instr-atstart=no",
            &file,
            binary,
        ]);
        on_one_core(&mut server);
        server
    }

    async fn start(self, command: &str, options: &[&str]) -> Running {
        let mut server = self.server();
        server
            .arg(command)
            .arg(self.path())
            .arg("--cache-dir")
            .arg(self.cache.clone().unwrap_or_else(cache))
            .args(options)
            .envs(self.variable.clone())
            .stderr(Stdio::piped());
        if let Some(bytes) = self.address_space {
            limit_address_space(&mut server, bytes);
        }
        if let Some(bytes) = self.file_size {
            limit_file_size(&mut server, bytes);
        }
        let mut child = server.spawn().expect("waterspout starts");
        let log = Log::follow(child.stderr.take().expect("its log"));
        let address = |line: String| -> SocketAddr {
            let url = line.split("://").nth(1).expect("an address");
            url.split(['/', '"'])
                .next()
                .and_then(|address| address.parse().ok())
                .expect("an address")
        };
        let address_of = async |words| address(log.line_with(words).await);
        let (address, admin) = (
            address_of("serving on").await,
            address_of("status on").await,
        );
        Running {
            app: self,
            child,
            log,
            address,
            admin,
        }
    }
}

/// One of the commands that load components, for an app or for one of them.
pub fn command(name: &str, path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waterspout"));
    command.arg(name).arg(path).arg("--cache-dir").arg(cache());
    command
}

/// With more threads, work would change threads in an order that varies.
#[allow(unsafe_code, reason = "the child is prepared before it begins")]
fn on_one_core(server: &mut Command) {
    // SAFETY: after the fork, this makes one system call on plain bits and allocates nothing.
    unsafe {
        server.pre_exec(|| {
            let mut cores = std::mem::zeroed::<libc::cpu_set_t>();
            libc::CPU_SET(
                libc::sched_getcpu().max(0).unsigned_abs() as usize,
                &mut cores,
            );
            match libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &cores) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        })
    };
}

/// Passes a descriptor on as number 3.
#[allow(unsafe_code, reason = "the child is prepared before it begins")]
fn pass_on(server: &mut Command, descriptor: i32) {
    // SAFETY: after the fork, this makes one system call and allocates nothing.
    unsafe {
        server.pre_exec(move || match libc::dup2(descriptor, 3) {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
}

#[allow(unsafe_code, reason = "the child is prepared before it begins")]
fn limit_address_space(server: &mut Command, bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: after the fork, this makes one system call and allocates nothing.
    unsafe {
        server.pre_exec(move || match libc::setrlimit(libc::RLIMIT_AS, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    };
}

/// Its own limit can be raised again by a process that may.
#[allow(unsafe_code, reason = "the child is prepared before it begins")]
fn limit_file_size(server: &mut Command, bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: after the fork, this makes one system call and allocates nothing.
    unsafe {
        server.pre_exec(move || match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    };
}

/// An app that is being served, until this is dropped.
pub struct Running {
    pub app: App,
    child: Child,
    pub log: Log,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Running {
    pub async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One GET over a connection of its own.
    pub async fn get(&self, path: &str) -> Answer {
        soon(self.connect().await.get(path)).await
    }

    /// One request over a connection of its own; `head` is what follows the request line.
    pub async fn request(&self, line: &str, head: &str, body: &str) -> Answer {
        let mut client = self.connect().await;
        let length = match body {
            "" => String::new(),
            body => format!("Content-Length: {}\r\n", body.len()),
        };
        client
            .send(format!(
                "{line} HTTP/1.1\r\nHost: a\r\n{head}{length}\r\n{body}"
            ))
            .await;
        soon(client.answer()).await
    }

    /// The log with all that was written before this call. The server writes it on its own thread, so an answer may
    /// come before the lines that belong before it. So this sends a request of its own and waits for it in the access
    /// log.
    pub async fn logged(&self) -> String {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let path = format!("/logged-{}", CALLS.fetch_add(1, Ordering::Relaxed));
        self.get(&path).await;
        self.log.line_with(&format!(" GET {path} ")).await;
        self.log.text()
    }

    /// `/api/status`.
    pub async fn status(&self) -> Value {
        let answer = soon(Client::connect(self.admin).await.get("/api/status")).await;
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// The status' entry of a component that serves.
    pub async fn component(&self, file: &str) -> Value {
        let status = self.status().await;
        entry(&status, file).unwrap_or_else(|| panic!("{file} is not in {status}"))
    }

    /// Reads the status again and again until it is as wanted.
    pub async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut admin = Client::connect(self.admin).await;
        soon(async {
            loop {
                let answer = admin.get("/api/status").await;
                let status = serde_json::from_str(&answer.body).expect("JSON");
                if wanted(&status) {
                    return status;
                }
                // So that the time is not spent on this loop.
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
        .await
    }

    /// Waits until the status shows that these bytes serve under this file's name.
    pub async fn until_serving(&self, file: &str, bytes: &[u8]) -> Value {
        let sha256 = format!("{:x}", Sha256::digest(bytes));
        self.until(|status| entry(status, file).is_some_and(|entry| entry["sha256"] == *sha256))
            .await
    }

    /// Waits until a change was refused, or none is any more.
    pub async fn until_swap_is(&self, ok: bool) -> Value {
        self.until(|status| status["last_swap"]["ok"] == ok).await
    }

    /// Waits until this generation serves.
    pub async fn until_generation(&self, number: u64) -> Value {
        self.until(|status| status["generation"].as_u64() >= Some(number))
            .await
    }

    /// Resident memory in KiB, as the system counts it.
    pub fn resident(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("its memory");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(status.expect("kill").success());
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        soon(async {
            loop {
                if let Some(status) = self.child.try_wait().expect("its status") {
                    return status;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Ends it by SIGKILL, in the middle of whatever it does, and keeps its folder.
    pub fn kill(mut self) -> App {
        self.child.kill().expect("it lives");
        self.child.wait().expect("its end");
        std::mem::replace(&mut self.app, App::new())
    }

    /// The same by SIGTERM.
    pub async fn end(mut self) -> App {
        self.signal("TERM");
        assert!(self.ended().await.success(), "{}", self.log.text());
        std::mem::replace(&mut self.app, App::new())
    }

    /// Lets it write files of any size.
    pub fn lift_file_size(&self) {
        let limit = libc::rlimit {
            rlim_cur: libc::RLIM_INFINITY,
            rlim_max: libc::RLIM_INFINITY,
        };
        let pid = libc::pid_t::try_from(self.pid()).expect("a process");
        // SAFETY: one system call, which reads one structure and writes none.
        #[allow(unsafe_code, reason = "only the system sets limits")]
        let lifted =
            unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
        assert_eq!(lifted, 0, "{}", std::io::Error::last_os_error());
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.address, self.log.text());
        }
    }
}

/// The entry of a component in a status, without its draining copies.
pub fn entry(status: &Value, file: &str) -> Option<Value> {
    let components = status["components"].as_array()?;
    let found = components
        .iter()
        .find(|entry| entry["file"] == file && entry["state"] != "draining");
    found.cloned()
}

/// What the server has written to standard error so far.
#[derive(Clone)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
    gate: Arc<Gate>,
}

/// Whether the log is read.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Log {
    fn follow(stderr: impl std::io::Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let written = lines.clone();
        let gate = Arc::new(Gate::default());
        let before = gate.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let shut = before.shut.lock().expect("the gate");
                drop(
                    before
                        .opened
                        .wait_while(shut, |shut| *shut)
                        .expect("the gate"),
                );
                let mut lines = written.lock().expect("the log");
                lines.push(line);
                counter.send_replace(lines.len());
            }
        });
        Self { lines, count, gate }
    }

    /// Stops reading, so that the server can't write its lines.
    pub fn stop(&self) {
        *self.gate.shut.lock().expect("the gate") = true;
    }

    /// Reads on.
    pub fn go_on(&self) {
        *self.gate.shut.lock().expect("the gate") = false;
        self.gate.opened.notify_all();
    }

    /// All of it, once the server has ended.
    pub async fn whole(&self) -> String {
        let mut count = self.count.clone();
        soon(async { while count.changed().await.is_ok() {} }).await;
        self.text()
    }

    /// Waits for a line with these words, from the beginning.
    pub async fn line_with(&self, words: &str) -> String {
        self.nth_line_with(1, words).await
    }

    /// Waits for the line with these words that is the `nth`, counted from 1.
    pub async fn nth_line_with(&self, nth: usize, words: &str) -> String {
        let mut count = self.count.clone();
        let found = async {
            loop {
                let seen = {
                    let lines = self.lines.lock().expect("the log");
                    let mut with = lines.iter().filter(|line| line.contains(words));
                    if let Some(line) = with.nth(nth - 1) {
                        return line.clone();
                    }
                    lines.len()
                };
                if count.changed().await.is_err()
                    && seen == self.lines.lock().expect("the log").len()
                {
                    panic!(
                        "the server ended without a word of {words:?}:\n{}",
                        self.text()
                    );
                }
            }
        };
        match tokio::time::timeout(super::LONG, found).await {
            Ok(line) => line,
            Err(_) => panic!("no word of {words:?} in:\n{}", self.text()),
        }
    }

    /// How often something of this name has begun, by the guests' lines `NAME: begins` and `NAME: ends`. No two of
    /// them may have been under way concurrently.
    pub fn one_at_a_time(&self, name: &str) -> usize {
        let (begins, ends) = (format!("{name}: begins"), format!("{name}: ends"));
        let text = self.text();
        let (mut begun, mut under_way) = (0, false);
        for line in text.lines() {
            if line.contains(&begins) {
                assert!(!under_way, "two at once:\n{text}");
                (begun, under_way) = (begun + 1, true);
            } else if line.contains(&ends) {
                assert!(under_way, "one has ended twice:\n{text}");
                under_way = false;
            }
        }
        begun
    }

    /// What there is of it now. A line about something that has happened may still come: see [`Running::logged`].
    pub fn text(&self) -> String {
        self.lines.lock().expect("the log").join("\n")
    }
}

/// One cache of compiled code for all tests.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}
