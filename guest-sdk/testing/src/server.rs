//! One `waterspout serve`, from its start to its end. Sends no request.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::command::Waterspout;
use crate::log::{Entry, Log, Missing};

/// How long a server may take to load its components, or to end: both have limits of their own, which are shorter.
const LONG: Duration = Duration::from_secs(120);

/// How long one that is about to be killed may take to write its log.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Server {
    child: Child,
    pub log: Log,
}

impl Server {
    pub fn start(
        waterspout: &Waterspout,
        app: &Path,
        options: &[OsString],
    ) -> Result<Self, String> {
        let mut command = waterspout.command("serve", app);
        command
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            // Whatever becomes of this process, the server does not outlive it.
            .arg("--end-with-stdin")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = waterspout.spawn(command)?;
        let log = Log::follow(child.stderr.take().expect("it is piped"));
        Ok(Self { child, log })
    }

    /// Where it serves. Waits until it does.
    pub fn address(&self) -> Result<SocketAddr, String> {
        self.log
            .wait_for(0, LONG, address_in)
            .map_err(|missing| match missing {
                Missing::Ended => {
                    format!("the server ended before it served:\n{}", self.log.text())
                }
                Missing::Late => format!(
                    "the server has not said for {} s where it serves:\n{}",
                    LONG.as_secs(),
                    self.log.text()
                ),
            })
    }

    /// Ends it as `SIGTERM` does, and waits until it has.
    pub fn stop(&mut self) -> Result<(), String> {
        drop(self.child.stdin.take());
        if !self.log.ends_within(LONG) {
            return Err(format!("the server did not end for {} s", LONG.as_secs()));
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the server did not end well: {status}")),
            Err(error) => Err(format!("the server's end is not known: {error}")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            drop(self.child.stdin.take());
            self.log.ends_within(LAST_WORDS);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if failed {
            // By the macro, so that it is shown with the test that failed.
            eprintln!("--- log of the server\n{}", self.log.text());
        }
    }
}

/// The address in the entry that says where it serves.
fn address_in(entry: &Entry) -> Option<SocketAddr> {
    let said = entry.is_of("general").then(|| entry.text())?;
    let (_, address) = said.split_once("] serving on http://")?;
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_itself_says_where_it_serves() {
        let address = |line: &str| address_in(&Entry::new(line));
        let told = "[I 260101 12:00:00 general] serving on http://127.0.0.1:4711";
        assert_eq!(address(told), Some(([127, 0, 0, 1], 4711).into()));
        for other in [
            "[I 260101 12:00:00 app a.wasm] general] serving on http://127.0.0.1:1",
            "[I 260101 12:00:00 general] status on http://127.0.0.1:1/api/status",
            "serving on http://127.0.0.1:1",
        ] {
            assert_eq!(address(other), None, "{other}");
        }
    }
}
