//! Cargo's run for a build: its environment, what it says of its progress and its errors, and its end before time. Puts no
//! component in its place.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

use super::Failed;
use super::flood::{self, Flood};

/// The target that makes components.
const TARGET: &str = "wasm32-wasip2";

/// The longest message of the compiler that is read, in bytes.
const MAX_MESSAGE: u64 = 16 << 20;

/// The progress of a build.
pub enum Step {
    /// Cargo knows what to build, and has written the versions to its lock file.
    Resolved,
    /// The build script of a package, by its id, has run. Its output is not compiled yet.
    Scripted(String),
    /// How far it is: `12 of 45: serde, syn`.
    Compiling(String),
}

/// Ends builds before their time, from another thread.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Mutex<Running>>);

#[derive(Default)]
struct Running {
    /// Cargo's process group: itself, and the compilers that it runs.
    group: Option<Pid>,
    is_over: bool,
}

impl Interrupt {
    /// Ends the build that goes on, and lets none begin from now on.
    pub fn interrupt(&self) {
        let mut running = self.running();
        running.is_over = true;
        if let Some(group) = running.group.take() {
            // What has ended meanwhile needs no end.
            let _ = kill_process_group(group, Signal::TERM);
        }
    }

    fn start(&self, cargo: &mut Command) -> anyhow::Result<Child> {
        let mut running = self.running();
        if running.is_over {
            bail!("the build was interrupted");
        }
        let child = cargo
            .spawn()
            .context("cargo can't be started; is Rust installed (https://rustup.rs)?")?;
        running.group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(child)
    }

    /// What was started has ended. Returns whether it had to.
    fn end(&self) -> bool {
        let mut running = self.running();
        running.group = None;
        running.is_over
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much time a build may take for the sake of what it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As the app's release profile says.
    Full,
    /// As little as possible: components are built again after every edit.
    Quick,
}

/// What makes a build quick, over the app's release profile.
const QUICK: [(&str, &str); 6] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
    // So that the stack of a fault has lines.
    ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only"),
    ("CARGO_PROFILE_RELEASE_STRIP", "none"),
];

/// Has Cargo build, with these arguments that say what. Its progress and its errors are shown as
/// they come. Returns the files that it made. `step` is called at each step, by any thread.
pub fn compile(
    app: &Path,
    effort: Effort,
    what: &[&str],
    interrupt: &Interrupt,
    step: impl FnMut(Step) + Send,
) -> anyhow::Result<Vec<Artifact>> {
    let mut cargo = cargo(app);
    cargo
        .args(["build", "--release", "--target", TARGET])
        .args(what)
        .arg("--message-format=json-diagnostic-rendered-ansi")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // With the compilers that it runs, so that they end together.
        .process_group(0);
    speak_as_to_a_terminal(&mut cargo);
    if effort == Effort::Quick {
        // What the environment says already is left as it is.
        let quick = QUICK
            .iter()
            .filter(|(name, _)| std::env::var_os(name).is_none());
        cargo.envs(quick.copied());
    }
    let mut child = interrupt.start(&mut cargo)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let step = Mutex::new(step);
    let tell = &|news| step.lock().unwrap_or_else(PoisonError::into_inner)(news);
    let (followed, other) = thread::scope(|scope| {
        let other = stderr.map(|other| scope.spawn(|| show(other, tell)));
        let followed = stdout.map(|messages| follow(messages, tell));
        (followed, other.and_then(|other| other.join().ok()))
    });
    let status = child.wait()?;
    if interrupt.end() {
        bail!("the build was interrupted");
    }
    let (artifacts, mut said) = followed.transpose()?.unwrap_or_default();
    if !status.success() {
        if said.is_empty() {
            // It is an error of Cargo's, not of the compiler's.
            said = errors_of(&other.unwrap_or_default());
        }
        let app = app.to_path_buf();
        return Err(Failed { app, said }.into());
    }
    Ok(artifacts)
}

/// Shows what Cargo says beside its messages for programs.
fn show(words: impl Read, tell: impl Fn(Step)) -> String {
    let is_terminal = io::stderr().is_terminal();
    flood::pass_on(words, io::stderr(), |bar| {
        if let Some(progress) = progress(&String::from_utf8_lossy(bar)) {
            tell(Step::Compiling(progress));
        }
        is_terminal
    })
}

