//! One `waterspout serve` on free ports of this machine, and what to say where it fails. Sends no request.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::command::Waterspout;
use crate::options;
use crate::process::{Log, Missing, ServerProcess, lines};

/// How long a server may take to load its components, or to end: both have limits of their own, which are shorter.
const LONG: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub struct Server {
    process: ServerProcess,
}

impl Server {
    pub fn start(
        waterspout: &Waterspout,
        app: &Path,
        options: &[OsString],
    ) -> Result<Self, String> {
        let mut command = waterspout.command("serve", app);
        command.args(options).stdout(Stdio::null());
        for variable in options::left_out() {
            command.env_remove(variable);
        }
        match ServerProcess::start(command, || ()) {
            Ok(process) => Ok(Self { process }),
            Err(error) => Err(waterspout.does_not_start(&error)),
        }
    }

    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// Where it serves. Waits until it does.
    pub fn address(&self) -> Result<SocketAddr, String> {
        let served = self.log().wait_for(LONG, |lines| {
            let (scheme, address) = lines::serving_on(lines)?;
            (scheme == "http").then_some(address)
        });
        served.map_err(|missing| match missing {
            Missing::Ended => {
                format!("the server ended before it served:\n{}", self.log().text())
            }
            Missing::Late => format!(
                "the server has not said for {} s where it serves:\n{}",
                LONG.as_secs(),
                self.log().text()
            ),
        })
    }

    /// Ends it as `SIGTERM` does, and waits until it has.
    pub fn stop(&mut self) -> Result<(), String> {
        self.process.end();
        match self.process.wait(LONG) {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => Err(format!("the server did not end well: {status}")),
            Ok(None) => Err(format!("the server did not end for {} s", LONG.as_secs())),
            Err(error) => Err(format!("the server's end is not known: {error}")),
        }
    }
}
