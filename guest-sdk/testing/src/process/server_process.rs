//! One server's process, from its start to its end. Does not know what it serves.

use std::io;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::Log;

/// How long a server that is about to be killed may take to write its log.
const LAST_LINES: Duration = Duration::from_secs(2);

/// A server's process. It is killed when this is dropped, and in any case ends with the process that has started it.
/// Where a thread drops this because its test has failed, the log is shown.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// The server ends when this is closed.
    stdin: Option<ChildStdin>,
    log: Log,
}

impl ServerProcess {
    /// Starts a command of `waterspout` that serves: `serve` or `dev`, with its arguments. `on_line` is as for
    /// [`Log::follow`].
    pub fn start(mut command: Command, on_line: impl FnMut() + Send + 'static) -> io::Result<Self> {
        command
            .arg("--end-with-stdin")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take().expect("it is piped");
        Ok(Self {
            child,
            stdin,
            log: Log::follow(stderr, on_line),
        })
    }

    /// What it logs.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        let mut kill = Command::new("kill");
        let status = kill
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()?;
        match status.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("kill -{name}: {status}"))),
        }
    }

    /// Makes it end as on `SIGTERM`, without any other program. Does not wait.
    pub fn end(&mut self) {
        drop(self.stdin.take());
    }

    /// How it has ended, once it has.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until it has ended, of whatever, and all of its log is there. `None` where that takes longer.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        match self.log.ends_within(timeout) {
            true => self.child.wait().map(Some),
            false => Ok(None),
        }
    }

    /// Ends it by SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            self.end();
            self.log.go_on();
            self.log.ends_within(LAST_LINES);
        }
        let _ = self.kill();
        if failed {
            // By the macro, so that it is shown with the test that failed.
            eprintln!("--- log of the server\n{}", self.log.text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// A process that ends with its standard input, and says so.
    fn start() -> ServerProcess {
        let mut command = Command::new("sh");
        command.args(["-c", "echo \"begins $0\" >&2; cat; echo ends >&2"]);
        let process = ServerProcess::start(command, || ()).expect("sh starts");
        let line = process.log().wait_for(LONG, |lines| lines.first().cloned());
        assert_eq!(line.as_deref(), Ok("begins --end-with-stdin"));
        process
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let mut process = start();
        assert_eq!(process.try_wait().expect("its status"), None);
        process.end();
        let status = process.wait(LONG).expect("its status");
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
        assert_eq!(process.log().text(), "begins --end-with-stdin\nends");
    }

    #[test]
    fn a_signal_reaches_it() {
        let mut process = start();
        process.signal("KILL").expect("a signal");
        while process.try_wait().expect("its status").is_none() {
            std::thread::yield_now();
        }
        process.kill().expect("it has ended already");
    }

    #[test]
    fn it_ends_when_it_is_dropped() {
        let process = start();
        let log = process.log().clone();
        drop(process);
        // `cat` ends with its standard input, which was this process' alone.
        assert!(log.ends_within(LONG));
    }
}
