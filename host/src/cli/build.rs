//! `waterspout build`: handler sources → `handlers/*.wasm`, by Cargo. Replaces only what has changed, by rename.

use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::thread;

use anyhow::{Context, bail};
use serde::Deserialize;
use tempfile::NamedTempFile;

use crate::generation::handlers_folder;

/// The target that makes components.
const TARGET: &str = "wasm32-wasip2";

/// What is kept of Cargo's words, in bytes.
const MAX_KEPT: usize = 1 << 20;

/// What becomes of Cargo's words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// They go where ours go.
    Shown,
    /// They are kept as well, for [`Failed`].
    Kept,
}

/// Cargo built nothing.
#[derive(Debug)]
pub struct Failed {
    app: PathBuf,
    /// The errors as the terminal shows them, with its colours, where they were to be kept.
    pub said: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the handlers did not compile", self.app.display())
    }
}

impl std::error::Error for Failed {}

/// What a build has made, yet to be put into its place.
pub struct Built {
    folder: PathBuf,
    /// Names of components, and what is to be in their place. `None`: it is there already.
    components: Vec<(String, Option<NamedTempFile>)>,
}

impl Built {
    /// Whether any component differs from before.
    pub fn has_changed(&self) -> bool {
        self.components.iter().any(|(_, new)| new.is_some())
    }

    /// Puts each component in its place in one step, one right after the other, and says so on standard error.
    pub fn place(self) -> anyhow::Result<()> {
        let mut lines = Vec::new();
        for (name, new) in self.components {
            let path = self.folder.join(name);
            let news = if new.is_some() { "" } else { " (unchanged)" };
            lines.push(format!("   Component {}{news}", path.display()));
            if let Some(new) = new {
                new.persist(&path)
                    .with_context(|| format!("{} can't be placed", path.display()))?;
            }
        }
        for line in lines {
            eprintln!("{line}");
        }
        Ok(())
    }
}

/// Whether there is anything to build.
pub fn has_sources(app: &Path) -> bool {
    app.join("Cargo.toml").is_file()
}

/// Builds every `cdylib` of the app's package or workspace. Cargo's progress and its errors are shown as they come.
pub fn build(app: &Path, words: Words) -> anyhow::Result<Built> {
    if !has_sources(app) {
        bail!(
            "{}: there is nothing to build: no Cargo.toml in this folder",
            app.display()
        );
    }
    add_target(app);
    let mut cargo = cargo(app);
    cargo
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-diagnostic-rendered-ansi")
        .stdout(Stdio::piped());
    if words == Words::Kept {
        cargo.stderr(Stdio::piped());
        speak_as_to_a_terminal(&mut cargo);
    }
    let mut child = cargo
        .spawn()
        .context("cargo can't be started; is Rust installed (https://rustup.rs)?")?;
    let other = child.stderr.take();
    let other = other.map(|other| thread::spawn(|| pass_on(other)));
    let mut artifacts = Vec::new();
    let mut said = String::new();
    if let Some(messages) = child.stdout.take() {
        for line in BufReader::new(messages).lines() {
            match serde_json::from_str(&line?) {
                Ok(Line::CompilerArtifact { target, filenames })
                    if target.crate_types.iter().any(|kind| kind == "cdylib") =>
                {
                    artifacts.extend(filenames);
                }
                Ok(Line::CompilerMessage { message }) => {
                    let rendered = message.rendered.unwrap_or_default();
                    anstream::eprint!("{rendered}");
                    if message.level.starts_with("error") && said.len() < MAX_KEPT {
                        said += &rendered;
                    }
                }
                _ => {}
            }
        }
    }
    let other = other.and_then(|other| other.join().ok());
    if !child.wait()?.success() {
        if said.is_empty() {
            // It is no error of the compiler's, but of Cargo's.
            said = errors_of(&other.unwrap_or_default());
        }
        let app = app.to_path_buf();
        return Err(Failed { app, said }.into());
    }
    let folder = handlers_folder(app);
    std::fs::create_dir_all(&folder)?;
    let mut components = Vec::new();
    for artifact in artifacts
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
    {
        let name = artifact
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let new = stage(artifact, &folder.join(&name))
            .with_context(|| format!("{} can't be written", folder.join(&name).display()))?;
        components.push((name, new));
    }
    if components.is_empty() {
        bail!(
            "{}: no crate here makes a component; its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`",
            app.display()
        );
    }
    Ok(Built { folder, components })
}

/// Has Cargo speak into a pipe as it would to our own standard error.
fn speak_as_to_a_terminal(cargo: &mut Command) {
    let stderr = io::stderr();
    let has_colours = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
    for (name, value, is_so) in [
        ("CARGO_TERM_COLOR", "always", has_colours),
        ("CARGO_TERM_PROGRESS_WHEN", "always", stderr.is_terminal()),
        ("CARGO_TERM_PROGRESS_WIDTH", "80", stderr.is_terminal()),
    ] {
        if is_so && std::env::var_os(name).is_none() {
            cargo.env(name, value);
        }
    }
}

/// Copies to standard error what Cargo says, and keeps it.
fn pass_on(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut chunk) {
        let chunk = &chunk[..length];
        let _ = io::stderr().write_all(chunk);
        if kept.len() < MAX_KEPT {
            kept.extend_from_slice(chunk);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// What Cargo said, from its first error on.
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

/// Has rustup fetch the target where it is missing and rustup is there. Where that fails, Cargo's own message
/// follows.
fn add_target(app: &Path) {
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

/// The folders of the app's packages, and of those that they use by path. Why they can't be told the next build says.
pub fn packages(app: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = cargo(app)
        .args(["metadata", "--no-deps", "--format-version=1"])
        .stderr(Stdio::null())
        .output()?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}: cargo does not say what is there", app.display()))?;
    let mut packages = vec![app.to_path_buf()];
    for package in metadata.packages {
        packages.extend(package.manifest_path.parent().map(Path::to_path_buf));
        packages.extend(
            package
                .dependencies
                .into_iter()
                .filter_map(|dependency| dependency.path),
        );
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

fn cargo(app: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(app);
    command
}

/// Puts a copy of `from` beside `to`, unless that is the same.
fn stage(from: &Path, to: &Path) -> io::Result<Option<NamedTempFile>> {
    let new = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(None);
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(folder)?;
    file.write_all(&new)?;
    Ok(Some(file))
}

/// A line of what Cargo tells programs.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Line {
    CompilerArtifact {
        target: Target,
        filenames: Vec<PathBuf>,
    },
    CompilerMessage {
        message: Diagnostic,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
}
