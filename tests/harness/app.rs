//! An app that is being written, in its own folder, and how it is to be served. Knows no server.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::binary;
use super::launch::Launch;

/// An app that is being written.
pub struct App {
    folder: TempDir,
    /// Where it is, if not in that folder.
    at: Option<PathBuf>,
    pub(super) launch: Launch,
}

impl App {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("handlers")).expect("handlers/");
        Self {
            folder,
            at: None,
            launch: Launch::default(),
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
        self.launch.cache = Some(folder.to_owned());
        self
    }

    /// Serves through another program, which runs what follows its arguments.
    pub fn through(mut self, program: &str, arguments: &[String]) -> Self {
        self.launch.through = Some((program.to_owned(), arguments.to_vec()));
        self
    }

    /// Serves with at most this many bytes of address space, as on a system that grants less.
    pub fn address_space(mut self, bytes: u64) -> Self {
        self.launch.address_space = Some(bytes);
        self
    }

    /// Serves with files of at most this many bytes, as on a disk that is full.
    pub fn file_size(mut self, bytes: u64) -> Self {
        self.launch.file_size = Some(bytes);
        self
    }

    /// Serves on one core, inside a callgrind that counts only when it is told to, into this file.
    pub fn counting_instructions(mut self, file: &Path) -> Self {
        self.launch.counts = Some(file.to_owned());
        self
    }

    /// Serves with this socket passed on as by systemd, under the name `web`.
    pub fn inheriting(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.launch.inherits = Some(socket.into());
        self
    }

    /// Serves with this environment variable.
    pub fn variable(mut self, name: &'static str, value: &Path) -> Self {
        self.launch.variable = Some((name, value.to_owned()));
        self
    }

    /// Serves with one more option on the command line.
    pub fn option(mut self, name: &str, value: &Path) -> Self {
        self.launch.arguments.extend([name.into(), value.into()]);
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
        let output = binary::command(command, self.path()).args(more).output();
        let output = output.expect("waterspout starts");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}
