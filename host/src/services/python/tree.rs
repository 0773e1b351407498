//! The files of one Python app, read once: from here on they are what its version has. Writes nothing.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::packages::{FILE_NAME, Requirements};
use crate::base::error::Error;
use crate::base::files;
use crate::config;

/// How many files an app may have, and how many bytes in all of them.
const MAX_FILES: usize = 10_000;
const MAX_SIZE: u64 = 256 << 20;

/// The file that is run, in an app that is a folder.
pub const ENTRY: &str = "app.py";

/// The files of one app.
pub struct Tree {
    /// Its name in `handlers/` without `.py`.
    stem: String,
    /// Whether it is a folder, and not a single file.
    is_folder: bool,
    pub(super) files: Vec<TreeFile>,
    sha256: String,
}

/// One file of an app.
pub(super) struct TreeFile {
    /// Relative to the app's folder.
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub modified: SystemTime,
}

impl Tree {
    /// Reads the app of this name: `blog.py`, or else the folder `blog` beside it.
    pub fn read(handlers: &Path, name: &str) -> io::Result<Self> {
        let stem = name.strip_suffix(config::PYTHON).unwrap_or(name).to_owned();
        let folder = handlers.join(&stem);
        let is_folder = folder.join(ENTRY).is_file();
        let mut reading = Reading::default();
        if is_folder {
            reading.folder(&folder, Path::new(""))?;
        } else {
            reading.file(&handlers.join(name), PathBuf::from(name))?;
        }
        let mut files = reading.files;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let sha256 = match (is_folder, files.first()) {
            (false, Some(file)) => format!("{:x}", Sha256::digest(&file.bytes)),
            _ => hash(&files),
        };
        Ok(Self {
            stem,
            is_folder,
            files,
            sha256,
        })
    }

    /// The SHA-256 of the one file, or of all paths and bytes in the folder, in hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The sizes of its files, in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        self.files.iter().map(|file| file.bytes.len())
    }

    /// The packages that it needs. An app in one file has none.
    pub fn requirements(&self) -> Result<Option<Requirements>, Error> {
        let is_named = |file: &&TreeFile| self.is_folder && file.path == Path::new(FILE_NAME);
        let Some(file) = self.files.iter().find(is_named) else {
            return Ok(None);
        };
        let requirements = Requirements::read(&String::from_utf8_lossy(&file.bytes))?;
        Ok(Some(requirements).filter(|requirements| !requirements.is_empty()))
    }

    /// Its files that other files may import: all in Python but the one that is run.
    pub(super) fn modules(&self) -> impl Iterator<Item = &TreeFile> {
        let entry = Path::new(ENTRY);
        let files = self.files.iter().filter(|_| self.is_folder);
        files.filter(move |file| file.path != entry && file.path.extension() == Some("py".as_ref()))
    }

    /// Where its folder is for its instances. So a traceback names a file as its author does.
    pub fn mount(&self) -> String {
        match self.is_folder {
            true => format!("/handlers/{}", self.stem),
            false => "/handlers".to_owned(),
        }
    }

    /// Where the file is that they run.
    pub fn entry(&self) -> String {
        match self.is_folder {
            true => format!("{}/{ENTRY}", self.mount()),
            false => format!("/handlers/{}.py", self.stem),
        }
    }
}

/// Whether a file or folder of this name is no part of an app: what editors and Python put beside sources.
pub fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.ends_with(".pyc") || name == "__pycache__"
}

#[derive(Default)]
struct Reading {
    files: Vec<TreeFile>,
    size: u64,
}

impl Reading {
    /// Reads what is in a folder. A link to a file is that file; a link to a folder is not followed.
    fn folder(&mut self, folder: &Path, inside: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_none_or(is_ignored) {
                continue;
            }
            let path = inside.join(&name);
            if entry.file_type()?.is_dir() {
                self.folder(&entry.path(), &path)?;
            } else if entry.path().is_file() {
                self.file(&entry.path(), path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, path: PathBuf) -> io::Result<()> {
        let modified = std::fs::metadata(from)?.modified()?;
        let bytes =
            files::read(from, MAX_SIZE - self.size).map_err(|error| match error.kind() {
                ErrorKind::Other => too_much(),
                _ => error,
            })?;
        self.size += bytes.len() as u64;
        self.files.push(TreeFile {
            path,
            bytes,
            modified,
        });
        match self.files.len() > MAX_FILES {
            true => Err(too_much()),
            false => Ok(()),
        }
    }
}

fn too_much() -> io::Error {
    io::Error::other(format!(
        "the app has more than {MAX_FILES} files or {} MB",
        MAX_SIZE >> 20
    ))
}

fn hash(files: &[TreeFile]) -> String {
    let mut sum = Sha256::new();
    let mut add = |bytes: &[u8]| {
        sum.update((bytes.len() as u64).to_le_bytes());
        sum.update(bytes);
    };
    for file in files {
        add(file.path.as_os_str().as_encoded_bytes());
        add(&file.bytes);
    }
    format!("{:x}", sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_known_by_its_names_and_bytes_and_nothing_else() {
        let handlers = tempfile::tempdir().unwrap();
        let app = handlers.path().join("blog");
        std::fs::create_dir_all(app.join("pages/.git")).unwrap();
        let write = |path: &str, text: &str| std::fs::write(app.join(path), text).unwrap();
        let read = || Tree::read(handlers.path(), "blog.py").unwrap();
        write("app.py", "one");
        write("pages/page.html", "page");
        let first = read();
        let paths: Vec<_> = first.files.iter().map(|file| file.path.clone()).collect();
        assert_eq!(paths, ["app.py", "pages/page.html"].map(PathBuf::from));
        assert_eq!(first.entry(), "/handlers/blog/app.py");
        // What is ignored, and the time of a file.
        write("pages/.git/config", "anything");
        write("app.py~", "an older one");
        write("app.py", "one");
        assert_eq!(read().sha256(), first.sha256());
        write("pages/page.html", "another page");
        assert_ne!(read().sha256(), first.sha256());
        let file = handlers.path().join("blog2.py");
        std::fs::write(file, "one").unwrap();
        let single = Tree::read(handlers.path(), "blog2.py").unwrap();
        assert_eq!(single.entry(), "/handlers/blog2.py");
        assert_eq!(single.mount(), "/handlers");
    }

    #[test]
    fn an_app_that_is_too_large_is_refused() {
        let handlers = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(handlers.path().join("big.py")).unwrap();
        file.set_len(MAX_SIZE + 1).unwrap();
        let error = Tree::read(handlers.path(), "big.py").err().unwrap();
        let said = "the app has more than 10000 files or 256 MB";
        assert_eq!(error.to_string(), said);
    }
}
