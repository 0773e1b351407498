//! `waterspout build`: handler sources → `handlers/*.wasm`, by Cargo. Replaces only what has changed, by rename.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::generation::handlers_folder;

/// The target that makes components.
const TARGET: &str = "wasm32-wasip2";

/// What a build has made.
pub struct Built {
    folder: PathBuf,
    /// Names of components, and whether they differ from before.
    components: Vec<(String, bool)>,
}

impl Built {
    /// Says so on standard error.
    pub fn report(&self) {
        for (name, changed) in &self.components {
            let path = self.folder.join(name);
            let news = if *changed { "" } else { " (unchanged)" };
            eprintln!("   Component {}{news}", path.display());
        }
    }
}

/// Whether there is anything to build.
pub fn has_sources(app: &Path) -> bool {
    app.join("Cargo.toml").is_file()
}

/// Builds every `cdylib` of the app's package or workspace. Cargo shows its progress and its errors itself.
pub fn build(app: &Path) -> anyhow::Result<Built> {
    if !has_sources(app) {
        bail!(
            "{}: there is nothing to build: no Cargo.toml in this folder",
            app.display()
        );
    }
    add_target(app);
    let mut child = cargo(app)
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo can't be started; is Rust installed (https://rustup.rs)?")?;
    let mut artifacts = Vec::new();
    if let Some(messages) = child.stdout.take() {
        for line in BufReader::new(messages).lines() {
            if let Ok(Message::CompilerArtifact { target, filenames }) =
                serde_json::from_str(&line?)
                && target.crate_types.iter().any(|kind| kind == "cdylib")
            {
                artifacts.extend(filenames);
            }
        }
    }
    if !child.wait()?.success() {
        bail!("{}: the handlers did not compile", app.display());
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
        let changed = place(artifact, &folder.join(&name))
            .with_context(|| format!("{} can't be placed", folder.join(&name).display()))?;
        components.push((name, changed));
    }
    if components.is_empty() {
        bail!(
            "{}: no crate here makes a component; its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`",
            app.display()
        );
    }
    Ok(Built { folder, components })
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

/// The folders of the app's packages, and of those that they use by path.
pub fn packages(app: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = cargo(app)
        .args(["metadata", "--no-deps", "--format-version=1"])
        .stderr(Stdio::inherit())
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

/// Puts a copy of `from` in the place of `to`, in one step, unless it is there already.
fn place(from: &Path, to: &Path) -> io::Result<bool> {
    let new = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(false);
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(folder)?;
    file.write_all(&new)?;
    file.persist(to)?;
    Ok(true)
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        target: Target,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
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
