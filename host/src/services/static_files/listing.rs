//! Which files are in a static folder, at one moment, and the stamp of each. Looks only at what is beneath the folder:
//! a link that leads out of it leads nowhere. Reads no file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt};

use crate::base::mark::{Identity, Stamp, is_missing};

/// How many files and folders there may be in a static folder.
const MAX_FILES: usize = 100_000;

/// How deep folders may be in each other.
const MAX_DEPTH: usize = 64;

/// A static folder, and which of its files are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub path: PathBuf,
    /// Whether files and folders count whose names begin with a dot.
    pub dot_files: bool,
}

/// The result of a look at a folder.
#[derive(Clone, Debug)]
pub enum Listed {
    Folder(Arc<Listing>),
    Missing,
    /// It can't be listed; says why.
    Wrong(String),
}

/// What was in a folder. Paths have `/` between their names, and none at their ends.
#[derive(Debug)]
pub struct Listing {
    /// The folder itself, whatever takes its name later.
    pub root: Dir,
    identity: Identity,
    pub files: BTreeMap<Box<str>, Stamp>,
    /// The folder itself has the empty path.
    pub folders: BTreeSet<Box<str>>,
}

/// Two are equal where nothing differs that a stamp shows.
impl PartialEq for Listing {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
            && self.files == other.files
            && self.folders == other.folders
    }
}

impl Listed {
    /// Looks at a folder with all that is in it. Where nothing has changed since `before`, that is the result.
    pub fn look(place: &Place, before: Option<&Listed>) -> Listed {
        match (Listing::of(place), before) {
            (Ok(now), Some(Listed::Folder(before))) if now == **before => {
                Listed::Folder(before.clone())
            }
            (Ok(now), _) => Listed::Folder(Arc::new(now)),
            (Err(error), _) if is_gone(&error) => Listed::Missing,
            (Err(error), _) => Listed::Wrong(error.to_string()),
        }
    }

    /// Whether nothing has changed from one to the other.
    pub fn is_same(&self, other: &Listed) -> bool {
        match (self, other) {
            (Listed::Folder(one), Listed::Folder(other)) => Arc::ptr_eq(one, other) || one == other,
            (Listed::Missing, Listed::Missing) => true,
            (Listed::Wrong(one), Listed::Wrong(other)) => one == other,
            _ => false,
        }
    }

    /// The stamp of a file.
    pub fn stamp(&self, path: &Path) -> Option<Stamp> {
        match self {
            Listed::Folder(listing) => listing.files.get(path.to_str()?).copied(),
            Listed::Missing | Listed::Wrong(_) => None,
        }
    }

    /// All files with their stamps.
    pub fn files(&self) -> impl Iterator<Item = (&str, Stamp)> {
        let listing = match self {
            Listed::Folder(listing) => Some(listing),
            Listed::Missing | Listed::Wrong(_) => None,
        };
        let files = listing.into_iter().flat_map(|listing| &listing.files);
        files.map(|(path, stamp)| (&**path, *stamp))
    }
}

impl Listing {
    fn of(place: &Place) -> Result<Self> {
        let root = Dir::open_ambient_dir(&place.path, ambient_authority())?;
        let mut walk = Walk {
            identity: identity(&root.dir_metadata()?),
            root,
            dot_files: place.dot_files,
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            above: Vec::new(),
        };
        let root = walk.root.try_clone()?;
        walk.folder(&root, String::new())?;
        Ok(Self {
            root: walk.root,
            identity: walk.identity,
            files: walk.files,
            folders: walk.folders,
        })
    }
}

struct Walk {
    root: Dir,
    identity: Identity,
    dot_files: bool,
    files: BTreeMap<Box<str>, Stamp>,
    folders: BTreeSet<Box<str>>,
    /// The folders around the current one, so that a link to one of them is not followed.
    above: Vec<Identity>,
}

impl Walk {
    fn folder(&mut self, dir: &Dir, path: String) -> Result<()> {
        let identity = identity(&dir.dir_metadata()?);
        if self.above.contains(&identity) {
            return Ok(());
        }
        if self.above.len() >= MAX_DEPTH {
            let message = format!("`{path}` is in more than {MAX_DEPTH} folders");
            return Err(Error::other(message));
        }
        self.above.push(identity);
        for entry in dir.entries()? {
            match entry.and_then(|entry| self.entry(&entry, &path)) {
                // It went meanwhile.
                Err(error) if is_gone(&error) => {}
                done => done?,
            }
        }
        self.above.pop();
        self.folders.insert(path.into());
        self.count()
    }

    fn entry(&mut self, entry: &DirEntry, above: &str) -> Result<()> {
        // No path of a request is without UTF-8.
        let Ok(name) = entry.file_name().into_string() else {
            return Ok(());
        };
        if name.starts_with('.') && !self.dot_files {
            return Ok(());
        }
        let path = match above {
            "" => name,
            above => format!("{above}/{name}"),
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let dir = entry.open_dir().map_err(|error| named(&path, error))?;
            return self.folder(&dir, path);
        }
        if kind.is_file() {
            let stamp = stamp(&entry.metadata()?);
            self.files.insert(path.into(), stamp);
            return self.count();
        }
        if kind.is_symlink() {
            // An error: it leads out of the root, or nowhere.
            let Ok(metadata) = self.root.metadata(&path) else {
                return Ok(());
            };
            if metadata.is_dir() {
                let dir = self.root.open_dir(&path);
                let dir = dir.map_err(|error| named(&path, error))?;
                return self.folder(&dir, path);
            }
            if metadata.is_file() {
                self.files.insert(path.into(), stamp(&metadata));
                return self.count();
            }
        }
        Ok(())
    }

    fn count(&self) -> Result<()> {
        if self.files.len() + self.folders.len() > MAX_FILES {
            let message = format!(
                "has more than {MAX_FILES} files and folders; serve a folder with fewer, or these by another server"
            );
            return Err(Error::other(message));
        }
        Ok(())
    }
}

/// An error with the path that it is about. One that means that nothing is there stays as it is.
fn named(path: &str, error: Error) -> Error {
    match is_gone(&error) {
        true => error,
        false => Error::other(format!("`{path}` can't be read: {error}")),
    }
}

/// Whether an error means that nothing is at a path, or something outside of the folder, which is the same here.
pub fn is_gone(error: &Error) -> bool {
    // cap-std's own error; the system's has a number.
    let leads_out = error.kind() == ErrorKind::PermissionDenied && error.raw_os_error().is_none();
    leads_out || is_missing(error)
}

fn identity(metadata: &Metadata) -> Identity {
    Identity::new((metadata.dev(), metadata.ino()))
}

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp::new(
        (metadata.dev(), metadata.ino()),
        metadata.size(),
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
    )
}
