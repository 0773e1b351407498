//! Owns the compiled code on disk. A miss is never an error: what can't be read or written is compiled again.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

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
        if let Err(error) = claim(&folder) {
            tracing::warn!(
                target: "general",
                "compiled code is not cached: {}: {error}", folder.display()
            );
            return None;
        }
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
            Ok(component) => Some(component),
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
            .and_then(|code| self.write(&self.path(bytes), &code));
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

/// Makes the folder for this user alone, or checks that it is so.
fn claim(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(folder)?;
        // SAFETY: geteuid only reads the process's own id.
        let me = unsafe { libc::geteuid() };
        if metadata.uid() != me || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "somebody else can write to this folder; give it to this user alone (chmod 700)",
            ));
        }
    }
    File::open(folder).map(drop)
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
