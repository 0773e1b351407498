//! Owns the compiled code on disk. A miss is never an error: code that can't be read or written is compiled again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::Binary;
use super::image::load;
use crate::base::files;
use crate::base::shards;

/// How much compiled code is kept, in bytes: about a thousand components of the usual size.
const MAX_SIZE: u64 = 1 << 30;

/// The length of the checksum at the beginning of a file.
const HEADER: usize = 32;

/// How much is hashed at a time, in bytes: about a tenth of a millisecond.
const PIECE: usize = 128 * 1024;

/// A folder of compiled components, keyed by their bytes, wasmtime's version and its settings.
///
/// Compiled code is run as it is found. So the folder and its files must belong to this user, nobody else may write to
/// them, and nobody else may put another folder in its place. What breaks these rules is not used. Each file begins with
/// a checksum, because a disk may lose what was written.
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

    /// Where it is. Nobody but this user can write there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The compiled form of this binary, if it is here.
    #[allow(unsafe_code, reason = "compiled code can be loaded in no other way")]
    pub fn get(&self, binary: &Binary, engine: &wasmtime::Engine) -> Option<Component> {
        let path = self.path(binary);
        let loaded = match self.read(&path, binary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
            Ok(code) => {
                // SAFETY: the file belongs to this user, and nobody else may write to it or to its folder. Its checksum
                // fits the content and the key, so it is what `put` wrote. The code is read into memory: whatever
                // becomes of the file, the code stays the same.
                let loaded = unsafe { load(engine, &code[HEADER..]) };
                loaded.map_err(|error| format!("{error:#}"))
            }
        };
        match loaded {
            Ok(component) => {
                // Code that is used stays. If the time can't be set, the code is compiled again some day.
                let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::warn!(
                    target: "general",
                    "{} is not used and compiled anew: {error}", path.display()
                );
                None
            }
        }
    }

    /// Keeps the compiled form of this binary.
    pub fn put(&self, binary: &Binary, code: &[u8]) {
        let kept = self
            .write(binary, code)
            .and_then(|()| trim(&self.folder, MAX_SIZE));
        if let Err(error) = kept {
            tracing::warn!(target: "general", "compiled code is not kept: {error}");
        }
    }

    /// Reads a file, if it is what this cache has written for this binary.
    fn read(&self, path: &Path, binary: &Binary) -> io::Result<Vec<u8>> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        check_owner(&file.metadata()?, "it")?;
        let bytes = files::read_open(&file, MAX_SIZE)?;
        match bytes.split_first_chunk::<HEADER>() {
            Some((header, code)) if *header == self.header(binary, code) => Ok(bytes),
            _ => Err(io::Error::other("its checksum is wrong")),
        }
    }

    fn write(&self, binary: &Binary, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&self.header(binary, code))?;
        file.write_all(code)?;
        // Otherwise the name may outlive a crash of the system, and the content not.
        file.as_file().sync_all()?;
        let kept = file.persist(self.path(binary));
        kept.map(drop).map_err(|error| error.error)
    }

    /// What stands before the code in a file: the checksum of the key and the code.
    fn header(&self, binary: &Binary, code: &[u8]) -> [u8; HEADER] {
        let mut sum = Sha256::new();
        sum.update(&self.compiler);
        sum.update(binary.sha256());
        for piece in code.chunks(PIECE) {
            shards::give_way();
            sum.update(piece);
        }
        sum.finalize().into()
    }

    /// Where the compiled form of this binary is, if it is here.
    pub fn path(&self, binary: &Binary) -> PathBuf {
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
    files::make_private_folder(folder)?;
    let folder = folder.canonicalize()?;
    check_owners(&folder)?;
    Ok(folder)
}

/// The right of others to write.
const OTHERS_WRITE: u32 = 0o022;

fn user() -> u32 {
    // SAFETY: geteuid only reads the process's own id.
    #[allow(unsafe_code, reason = "only the system knows the user")]
    unsafe {
        libc::geteuid()
    }
}

/// Checks that it belongs to this user, and that nobody else can write to it.
fn check_owner(metadata: &fs::Metadata, name: &str) -> io::Result<()> {
    if metadata.uid() == user() && metadata.mode() & OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "somebody else can write to {name}; give it to this user alone (chmod go-w, chown)"
        ),
    ))
}

/// Checks that nobody but this user and the system's can write to the folder, or put another in its place.
fn check_owners(folder: &Path) -> io::Result<()> {
    const STICKY: u32 = 0o1000;

    let me = user();
    let denied = |message: String| io::Error::new(io::ErrorKind::PermissionDenied, message);
    check_owner(&fs::metadata(folder)?, "this folder")?;
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
    use std::os::unix::fs::PermissionsExt;
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

    #[test]
    fn a_file_that_is_not_what_was_written_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let cache = Cache::open(folder.path().join("cache"), &engine).unwrap();
        let binary = |bytes: &[u8]| {
            let file = folder.path().join("a.wasm");
            fs::write(&file, bytes).unwrap();
            Binary::read(&file).unwrap()
        };
        let (one, other) = (binary(b"one"), binary(b"other"));
        let code: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        cache.write(&one, &code).unwrap();
        let path = cache.path(&one);
        let whole = cache.read(&path, &one).unwrap();
        assert_eq!(whole[HEADER..], code);
        assert!(cache.read(&path, &other).is_err(), "it is another's");
        let mut number = 1_u64;
        for way in 0..200 {
            let mut bytes = whole.clone();
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = usize::try_from(number >> 33).unwrap() % bytes.len();
            match way % 4 {
                0 => bytes[at] ^= 1 << (way % 8),
                1 => bytes.truncate(at),
                2 => bytes.extend_from_slice(&whole[at..]),
                _ => {
                    let end = (at + 4096).min(bytes.len());
                    // A page that was lost.
                    bytes[at..end].fill(0);
                    bytes[at] = !whole[at];
                }
            }
            fs::write(&path, &bytes).unwrap();
            assert!(cache.read(&path, &one).is_err(), "way {way} at {at}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(cache.read(&path, &one).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        assert!(
            cache.read(&path, &one).is_err(),
            "others may have written it"
        );
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(cache.read(&path, &one).is_err());
    }

    #[test]
    fn a_folder_that_others_could_replace_is_not_trusted() {
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
