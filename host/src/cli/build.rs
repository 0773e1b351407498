//! `waterspout build`: handler sources → `handlers/*.wasm`, by Cargo. Replaces only what has changed, by rename, and
//! removes only what it has made itself.

mod cargo;
mod flood;
mod packages;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

pub use self::cargo::{Effort, Interrupt, Step, add_target};
pub use self::packages::{Package, Packages, nests};
use self::record::Record;
use super::signals::Signals;
use crate::app::generation::{handlers_folder, program_folders};
use crate::config;
use crate::services::python::Maker;

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

/// Whether there is anything to build.
pub fn has_sources(app: &Path) -> bool {
    app.join("Cargo.toml").is_file()
}

/// Whether there is a Python app.
pub fn has_programs(app: &Path) -> bool {
    let handlers = handlers_folder(app);
    let files = std::fs::read_dir(&handlers).into_iter().flatten().flatten();
    let mut names = files.map(|entry| entry.file_name());
    names.any(|name| name.to_str().is_some_and(config::is_python))
        || !program_folders(&handlers).is_empty()
}

/// The command. A signal ends it, and Cargo with it.
pub(super) async fn run(options: &super::Build) -> anyhow::Result<()> {
    if let Some(file) = &options.python_runtime {
        return write_python_runtime(file).await;
    }
    let app = &options.app.app;
    if !has_sources(app) && has_programs(app) {
        println!(
            "{}: there is nothing to build: Python apps are served from their sources",
            app.display()
        );
        return Ok(());
    }
    let mut signals = Signals::new()?;
    let interrupt = Interrupt::default();
    let (app, ended) = (app.to_path_buf(), interrupt.clone());
    let built = tokio::task::spawn_blocking(move || {
        add_target(&app);
        build(&app, Effort::Full, &ended, |_| {})?.place()
    });
    let signal = async {
        Signals::end(&mut signals.terminate, &mut signals.interrupt).await;
        interrupt.interrupt();
        std::future::pending().await
    };
    tokio::select! {
        built = built => built?,
        () = signal => Ok(()),
    }
}

/// Makes the component for Python apps, or finds it in the cache, and puts a copy of it into place.
async fn write_python_runtime(file: &Path) -> anyhow::Result<()> {
    let Some(cache) = super::cache_dir(None) else {
        bail!("there is no cache folder in which the component for Python apps can be made");
    };
    let made = Maker::new(&cache.join("python")).component().await?;
    let place = || format!("{} can't be written", file.display());
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let copy = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(place)?;
    std::fs::copy(made, copy.path()).with_context(place)?;
    copy.persist(file).with_context(place)?;
    println!("{}", file.display());
    Ok(())
}

/// Builds every `cdylib` of the app's package and of the members that its workspace lists, and none that these only use.
pub fn build(
    app: &Path,
    effort: Effort,
    interrupt: &Interrupt,
    step: impl FnMut(Step) + Send,
) -> anyhow::Result<Built> {
    if !has_sources(app) {
        bail!(
            "{}: there is nothing to build: no Cargo.toml in this folder",
            app.display()
        );
    }
    // Where Cargo can't read a manifest, the build says why.
    let packages = Packages::of(app);
    let what: Vec<&str> = packages.iter().flat_map(Packages::arguments).collect();
    let artifacts = cargo::compile(app, effort, &what, interrupt, step)?;
    let packages = packages?;
    let meant = artifacts.into_iter();
    let meant = meant.filter(|artifact| packages.is_meant(&artifact.package_id));
    stage_all(
        app,
        &packages,
        meant.flat_map(|artifact| artifact.filenames),
    )
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
