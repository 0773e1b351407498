//! Owns the compiled code on disk. A miss is never an error: what can't be read or written is compiled again.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

/// How much compiled code is kept, in bytes: about a thousand components of the usual size.
const MAX_SIZE: u64 = 1 << 30;

/// A folder of compiled components, keyed by their bytes, wasmtime's version and its settings.
///
/// Compiled code is run as it is found, so the folder must belong to this user and be writable by nobody else;
/// any other is left alone.
pub struct Cache {
    folder: PathBuf,
    /// What the compiler is and how it is set.
    compiler: Vec<u8>,
}

impl Cache {
    /// Opens the folder and makes it where it is missing. `None`, with a word in the log, where it can't be trusted.
    pub fn open(folder: PathBuf, engine: &wasmtime::Engine) -> Option<Self> {
        let folder = match claim(&folder) {
            Ok(real) => real,
            Err(error) => {
                tracing::warn!(
                    target: "general",
                    "compiled code is not cached: {}: {error}", folder.display()
                );
                return None;
            }
        };
        let mut compiler = Compiler(Sha256::new());
        std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut compiler);
        Some(Self {
            folder,
            compiler: compiler.0.finalize().to_vec(),
        })
    }

    /// The compiled form of these bytes, if it is here.
    pub fn get(&self, bytes: &[u8], engine: &wasmtime::Engine) -> Option<Component> {
        let path = self.path(bytes);
        if !path.exists() {
            return None;
        }
        // SAFETY: only this program writes to the folder: it belongs to this user, nobody else may write to it
        // (checked by `claim`), and files appear in it whole, by rename.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => {
                // What is used stays; a time that can't be set costs a compilation some day.
                let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::debug!(target: "general", "{} is compiled anew: {error:#}", path.display());
                None
            }
        }
    }

    /// Keeps the compiled form of these bytes.
    pub fn put(&self, bytes: &[u8], component: &Component) {
        let kept = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| self.write(&self.path(bytes), &code))
            .and_then(|()| trim(&self.folder, MAX_SIZE));
        if let Err(error) = kept {
            tracing::warn!(target: "general", "compiled code is not kept: {error}");
        }
    }

    fn write(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(code)?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    fn path(&self, bytes: &[u8]) -> PathBuf {
        let mut key = Sha256::new();
        key.update(&self.compiler);
        key.update(bytes);
        self.folder.join(format!("{:x}.cwasm", key.finalize()))
    }
}

/// Removes what was used longest ago until the rest is no larger than `limit` bytes. Processes that run the removed
/// code keep it.
fn trim(folder: &Path, limit: u64) -> io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok().filter(|entry| is_ours(&entry.path()))?;
            let metadata = entry.metadata().ok()?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
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

/// Whether a file has a name that this cache gives. Nothing else in the folder is touched.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let key = name.and_then(|name| name.strip_suffix(".cwasm"));
    key.is_some_and(|key| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Makes the folder for this user alone, or checks that it is so. Tells its path without links, which somebody else
/// could turn later.
fn claim(folder: &Path) -> io::Result<PathBuf> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let folder = folder.canonicalize()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(&folder)?;
        // SAFETY: geteuid only reads the process's own id.
        let me = unsafe { libc::geteuid() };
        if metadata.uid() != me || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "somebody else can write to this folder; give it to this user alone (chmod 700)",
            ));
        }
    }
    Ok(folder)
}

/// Feeds a `Hash` into SHA-256, whose value is the same in every process.
struct Compiler(Sha256);

impl std::hash::Hasher for Compiler {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes_first_and_nothing_that_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let code = |digit: &str| folder.path().join(digit.repeat(64) + ".cwasm");
        let letter = folder.path().join("letter.txt");
        for (age, path) in [
            (3, code("a")),
            (1, code("b")),
            (2, code("c")),
            (9, letter.clone()),
        ] {
            let mut file = File::create(path).unwrap();
            file.write_all(&[0; 10]).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
        }
        trim(folder.path(), 29).unwrap();
        assert!(!code("a").exists());
        assert!(code("c").exists());
        trim(folder.path(), 10).unwrap();
        assert!(code("b").exists());
        assert!(!code("c").exists());
        assert!(letter.exists());
    }
}
