//! The copies of apps' files that instances read: one folder for each version that still serves. A copy is never
//! written again, and goes with its last owner; what a process has left behind goes when the next one begins.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{Result, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use super::tree::Tree;
use crate::base::files;

/// The copies of one process.
pub struct Copies {
    home: Arc<Home>,
    /// By the file that is run, and the hash of the tree.
    kept: Mutex<HashMap<(String, String), Weak<AppCopy>>>,
}

/// The folder of a process, as long as a copy is in it.
struct Home {
    folder: TempDir,
    /// Locked, so that no other process takes the folder for a leftover.
    _lock: File,
}

/// The file in the folder of a process that is locked.
const LOCK: &str = "lock";

impl Copies {
    /// Makes a folder for this process, and removes those of processes that are gone.
    pub fn open(folder: &Path) -> Result<Self> {
        files::make_private_folder(folder)?;
        // Under this lock no folder is there whose process has not locked it yet.
        let beginning = File::create(folder.join(LOCK))?;
        beginning.lock()?;
        for entry in fs::read_dir(folder)?.flatten() {
            let is_left =
                File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
            if is_left {
                remove(&entry.path());
            }
        }
        let own = tempfile::Builder::new().prefix("").tempdir_in(folder)?;
        let lock = File::create(own.path().join(LOCK))?;
        lock.lock()?;
        let home = Home {
            folder: own,
            _lock: lock,
        };
        Ok(Self {
            home: Arc::new(home),
            kept: Mutex::default(),
        })
    }

    /// A copy of this tree: the one that there is, or a new one.
    pub fn of(&self, tree: &Tree) -> Result<Arc<AppCopy>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tree.entry(), tree.sha256().to_owned());
        if let Some(copy) = kept.get(&key).and_then(Weak::upgrade) {
            return Ok(copy);
        }
        // A name of its own: the copy before may be under removal.
        let prefix = &tree.sha256()[..16];
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(self.home.folder.path())?
            .keep();
        let copy = AppCopy {
            mount: tree.mount(),
            entry: tree.entry(),
            bytecode: folder.with_extension("bytecode"),
            folder,
            _home: self.home.clone(),
        };
        copy.write(tree)?;
        let copy = Arc::new(copy);
        kept.retain(|_, copy| copy.strong_count() > 0);
        kept.insert(key, Arc::downgrade(&copy));
        Ok(copy)
    }
}

/// The files of one version of an app.
pub struct AppCopy {
    folder: PathBuf,
    bytecode: PathBuf,
    mount: String,
    entry: String,
    _home: Arc<Home>,
}

impl AppCopy {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder beside it, for the bytecode of its modules.
    pub fn bytecode(&self) -> &Path {
        &self.bytecode
    }

    /// Where it is for the app's instances.
    pub fn mount(&self) -> &str {
        &self.mount
    }

    /// The file that they run, in their paths.
    pub fn entry(&self) -> &str {
        &self.entry
    }

    fn write(&self, tree: &Tree) -> Result<()> {
        fs::create_dir(&self.bytecode)?;
        for file in &tree.files {
            let path = self.folder.join(&file.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut copy = File::create_new(&path)?;
            copy.write_all(&file.bytes)?;
            copy.set_permissions(Permissions::from_mode(0o400))?;
            // Static files say when they were changed.
            copy.set_modified(file.modified)?;
        }
        Ok(())
    }
}

impl Drop for AppCopy {
    fn drop(&mut self) {
        remove(&self.folder);
        remove(&self.bytecode);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!(target: "general", "{} can't be removed: {error}", folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        let handlers = tempfile::tempdir().unwrap();
        fs::write(handlers.path().join("hello.py"), text).unwrap();
        Tree::read(handlers.path(), "hello.py").unwrap()
    }

    #[test]
    fn a_copy_is_shared_and_goes_with_its_last_owner() {
        let cache = tempfile::tempdir().unwrap();
        let copies = Copies::open(cache.path()).unwrap();
        let (one, two) = (
            copies.of(&tree("1")).unwrap(),
            copies.of(&tree("2")).unwrap(),
        );
        let again = copies.of(&tree("1")).unwrap();
        assert!(Arc::ptr_eq(&one, &again));
        assert_ne!(one.folder(), two.folder());
        let file = one.folder().join("hello.py");
        assert_eq!(fs::read_to_string(&file).unwrap(), "1");
        drop(one);
        assert!(file.exists());
        let bytecode = again.bytecode().to_owned();
        assert!(bytecode.is_dir());
        drop(again);
        assert!(!file.exists() && !bytecode.exists());
        let later = copies.of(&tree("1")).unwrap();
        assert_eq!(
            fs::read_to_string(later.folder().join("hello.py")).unwrap(),
            "1"
        );
    }

    #[test]
    fn what_a_process_has_left_behind_is_removed_and_what_another_uses_stays() {
        let cache = tempfile::tempdir().unwrap();
        let left = cache.path().join("left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let other = Copies::open(cache.path()).unwrap();
        let copy = other.of(&tree("1")).unwrap();
        let _this = Copies::open(cache.path()).unwrap();
        assert!(!left.exists());
        assert!(copy.folder().join("hello.py").exists());
    }
}
