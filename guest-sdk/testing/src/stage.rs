//! A folder to serve in an app's place: links to what is only read, copies of what may change, and a configuration.
//! Changes nothing in the app.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use crate::config::Config;

/// The app's configuration.
pub const CONFIG: &str = "waterspout.toml";

/// The app's components. A build beside the test replaces them.
const HANDLERS: &str = "handlers";

/// What is never copied, also where a component may write to all of the app.
const LARGE: [&str; 2] = ["target", ".git"];

/// A folder that is there until this is dropped.
#[derive(Debug)]
pub struct Stage {
    _folder: TempDir,
    app: PathBuf,
}

impl Stage {
    pub fn set(app: &Path, config: &Config) -> Result<Self, String> {
        let set = Self::try_set(app, config);
        set.map_err(|error| format!("no copy of {} to be tested: {error}", app.display()))
    }

    fn try_set(app: &Path, config: &Config) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("waterspout-test-")
            .tempdir()?;
        let place = place(folder.path(), app, config);
        let (outside, inside) = copied(config).partition::<Vec<_>, _>(|path| is_outside(path));
        let copies = Copies(inside);
        fs::create_dir_all(&place)?;
        copies.lay(app, &place, Path::new(""))?;
        for path in config.read.iter().filter(|path| is_outside(path)) {
            beside(&place.join(path), |to| symlink(app.join(path), to))?;
        }
        for path in outside {
            beside(&place.join(path), |to| copy(&app.join(path), to))?;
        }
        if let Some(text) = &config.text {
            fs::write(place.join(CONFIG), text)?;
        }
        Ok(Self {
            _folder: folder,
            app: place,
        })
    }

    /// The app in it.
    pub fn app(&self) -> &Path {
        &self.app
    }
}

/// Where the app is in the folder: deep enough for the granted folders that are above it.
fn place(folder: &Path, app: &Path, config: &Config) -> PathBuf {
    let granted = config.read.iter().chain(&config.write);
    let above = granted.map(|path| path.components().filter(is_parent).count());
    let depth = above.max().unwrap_or(0) + 1;
    let names = app.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let names: Vec<&OsStr> = names.collect();
    let last = names.iter().rev().take(depth).rev();
    last.fold(folder.to_owned(), |place, name| place.join(name))
}

fn is_parent(part: &Component<'_>) -> bool {
    *part == Component::ParentDir
}

fn is_outside(path: &Path) -> bool {
    path.components().next().as_ref().is_some_and(is_parent)
}

/// What may be written, and what has some of that in it: a component that may read a folder can't follow links out of
/// it. A path from the root is the same in any folder, and can't be copied.
fn copied(config: &Config) -> impl Iterator<Item = &Path> {
    let write = || config.write.iter().filter(|path| path.is_relative());
    let around = config.read.iter();
    let around = around.filter(move |read| write().any(|path| path.starts_with(read)));
    write().chain(around).map(PathBuf::as_path)
}

/// The folders of an app that are copied. One without a name is all of it.
struct Copies<'p>(Vec<&'p Path>);

impl Copies<'_> {
    /// Lays out a folder of the app, which has this path in it.
    fn lay(&self, from: &Path, to: &Path, path: &Path) -> io::Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            let path = path.join(entry.file_name());
            let is_large = LARGE.iter().any(|name| path == Path::new(name));
            if path == Path::new(CONFIG) {
                continue;
            } else if self.has(&path) && !is_large {
                copy(&from, &to)?;
            } else if self.0.iter().any(|copied| copied.starts_with(&path)) {
                fs::create_dir(&to)?;
                self.lay(&from, &to, &path)?;
            } else if path == Path::new(HANDLERS) && from.is_dir() {
                copy_files(&from, &to)?;
            } else {
                symlink(from, to)?;
            }
        }
        Ok(())
    }

    fn has(&self, path: &Path) -> bool {
        self.0
            .iter()
            .any(|copied| path == *copied || copied.as_os_str().is_empty())
    }
}