/// How far Cargo is, by its bar: `Building [==> ] 7/9: serde, syn`.
fn progress(bar: &str) -> Option<String> {
    let plain = anstream::adapter::strip_str(bar).to_string();
    let (_, rest) = plain.split_once("] ")?;
    let (done, rest) = rest.trim().split_once('/')?;
    let (all, what) = rest.split_once(": ").unwrap_or((rest, ""));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let what = if what.is_empty() {
        String::new()
    } else {
        format!(": {what}")
    };
    (is_number(done) && is_number(all)).then(|| format!("{done} of {all}{what}"))
}

/// Reads Cargo's messages for programs: the components that it made, and the errors of the compiler.
fn follow(messages: impl Read, step: impl Fn(Step)) -> io::Result<(Vec<Artifact>, String)> {
    let mut messages = BufReader::new(messages);
    let (mut errors, mut warnings) = (Flood::of("errors"), Flood::of("warnings"));
    let (mut artifacts, mut said) = (Vec::new(), String::new());
    let mut line = Vec::new();
    let mut is_first = true;
    loop {
        line.clear();
        if messages
            .by_ref()
            .take(MAX_MESSAGE)
            .read_until(b'\n', &mut line)?
            == 0
        {
            break;
        }
        if std::mem::take(&mut is_first) {
            step(Step::Resolved);
        }
        // Lines that are too long, or not Cargo's, are ignored.
        match serde_json::from_slice(&line) {
            Ok(Line::CompilerArtifact(artifact)) if artifact.is_cdylib() => {
                artifacts.push(artifact);
            }
            Ok(Line::BuildScriptExecuted { package_id }) => step(Step::Scripted(package_id)),
            Ok(Line::CompilerMessage { message }) => {
                let rendered = message.rendered.unwrap_or_default();
                let is_error = message.level.starts_with("error");
                let flood = if is_error { &mut errors } else { &mut warnings };
                let shown = flood.pass(&rendered);
                anstream::eprint!("{shown}");
                if is_error {
                    said += shown;
                }
            }
            _ => {}
        }
    }
    for cut in [errors.cut(), warnings.cut()].into_iter().flatten() {
        eprintln!("\n{cut}");
    }
    Ok((artifacts, said))
}

/// Makes Cargo write to a pipe as it would to this process's standard error.
fn speak_as_to_a_terminal(cargo: &mut Command) {
    let stderr = io::stderr();
    let has_colours = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
    for (name, value, is_so) in [
        ("CARGO_TERM_COLOR", "always", has_colours),
        // Its bar is read in any case, for the browser.
        ("CARGO_TERM_PROGRESS_WHEN", "always", true),
        ("CARGO_TERM_PROGRESS_WIDTH", "80", true),
    ] {
        if is_so && std::env::var_os(name).is_none() {
            cargo.env(name, value);
        }
    }
}

/// Cargo's output from its first error on.
fn errors_of(said: &str) -> String {
    let plain = |line: &str| anstream::adapter::strip_str(line).to_string();
    let lines = said.split(['\n', '\r']);
    let lines = lines.skip_while(|line| !plain(line).starts_with("error"));
    let errors: Vec<&str> = lines.collect();
    match errors.is_empty() {
        true => plain(said),
        false => errors.join("\n"),
    }
}

/// Has rustup install the target where it is missing, if rustup is there. Where that fails, Cargo's own message
/// follows.
pub fn add_target(app: &Path) {
    let libraries = Command::new("rustc")
        .current_dir(app)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    let is_there = libraries.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).into_owned();
        Path::new(folder.trim_end()).is_dir()
    });
    if !is_there {
        eprintln!("   Fetching the target {TARGET}");
        let _ = Command::new("rustup")
            .current_dir(app)
            .args(["target", "add", TARGET])
            .status();
    }
}

pub fn cargo(app: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(app);
    command
}

/// A message of Cargo's for programs.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Line {
    CompilerArtifact(Artifact),
    CompilerMessage {
        message: Diagnostic,
    },
    BuildScriptExecuted {
        package_id: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub struct Artifact {
    pub package_id: String,
    target: BuildTarget,
    pub filenames: Vec<PathBuf>,
}

impl Artifact {
    fn is_cdylib(&self) -> bool {
        self.target.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct BuildTarget {
    crate_types: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_it_is() {
        let bar = "\x1b[1m\x1b[36m    Building\x1b[0m [=>       ] 12/45: serde, syn(build)…\r";
        assert_eq!(
            progress(bar).as_deref(),
            Some("12 of 45: serde, syn(build)…")
        );
        assert_eq!(progress("Building [=] 9/9\r").as_deref(), Some("9 of 9"));
        assert_eq!(progress("Downloading [=] 3.1 MB/4.0 MB"), None);
        assert_eq!(progress("Blocking waiting for file lock"), None);
    }
}
