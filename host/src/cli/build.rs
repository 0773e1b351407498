//! `waterspout build`: handler sources → `handlers/*.wasm`, by Cargo. Replaces only what has changed, by rename, and
//! removes only what it has made itself.

mod flood;
mod packages;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::Permissions;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, bail};
use serde::Deserialize;
use tempfile::NamedTempFile;

use self::flood::Flood;
pub use self::packages::{Package, Packages, nests};
use self::record::Record;
use crate::app::generation::handlers_folder;

/// The target that makes components.
const TARGET: &str = "wasm32-wasip2";

/// The longest message of the compiler that is read, in bytes.
const MAX_MESSAGE: u64 = 16 << 20;

/// Cargo built nothing.
#[derive(Debug)]
pub struct Failed {
    app: PathBuf,
    /// The errors as the terminal shows them, with its colours.
    pub said: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the handlers did not compile", self.app.display())
    }
}

impl std::error::Error for Failed {}

/// The progress of a build.
pub enum Step {
    /// Cargo knows what to build, and has written the versions to its lock file.
    Resolved,
    /// The build script of a package, by its id, has run. Its output is not compiled yet.
    Scripted(String),
}

/// The result of a build, which is not in its place yet.
pub struct Built {
    folder: PathBuf,
    /// Names of components, and their new files. `None`: the file in place is the same.
    components: Vec<(String, Option<NamedTempFile>)>,
    /// The digest of each.
    made: BTreeMap<String, String>,
    /// Files that earlier builds have made, and this one has not.
    left_over: Vec<PathBuf>,
    record: Record,
    /// The sources that were read for them.
    pub inputs: BTreeSet<PathBuf>,
}

impl Built {
    /// Whether any component differs from before.
    pub fn has_changed(&self) -> bool {
        self.components.iter().any(|(_, new)| new.is_some()) || !self.left_over.is_empty()
    }

    /// Puts each component in its place in one step, one right after the other. Removes files that are left over, and
    /// reports that on standard error.
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
        // Only now, so that the replacement exists before a file goes.
        for path in self.left_over {
            std::fs::remove_file(&path)
                .with_context(|| format!("{} can't be removed", path.display()))?;
            lines.push(format!(
                "     Removed {}, which no crate makes now",
                path.display()
            ));
        }
        self.record
            .keep(self.made)
            .context("what was built can't be recorded in the target folder")?;
        for line in lines {
            eprintln!("{line}");
        }
        Ok(())
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
const QUICK: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
];

/// Whether there is anything to build.
pub fn has_sources(app: &Path) -> bool {
    app.join("Cargo.toml").is_file()
}

/// Builds every `cdylib` of the app's package and of the members that its workspace lists, and none that these only use. Cargo's progress and its
/// errors are shown as they come. `step` is called at each step.
pub fn build(app: &Path, effort: Effort, mut step: impl FnMut(Step)) -> anyhow::Result<Built> {
    if !has_sources(app) {
        bail!(
            "{}: there is nothing to build: no Cargo.toml in this folder",
            app.display()
        );
    }
    add_target(app);
    let mut cargo = cargo(app);
    cargo.args(["build", "--release", "--target", TARGET]);
    // Where Cargo can't read a manifest, the build says why.
    let packages = Packages::of(app);
    cargo.args(packages.iter().flat_map(Packages::arguments));
    cargo
        .arg("--message-format=json-diagnostic-rendered-ansi")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    speak_as_to_a_terminal(&mut cargo);
    if effort == Effort::Quick {
        // What the environment says already is left as it is.
        let quick = QUICK
            .iter()
            .filter(|(name, _)| std::env::var_os(name).is_none());
        cargo.envs(quick.copied());
    }
    let mut child = cargo
        .spawn()
        .context("cargo can't be started; is Rust installed (https://rustup.rs)?")?;
    let other = child.stderr.take();
    let other = other.map(|other| thread::spawn(|| flood::pass_on(other, io::stderr())));
    let messages = child.stdout.take();
    let messages = messages.map(|messages| follow(messages, &mut step));
    let (artifacts, mut said) = messages.transpose()?.unwrap_or_default();
    let other = other.and_then(|other| other.join().ok());
    if !child.wait()?.success() {
        if said.is_empty() {
            // It is an error of Cargo's, not of the compiler's.
            said = errors_of(&other.unwrap_or_default());
        }
        let app = app.to_path_buf();
        return Err(Failed { app, said }.into());
    }
    let packages = packages?;
    let meant = artifacts.into_iter();
    let meant = meant.filter(|artifact| packages.is_meant(&artifact.package_id));
    stage_all(
        app,
        &packages,
        meant.flat_map(|artifact| artifact.filenames),
    )
}

/// Reads Cargo's messages for programs: the components that it made, and the errors of the compiler.
fn follow(messages: impl Read, mut step: impl FnMut(Step)) -> io::Result<(Vec<Artifact>, String)> {
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

/// Puts the new components beside the old ones.
fn stage_all(
    app: &Path,
    packages: &Packages,
    files: impl Iterator<Item = PathBuf>,
) -> anyhow::Result<Built> {
    let folder = handlers_folder(app);
    std::fs::create_dir_all(&folder)?;
    let (mut components, mut made) = (Vec::new(), BTreeMap::new());
    let mut inputs = BTreeSet::new();
    for artifact in files.filter(|path| path.extension().is_some_and(|end| end == "wasm")) {
        let name = artifact.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let place = folder.join(&name);
        let (new, digest) = stage(&artifact, &place)
            .with_context(|| format!("{} can't be written", place.display()))?;
        inputs.extend(inputs_of(&artifact, app));
        made.insert(name.clone(), digest);
        components.push((name, new));
    }
    if components.is_empty() {
        bail!(
            "{}: no crate here makes a component; its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`",
            app.display()
        );
    }
    let record = Record::of(app, &packages.target);
    inputs.retain(|input| !input.starts_with(&packages.target));
    Ok(Built {
        left_over: record.left_over(&folder, &made),
        folder,
        components,
        made,
        record,
        inputs,
    })
}

/// The sources of a component, which Cargo writes to a file beside it, in the form of `make`.
fn inputs_of(artifact: &Path, app: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(artifact.with_extension("d")).unwrap_or_default();
    let Some((_, files)) = text.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    // A space within a name has a backslash before it.
    let files = files.replace("\\ ", "\0");
    let files = files.split(' ').filter(|file| !file.is_empty());
    files
        .map(|file| app.join(file.replace('\0', " ")))
        .collect()
}

/// Makes Cargo write to a pipe as it would to this process's standard error.
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

fn cargo(app: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(app);
    command
}

/// Puts a copy of `from` beside `to`, unless they are the same, and returns its digest. The umask decides who may read
/// it, as for any new file.
fn stage(from: &Path, to: &Path) -> io::Result<(Option<NamedTempFile>, String)> {
    let new = std::fs::read(from)?;
    let digest = record::digest(&new);
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok((None, digest));
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(&new)?;
    Ok((Some(file), digest))
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
struct Artifact {
    package_id: String,
    target: BuildTarget,
    filenames: Vec<PathBuf>,
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
