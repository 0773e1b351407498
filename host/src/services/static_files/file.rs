//! One static file: what was read of it, the hash of its bytes, and the values of its headers. Opens files beneath their
//! folder only.

use std::fs::File;
use std::io::{self, Error, Read};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use http::HeaderValue;
use ring::digest::{Context, SHA512};

use super::content_type;
use super::listing::is_gone;
use crate::base::mark::Stamp;

/// Larger files are not kept in memory.
pub const MAX_KEPT: u64 = 1 << 20;

/// Larger files are not hashed while a generation is loaded, but behind it.
const MAX_HASHED_AT_LOAD: u64 = 16 << 20;

/// Larger files are not hashed at all: Tornado's `MAX_VERSION_CONTENT_SIZE`.
const MAX_HASHED: u64 = 64 << 20;

/// How many bytes are read at a time.
const PIECE: usize = 128 << 10;

/// How often a file is read that changes meanwhile.
const ATTEMPTS: usize = 3;

/// How many bytes may still be kept in memory.
pub struct Room {
    left: u64,
}

impl Room {
    pub fn of(bytes: u64) -> Self {
        Self { left: bytes }
    }

    /// Takes room for a file, if there is enough.
    pub fn take(&mut self, bytes: u64) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// A file as it was.
#[derive(Debug)]
pub struct StaticFile {
    pub stamp: Stamp,
    /// Whether an equal stamp means equal bytes.
    pub is_settled: bool,
    /// All of its bytes, where they are kept.
    pub content: Option<Bytes>,
    pub content_type: HeaderValue,
    pub last_modified: Option<HeaderValue>,
    /// The hash in quotes, once it is known.
    etag: OnceLock<HeaderValue>,
}

/// A file that was opened for a request.
pub struct Opened {
    pub file: File,
    pub stamp: Stamp,
}

impl StaticFile {
    /// Reads a file. `None`: there is none.
    pub fn read(root: &Dir, path: &str, room: &mut Room) -> io::Result<Option<Self>> {
        let Some(Opened { file, stamp }) = open(root, path)? else {
            return Ok(None);
        };
        let taken = SystemTime::now();
        let mut this = Self {
            stamp,
            is_settled: stamp.is_settled(taken),
            content: None,
            content_type: content_type::of(path),
            last_modified: http_date(stamp.modified()),
            etag: OnceLock::new(),
        };
        if stamp.size() > MAX_HASHED_AT_LOAD {
            return Ok(Some(this));
        }
        for _ in 0..ATTEMPTS {
            let kept = this.stamp.size() <= MAX_KEPT;
            let (etag, content) = hash(&file, kept.then_some(this.stamp.size()))?;
            let now = Stamp::of(&file.metadata()?);
            let was_written = now != this.stamp;
            this.stamp = now;
            this.is_settled &= !was_written;
            this.last_modified = http_date(now.modified());
            this.etag = OnceLock::from(etag);
            this.content = content;
            if !was_written {
                break;
            }
        }
        let length = this.content.as_ref().map_or(0, Bytes::len) as u64;
        if !room.take(length) {
            this.content = None;
        }
        Ok(Some(this))
    }

    pub fn size(&self) -> u64 {
        self.stamp.size()
    }

    /// Its `ETag`, if its hash is known.
    pub fn etag(&self) -> Option<&HeaderValue> {
        self.etag.get()
    }

    /// The hash of its bytes in hex: SHA-512, as in Tornado.
    pub fn version(&self) -> Option<&str> {
        let quoted = self.etag()?.to_str().ok()?;
        quoted.get(1..quoted.len() - 1)
    }

    /// Whether it is to be hashed, but was too large while its generation was loaded.
    pub fn is_unhashed(&self) -> bool {
        self.etag().is_none() && self.size() <= MAX_HASHED
    }

    /// Hashes it, if it is still as it was.
    pub fn hash_large(&self, root: &Dir, path: &str) {
        let hashed = || -> io::Result<Option<HeaderValue>> {
            let Some(Opened { file, stamp }) = open(root, path)? else {
                return Ok(None);
            };
            if stamp != self.stamp {
                return Ok(None);
            }
            let (etag, _) = hash(&file, None)?;
            let is_same = Stamp::of(&file.metadata()?) == stamp;
            Ok(is_same.then_some(etag))
        };
        if let Ok(Some(etag)) = hashed() {
            let _ = self.etag.set(etag);
        }
    }
}

/// Opens a file beneath a folder, without a wait. `None`: there is none, or it is no regular file.
pub fn open(root: &Dir, path: &str) -> io::Result<Option<Opened>> {
    let mut options = OpenOptions::new();
    // Opening a named pipe would wait for a writer.
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = match root.open_with(path, &options) {
        Ok(file) => file.into_std(),
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then(|| Opened {
        stamp: Stamp::of(&metadata),
        file,
    }))
}

/// Hashes a file from its beginning. With a size, also returns its bytes, unless there are more.
fn hash(file: &File, keep: Option<u64>) -> io::Result<(HeaderValue, Option<Bytes>)> {
    let mut sum = Context::new(&SHA512);
    let mut piece = vec![0; PIECE];
    let mut kept = keep.map(|size| Vec::with_capacity(usize::try_from(size).unwrap_or(0)));
    let mut at = 0;
    loop {
        let length = match file.read_at(&mut piece, at) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        at += length as u64;
        if at > MAX_HASHED {
            return Err(Error::other("it grows while it is read"));
        }
        sum.update(&piece[..length]);
        kept = kept.filter(|kept| (kept.len() + length) as u64 <= MAX_KEPT);
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&piece[..length]);
        }
    }
    Ok((etag(sum.finish().as_ref()), kept.map(Bytes::from)))
}

/// The hash of all that a reader gives, unless it is more than this many bytes.
pub fn hash_reader(mut reader: impl Read, most: u64) -> io::Result<Option<HeaderValue>> {
    let mut sum = Context::new(&SHA512);
    let mut piece = vec![0; PIECE];
    let mut all = 0;
    loop {
        let length = match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        all += length as u64;
        if all > most {
            return Ok(None);
        }
        sum.update(&piece[..length]);
    }
    Ok(Some(etag(sum.finish().as_ref())))
}

/// A hash in hex, in quotes.
fn etag(hash: &[u8]) -> HeaderValue {
    let mut hex = [0; 128];
    // The buffer has the size of a hash.
    let hex = base16ct::lower::encode_str(hash, &mut hex).unwrap_or_default();
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// A time as HTTP writes it. `None`: it has no way to write that one.
pub fn http_date(seconds: i64) -> Option<HeaderValue> {
    /// The end of the year 9999.
    const END: u64 = 253_402_300_800;
    let seconds = u64::try_from(seconds)
        .ok()
        .filter(|seconds| *seconds < END)?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    HeaderValue::from_str(&httpdate::fmt_http_date(time)).ok()
}