/// Makes something that is not there yet, and the folders in which it is.
fn beside(to: &Path, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if fs::symlink_metadata(to).is_ok() {
        return Ok(());
    }
    make(to)
}

/// Copies the files of a folder. What can't be copied is a link, so that it is as wrong as it was.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if !from.is_file() || fs::copy(&from, &to).is_err() {
            let _ = fs::remove_file(&to);
            symlink(from, to)?;
        }
    }
    Ok(())
}

/// Copies a folder or a file with all that is in it, where it is there. Links in it stay links.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(kind) = fs::metadata(from) else {
        return Ok(());
    };
    if kind.is_file() {
        return fs::copy(from, to).map(drop);
    }
    // Sockets and pipes have nothing to be copied.
    if !kind.is_dir() {
        return Ok(());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()?.is_symlink() {
            true => symlink(fs::read_link(from)?, to)?,
            false => copy(&from, &to)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, "the app's").expect("written");
    }

    /// An app in a folder, and its stage.
    fn staged(config: &str) -> (TempDir, Stage) {
        let folder = tempfile::tempdir().expect("a folder");
        let app = folder.path().join("work/app");
        for path in [
            "waterspout.toml",
            "Cargo.toml",
            "handlers/a.wasm",
            "data/in/file",
            "data/file",
            "target/file",
            "../shared/file",
        ] {
            write(&app, path);
        }
        symlink("file", app.join("data/in/link")).expect("a link");
        symlink("nowhere", app.join("handlers/b.wasm")).expect("a link");
        let config = Config::of(Some(config.to_owned()));
        let stage = Stage::set(&app, &config).expect("a stage");
        (folder, stage)
    }

    fn is_link(stage: &Stage, path: &str) -> bool {
        let path = stage.app().join(path);
        fs::symlink_metadata(path)
            .expect("it is there")
            .is_symlink()
    }

    #[test]
    fn what_is_only_read_is_a_link_and_components_are_copies() {
        let (_folder, stage) = staged("# the test's");
        for path in ["Cargo.toml", "data", "target", "handlers/b.wasm"] {
            assert!(is_link(&stage, path), "{path}");
        }
        assert!(!is_link(&stage, "handlers/a.wasm"));
        let config = fs::read_to_string(stage.app().join(CONFIG));
        assert_eq!(config.expect("it is there"), "# the test's");
        assert!(stage.app().ends_with("app"));
        let folder = stage.app().to_owned();
        drop(stage);
        assert!(!folder.exists());
    }

    #[test]
    fn what_may_be_written_is_a_copy() {
        let (folder, stage) = staged("[component.a]\nallow.write = ['data/in', 'nowhere']");
        assert!(is_link(&stage, "data/file") && !is_link(&stage, "data/in"));
        assert!(is_link(&stage, "data/in/link"));
        fs::write(stage.app().join("data/in/link"), "the test's").expect("written");
        let left = fs::read_to_string(folder.path().join("work/app/data/in/file"));
        assert_eq!(left.expect("it is there"), "the app's");
    }

    #[test]
    fn a_readable_folder_around_a_writable_one_has_no_links_out_of_it() {
        let (_folder, stage) =
            staged("[component.a]\nallow = { read = ['data'], write = ['data/in'] }");
        assert!(!is_link(&stage, "data/file") && !is_link(&stage, "data/in/file"));
    }

    #[test]
    fn all_of_the_app_is_copied_without_what_is_built() {
        let (_folder, stage) = staged("[component.a]\nallow.write = ['.']");
        assert!(!is_link(&stage, "Cargo.toml") && !is_link(&stage, "data/file"));
        assert!(is_link(&stage, "target"));
    }

    #[test]
    fn folders_beside_the_app_are_beside_it_here_too() {
        for (list, is_copy) in [("read", false), ("write", true)] {
            let (_folder, stage) = staged(&format!("[component.a]\nallow.{list} = ['../shared']"));
            assert!(stage.app().ends_with("work/app"));
            assert_eq!(is_link(&stage, "../shared"), !is_copy, "{list}");
            assert!(stage.app().join("../shared/file").is_file());
        }
    }
}
