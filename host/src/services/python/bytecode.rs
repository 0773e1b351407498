//! The bytecode of apps' modules. It is kept in the cache by their source, and linked to each version that has them. So an
//! edit costs the compilation of what was edited. Compiles nothing by itself.

use std::fs::{self, File};
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::copies::AppCopy;
use super::sources;
use super::tree::{Tree, TreeFile};
use crate::base::files;

/// How much is kept, in bytes: what some hundred apps import.
const MAX_SIZE: u64 = 256 << 20;

/// What the version of Python puts before the extension.
const EXTENSION: &str = "cpython-314.pyc";

/// The folder of all bytecode. What is linked to a version stays for that version, whatever becomes of it here.
#[derive(Clone)]
pub struct Bytecode {
    folder: PathBuf,
}

impl Bytecode {
    /// Opens the folder, and makes it where it is missing.
    pub fn open(folder: &Path) -> Result<Self> {
        files::make_private_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Gives a version what is here of its modules. Returns whether it has all now.
    pub fn give(&self, tree: &Tree, copy: &AppCopy) -> bool {
        let mut has_all = true;
        for module in tree.modules() {
            let (from, to) = (self.place(tree, module), place_in(copy, module));
            has_all &= to.exists() || link(&from, &to).is_ok();
            // What is used stays. If the time can't be set, it is compiled again some day.
            let _ = File::open(&from).and_then(|file| file.set_modified(SystemTime::now()));
        }
        has_all
    }

    /// Takes what a version has and is not here yet.
    pub fn take(&self, tree: &Tree, copy: &AppCopy) -> Result<()> {
        for module in tree.modules() {
            let (from, to) = (place_in(copy, module), self.place(tree, module));
            let Ok(file) = File::open(&from) else {
                // It can't be compiled, which is the app's to say.
                continue;
            };
            if !to.exists() {
                // Otherwise the name may outlive a crash of the system, and the content not.
                file.sync_all()?;
                link(&from, &to)?;
            }
        }
        trim(&self.folder, MAX_SIZE)
    }

    /// Where the bytecode of a module is, if it is here. Its path is part of it.
    fn place(&self, tree: &Tree, module: &TreeFile) -> PathBuf {
        let mut sum = Sha256::new();
        let mount = tree.mount();
        let path = module.path.as_os_str().as_encoded_bytes();
        for part in [sources::key().as_bytes(), mount.as_bytes(), path] {
            sum.update((part.len() as u64).to_le_bytes());
            sum.update(part);
        }
        sum.update(&module.bytes);
        self.folder.join(format!("{:x}", sum.finalize()))
    }
}

/// Where a version's instances look for it.
fn place_in(copy: &AppCopy, module: &TreeFile) -> PathBuf {
    copy.bytecode().join(module.path.with_extension(EXTENSION))
}

fn link(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Removes what was used longest ago, until the rest is no larger than `limit` bytes.
fn trim(folder: &Path, limit: u64) -> Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        if let Ok(metadata) = entry.metadata()
            && let Ok(modified) = metadata.modified()
        {
            files.push((modified, metadata.len(), entry.path()));
        }
    }
    files.sort();
    let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
    for (_, freed, path) in files {
        if size <= limit {
            break;
        }
        // Another process may have been faster.
        let _ = fs::remove_file(path);
        size -= freed;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::python::Copies;

    #[test]
    fn a_module_that_is_the_same_has_its_bytecode_and_another_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().join("handlers/blog");
        fs::create_dir_all(app.join("parts")).unwrap();
        let write = |path: &str, text: &str| fs::write(app.join(path), text).unwrap();
        write("app.py", "import parts.one, two");
        write("parts/one.py", "1");
        write("two.py", "2");
        write("page.html", "page");
        let copies = Copies::open(&folder.path().join("apps")).unwrap();
        let bytecode = Bytecode::open(&folder.path().join("bytecode")).unwrap();
        let read = || {
            let tree = Tree::read(&folder.path().join("handlers"), "blog.py").unwrap();
            let copy = copies.of(&tree).unwrap();
            (tree, copy)
        };
        let (tree, copy) = read();
        assert!(!bytecode.give(&tree, &copy));
        let one = copy.bytecode().join("parts/one.cpython-314.pyc");
        fs::create_dir_all(one.parent().unwrap()).unwrap();
        fs::write(&one, "bytecode of one").unwrap();
        fs::write(copy.bytecode().join("two.cpython-314.pyc"), "of two").unwrap();
        bytecode.take(&tree, &copy).unwrap();
        assert!(bytecode.give(&tree, &copy));
        // Another version, of which one module is new.
        write("two.py", "3");
        let (tree, next) = read();
        assert!(!bytecode.give(&tree, &next));
        let of = |copy: &AppCopy, path: &str| fs::read_to_string(copy.bytecode().join(path)).ok();
        let kept = of(&next, "parts/one.cpython-314.pyc");
        assert_eq!(kept.as_deref(), Some("bytecode of one"));
        assert_eq!(of(&next, "two.cpython-314.pyc"), None);
        // The same text at another place is another module: a traceback names its file.
        write("two.py", "1");
        let (tree, moved) = read();
        assert!(!bytecode.give(&tree, &moved));
        assert_eq!(of(&moved, "two.cpython-314.pyc"), None);
        trim(&bytecode.folder, 0).unwrap();
        assert_eq!(fs::read_dir(&bytecode.folder).unwrap().count(), 0);
        assert!(of(&next, "parts/one.cpython-314.pyc").is_some());
    }
}
