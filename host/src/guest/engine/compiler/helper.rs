//! One process that compiles. Ends with the server, and when it is dropped.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::wire::{Answer, JobHead, receive_answer, send_job};

/// The command that compiles for the server.
const COMMAND: &str = "compiler";
/// Its option.
const DEBUG_INFO: &str = "--debug-info";

/// This very program.
pub struct Program {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Program {
    pub fn this() -> io::Result<Self> {
        let path = std::env::current_exe()?;
        let identity = identity(&path);
        Ok(Self { path, identity })
    }

    /// Where it can be started from. Another version may have taken its place, and it would compile other code.
    fn place(&self) -> &Path {
        let is_there = self.identity.is_some() && identity(&self.path) == self.identity;
        match cfg!(target_os = "linux") && !is_there {
            true => Path::new("/proc/self/exe"),
            false => &self.path,
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// A process that waits for jobs, or has one.
pub struct Helper {
    process: Child,
    jobs: ChildStdin,
    answers: ChildStdout,
}

/// The end of a process that owes an answer.
pub struct Ended {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The same, or the exit code, in words.
    pub how: String,
}

impl Helper {
    pub fn start(program: &Program, debug_info: bool) -> io::Result<Self> {
        let mut command = Command::new(program.place());
        command
            .arg0("waterspout")
            .arg(COMMAND)
            .args(debug_info.then_some(DEBUG_INFO))
            // What the server's environment says is nobody else's, and memory that is freed goes back to the system.
            .env_clear()
            .env("_RJEM_MALLOC_CONF", "retain:false")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What a terminal sends to the server is for the server alone.
            .process_group(0)
            .kill_on_drop(true);
        let mut process = command.spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (jobs, answers) = pipes.expect("both are piped");
        Ok(Self {
            process,
            jobs,
            answers,
        })
    }

    /// Has a component compiled. An error: the process has ended, or is of no more use.
    pub async fn compile(&mut self, component: &[u8], memory: u64) -> Result<Answer, Ended> {
        let head = JobHead {
            memory,
            length: component.len() as u64,
        };
        let answer = async {
            send_job(&mut self.jobs, head, component).await?;
            receive_answer(&mut self.answers).await
        };
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.end(&error).await),
        }
    }

    /// Ends the process, unless it has ended.
    async fn end(&mut self, error: &io::Error) -> Ended {
        // It closes its pipes when it ends, and never before.
        match self.process.wait().await {
            Ok(status) => Ended {
                signal: status.signal(),
                how: status.to_string(),
            },
            Err(_) => Ended {
                signal: None,
                how: error.to_string(),
            },
        }
    }
}
