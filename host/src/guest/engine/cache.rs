//! Owns the compiled code on disk. A miss is never an error: code that can't be read or written is compiled again.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::Binary;

/// How much compiled code is kept, in bytes: about a thousand components of the usual size.
const MAX_SIZE: u64 = 1 << 30;

/// A folder of compiled components, keyed by their bytes, wasmtime's version and its settings.
///
/// Compiled code is run as it is found. So the folder must belong to this user, nobody else may write to it, and
/// nobody else may put another folder in its place. A folder that breaks these rules is not used.
pub struct Cache {
    folder: PathBuf,
    /// The compiler's version and settings.
    compiler: Vec<u8>,
}

impl Cache {
    /// Opens the folder, and makes it where it is missing. `None`, with a line in the log, where it can't be trusted.
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

    /// The compiled form of this binary, if it is here.
    #[allow(unsafe_code, reason = "compiled code can be loaded in no other way")]
    pub fn get(&self, binary: &Binary, engine: &wasmtime::Engine) -> Option<Component> {
        let path = self.path(binary);
        if !path.exists() {
            return None;
        }
        // SAFETY: only this program writes to the folder: it belongs to this user, nobody else may write to it or turn
        // its path (checked by `claim`), and files appear in it whole, by rename.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => {
                // Code that is used stays. If the time can't be set, the code is compiled again some day.
                let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::debug!(target: "general", "{} is compiled anew: {error:#}", path.display());
                None
            }
        }
    }

    /// Keeps the compiled form of this binary.
    pub fn put(&self, binary: &Binary, component: &Component) {
        let kept = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| self.write(&self.path(binary), &code))
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

    fn path(&self, binary: &Binary) -> PathBuf {
        let mut key = Sha256::new();
        key.update(&self.compiler);
        key.update(binary.sha256());
        self.folder.join(format!("{:x}.cwasm", key.finalize()))
    }
}

/// Removes the code that was used longest ago, until the rest is no larger than `limit` bytes. Processes that run
/// removed code keep it.
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

/// Whether a file has a name that this cache gives. Other files in the folder are not touched.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let key = name.and_then(|name| name.strip_suffix(".cwasm"));
    key.is_some_and(|key| key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Makes the folder for this user alone, or checks that it is so. Returns its path without links, because somebody
/// else could change a link later.
fn claim(folder: &Path) -> io::Result<PathBuf> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let folder = folder.canonicalize()?;
    #[cfg(unix)]
    check_owners(&folder)?;
    Ok(folder)
}

/// Checks that nobody but this user and the system's can write to the folder, or put another in its place.
#[cfg(unix)]
fn check_owners(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;

    // SAFETY: geteuid only reads the process's own id.
    #[allow(unsafe_code, reason = "only the system knows the user")]
    let me = unsafe { libc::geteuid() };
    let denied = |message: String| io::Error::new(io::ErrorKind::PermissionDenied, message);
    let metadata = fs::metadata(folder)?;
    if metadata.uid() != me || metadata.mode() & OTHERS_WRITE != 0 {
        let message =
            "somebody else can write to this folder; give it to this user alone (chmod 700)";
        return Err(denied(message.to_owned()));
    }
    for ancestor in folder.ancestors().skip(1) {
        let metadata = fs::metadata(ancestor)?;
        let is_ours = metadata.uid() == me || metadata.uid() == 0;
        // Where the sticky bit is set, only its owner can move what is there.
        let others_can_move = metadata.mode() & OTHERS_WRITE != 0 && metadata.mode() & STICKY == 0;
        if !is_ours || others_can_move {
            let ancestor = ancestor.display();
            return Err(denied(format!(
                "somebody else can put another folder in its place, because {ancestor} is not this user's alone; take \
                 the others' right to write there (chmod go-w), or say --cache-dir"
            )));
        }
    }
    Ok(())
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

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_could_replace_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("between/cache");
        claim(&folder).unwrap();
        for (mode, is_trusted) in [
            (0o755, true),
            (0o777, false),
            (0o775, false),
            (0o1777, true),
            (0o700, true),
        ] {
            fs::set_permissions(parent.path(), fs::Permissions::from_mode(mode)).unwrap();
            let claimed = claim(&folder);
            assert_eq!(claimed.is_ok(), is_trusted, "{mode:o}");
            if let Err(error) = claimed {
                let parent = parent.path().canonicalize().unwrap();
                let says_which = error.to_string().contains(parent.to_str().unwrap());
                assert!(says_which, "{error}");
            }
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(claim(&folder).is_err());
    }
}
