//! How a server is started: through which program, with which limits, and what it inherits. Starts none.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binary::{BINARY, cache};
use super::limits::{limit_address_space, limit_file_size, on_one_core, pass_on};

/// What `App` has a builder method for, each; by default nothing out of the ordinary.
#[derive(Default)]
pub struct Launch {
    pub cache: Option<PathBuf>,
    pub through: Option<(String, Vec<String>)>,
    pub address_space: Option<u64>,
    pub file_size: Option<u64>,
    pub counts: Option<PathBuf>,
    pub inherits: Option<OwnedFd>,
    pub variable: Option<(&'static str, PathBuf)>,
    pub arguments: Vec<OsString>,
}

impl Launch {
    /// One of the commands that serve, for this app.
    pub fn command(&self, name: &str, app: &Path) -> Command {
        let mut server = self.binary();
        server
            .arg(name)
            .arg(app)
            .arg("--cache-dir")
            .arg(self.cache.clone().unwrap_or_else(cache))
            .args(&self.arguments)
            .envs(self.variable.clone());
        if let Some(bytes) = self.address_space {
            limit_address_space(&mut server, bytes);
        }
        if let Some(bytes) = self.file_size {
            limit_file_size(&mut server, bytes);
        }
        server
    }

    /// The binary, and what runs it.
    fn binary(&self) -> Command {
        if let Some(socket) = &self.inherits {
            let mut server = Command::new("sh");
            // The number of the process is known only when it exists.
            server.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\"", BINARY]);
            server.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
            pass_on(&mut server, socket.as_raw_fd());
            return server;
        }
        if let Some((program, arguments)) = &self.through {
            let mut server = Command::new(program);
            server.args(arguments).arg(BINARY);
            return server;
        }
        let Some(counts) = &self.counts else {
            return Command::new(BINARY);
        };
        let mut server = Command::new("valgrind");
        let file = format!("--callgrind-out-file={}", counts.display());
        server.args([
            "-q",
            "--tool=callgrind",
            "--instr-atstart=no",
            // The compiler must see the same processor, which is simpler here.
            "--trace-children=yes",
            &file,
            BINARY,
        ]);
        on_one_core(&mut server);
        server
    }
}
