//! The state of a file at one moment, from its metadata. Never reads the file.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a file must be unchanged for its stamp to count. Two changes within one tick of a file system's clock have
/// the same time. The coarsest clock in use has ticks of two seconds (FAT).
const SETTLED: Duration = Duration::from_secs(2);

/// What is at a path, at the end of all links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A file, or anything else that is not a folder.
    File(Stamp),
    Folder(Identity),
    /// Nothing, or a link that leads nowhere.
    Missing,
    /// The system gives an error.
    Unknown,
}

/// Changes whenever a file's bytes may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    identity: Identity,
    size: u64,
    /// The time of the last change of the bytes, as seconds and nanoseconds. Programs may set it.
    modified: (i64, i64),
    /// The time of the last change of bytes or metadata. Only the system sets it.
    changed: (i64, i64),
}

/// Changes whenever another folder has taken the place, whatever its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Mark {
    /// Looks at a path.
    pub fn of(path: &Path) -> Self {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Mark::Folder(Identity::of(&metadata)),
            Ok(metadata) => Mark::File(Stamp::of(&metadata)),
            Err(error) if is_missing(&error) => Mark::Missing,
            Err(_) => Mark::Unknown,
        }
    }

    /// Whether an equal mark means equal bytes, where this one was taken at this time.
    pub fn is_settled(&self, taken: SystemTime) -> bool {
        matches!(self, Mark::File(stamp) if stamp.is_settled(taken))
    }
}

/// Whether an error means that there is no file. A file in a folder's place and links in a circle count, too.
pub fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            identity: Identity::of(metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The same of what another library has read. Times are seconds and nanoseconds.
    pub fn new(
        (device, inode): (u64, u64),
        size: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    ) -> Self {
        Self {
            identity: Identity::new((device, inode)),
            size,
            modified,
            changed,
        }
    }

    /// How many bytes the file has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The time of the last change of the bytes, in whole seconds since 1970.
    pub fn modified(&self) -> i64 {
        self.modified.0
    }

    /// Whether the bytes of one file are older than those of another, by what their times say.
    pub fn is_older_than(&self, other: &Stamp) -> bool {
        self.modified < other.modified
    }

    /// Whether an equal stamp means equal bytes, where this one was taken at this time.
    pub fn is_settled(&self, taken: SystemTime) -> bool {
        is_settled(self.changed, taken)
    }
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Self {
        Self::new((metadata.dev(), metadata.ino()))
    }

    /// That of an inode on a device.
    pub fn new((device, inode): (u64, u64)) -> Self {
        Self { device, inode }
    }
}

/// Whether this time is far enough in the past. A time before 1970, one that is out of range, or one in the future
/// comes from a clock that can't be trusted.
fn is_settled((seconds, nanoseconds): (i64, i64), now: SystemTime) -> bool {
    let age = || {
        let nanoseconds = Duration::from_nanos(u64::try_from(nanoseconds).ok()?);
        let since = Duration::from_secs(u64::try_from(seconds).ok()?).checked_add(nanoseconds)?;
        let changed = SystemTime::UNIX_EPOCH.checked_add(since)?;
        now.duration_since(changed).ok()
    };
    age().is_some_and(|age| age >= SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(path: &Path) -> Stamp {
        Stamp::of(&std::fs::metadata(path).unwrap())
    }

    #[test]
    fn what_changed_just_now_is_not_settled() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mark = Mark::of(file.path());
        assert!(!mark.is_settled(SystemTime::now()));
        assert!(mark.is_settled(SystemTime::now() + SETTLED));
        assert_eq!(Mark::of(Path::new("/nowhere")), Mark::Missing);
        assert_eq!(Mark::of(&file.path().join("below")), Mark::Missing);
    }

    #[test]
    fn no_time_of_a_file_is_too_early_or_too_late() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
        assert!(is_settled((8, 0), now));
        for changed in [
            (8, 1),
            (11, 0),
            (-1, 0),
            (0, -1),
            (i64::MIN, i64::MIN),
            (i64::MAX, i64::MAX),
        ] {
            assert!(!is_settled(changed, now), "{changed:?}");
        }
    }

    #[test]
    fn a_change_shows_even_where_size_and_time_are_set_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one").unwrap();
        let modified = file.as_file().metadata().unwrap().modified().unwrap();
        let before = stamp(file.path());
        // Until the clock of the file system has moved.
        let changed = (0..).map(|_| {
            std::fs::write(file.path(), "two").unwrap();
            file.as_file().set_modified(modified).unwrap();
            stamp(file.path())
        });
        let after = { changed }.find(|after| *after != before).unwrap();
        assert_eq!((before.size, before.modified), (after.size, after.modified));
        assert_eq!(before.identity, after.identity);
    }
}
