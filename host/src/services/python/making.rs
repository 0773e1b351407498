//! The component that runs all Python apps: CPython, its standard library, Tornado and the adapter. It is made once, with
//! the `python3` of this machine, and kept in the cache. So its snapshot, with the seed of Python's hashes, is this
//! machine's own.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pip;
use super::sources::{ENTRY, FILES, MODULES, PACKAGES, WIT, WORLD, key};
use crate::base::error::Error;
use crate::base::files;

/// How long the making may take: it waits for a package index, and then computes for less than a minute.
const PATIENCE: Duration = Duration::from_secs(600);

/// Makes the component, or finds it.
#[derive(Clone, Debug)]
pub struct Maker {
    folder: PathBuf,
}

impl Maker {
    /// Keeps it in this folder, which nobody else can write to.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Where the component is. It is made where it is not there yet.
    pub async fn component(&self) -> Result<PathBuf, Error> {
        let place = self.folder.join(format!("{}.wasm", key()));
        if place.is_file() {
            return Ok(place);
        }
        let _turn = self.turn().await.map_err(|error| {
            let folder = self.folder.display().to_string();
            Error::host(format!("{folder} can't be written"), error)
        })?;
        if place.is_file() {
            return Ok(place);
        }
        tracing::info!(
            target: "general",
            "making the component for Python apps, once for this machine, with {} …", PACKAGES.join(" and ")
        );
        let began = std::time::Instant::now();
        let made = tokio::time::timeout(PATIENCE, self.make(&place)).await;
        made.unwrap_or_else(|_| Err(format!("it did not end within {} s", PATIENCE.as_secs())))
            .map_err(|error| {
                Error::component(format!(
                    "the component for Python apps can't be made: {error}"
                ))
            })?;
        let took = began.elapsed().as_secs_f64();
        tracing::info!(target: "general", "the component for Python apps is made ({took:.0} s)");
        Ok(place)
    }

    /// Waits until no other process of this machine makes it.
    async fn turn(&self) -> std::io::Result<File> {
        files::make_private_folder(&self.folder)?;
        let lock = File::create(self.folder.join("making"))?;
        let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
        locked.await.map_err(std::io::Error::other)?
    }

    async fn make(&self, place: &Path) -> Result<(), String> {
        let io = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        let work = tempfile::tempdir_in(&self.folder).map_err(io)?;
        for (path, text) in FILES {
            let path = work.path().join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(io)?;
            }
            fs::write(path, text).map_err(io)?;
        }
        pip::install(work.path(), PACKAGES_FOLDER, &PACKAGES).await?;
        take_tornado(work.path()).map_err(io)?;
        let component = work.path().join("component.wasm");
        componentize(work.path(), &component).await?;
        sign(&component).map_err(io)?;
        fs::rename(component, place).map_err(io)
    }
}

/// A custom section at the end of the component, which says what it was made of.
const SECTION: &str = "waterspout-python-runtime";

fn section() -> Vec<u8> {
    let key = key();
    let length = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
    // All lengths are below 128, where one byte is a LEB128.
    let mut section = vec![0, 1 + length(SECTION) + length(&key), length(SECTION)];
    section.extend_from_slice(SECTION.as_bytes());
    section.extend_from_slice(key.as_bytes());
    section
}

fn sign(component: &Path) -> std::io::Result<()> {
    let mut file = File::options().append(true).open(component)?;
    file.write_all(&section())
}

/// Checks that a component was made for Python apps, by this version of Waterspout.
pub fn check_component(component: &Path) -> Result<(), Error> {
    let place = component.display();
    let read = || -> std::io::Result<bool> {
        let section = section();
        let mut file = File::open(component)?;
        let length = i64::try_from(section.len()).unwrap_or(i64::MAX);
        if file.metadata()?.len() < section.len() as u64 {
            return Ok(false);
        }
        file.seek(SeekFrom::End(-length))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(end == section)
    };
    match read() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::component(format!(
            "{place} is not the component for Python apps of this version; `waterspout build --python-runtime {place}` \
             writes it"
        ))),
        Err(error) => Err(Error::host(format!("{place} can't be read"), error)),
    }
}

/// The folder of the packages, and the one with Tornado alone.
const PACKAGES_FOLDER: &str = "packages";
const TORNADO_FOLDER: &str = "tornado";

/// Moves Tornado to where nothing else is that could be imported, without its code for this machine's processor: it has
/// the same in Python.
fn take_tornado(work: &Path) -> std::io::Result<()> {
    let tornado = work.join(TORNADO_FOLDER).join("tornado");
    fs::create_dir(work.join(TORNADO_FOLDER))?;
    fs::rename(work.join(PACKAGES_FOLDER).join("tornado"), &tornado)?;
    pip::remove_native(&tornado)
}

/// Has componentize-py make the component. It asks for nothing from elsewhere.
async fn componentize(work: &Path, component: &Path) -> Result<(), String> {
    /// Its command is installed in a place that depends on the system.
    const COMMAND: &str = "import sys; sys.path.insert(0, sys.argv.pop(1)); \
                           from componentize_py import script; sys.exit(script())";
    // It looks for packages in a virtual environment, or else in what this machine has.
    let nothing = work.join("nothing");
    fs::create_dir_all(nothing.join("lib/site-packages")).map_err(|error| error.to_string())?;
    let mut command = pip::python(work);
    command
        .args(["-c", COMMAND, PACKAGES_FOLDER])
        .arg("--quiet")
        .arg("--wit-path")
        .arg(work.join(WIT))
        .args(["--world", WORLD, "componentize", ENTRY])
        .arg("--python-path")
        .arg(work.join(MODULES))
        .arg("--python-path")
        .arg(work.join(TORNADO_FOLDER))
        .arg("--output")
        .arg(component)
        .env("VIRTUAL_ENV", nothing)
        // What is wrong stands before it.
        .env_remove("RUST_BACKTRACE");
    pip::run(command, "componentize-py").await
}
