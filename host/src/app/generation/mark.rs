//! How a file is at one moment, by what the system keeps of it: never looks into it.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a file must have been left alone for its stamp to count: two changes within one tick of a file system's
/// clock have the same time. The coarsest in use has ticks of two seconds (FAT).
const SETTLED: Duration = Duration::from_secs(2);

/// What is at a path, at the end of all links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A file, or what else is no folder.
    File(Stamp),
    Folder(Identity),
    /// Nothing, or a link that leads nowhere.
    Missing,
    /// The system does not say.
    Unknown,
}

/// What is another one whenever a file's bytes may be others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    identity: Identity,
    size: u64,
    /// Of the bytes, as seconds and nanoseconds. Whoever writes may set it.
    modified: (i64, i64),
    /// Of the bytes or of what is kept of them. The system sets it and nobody else.
    changed: (i64, i64),
}

/// What is another one whenever a folder is another, whatever is in it.
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

    /// Whether two that agree are of the same bytes, where the first was taken at this time.
    pub fn is_settled(&self, taken: SystemTime) -> bool {
        matches!(self, Mark::File(stamp) if is_settled(stamp.changed, taken))
    }
}

/// Whether an error says that there is nothing, as a file in a folder's place and links in a circle do, too.
pub fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            identity: Identity::of(metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Whether this time lies far enough back. One before 1970, after all time or yet to come is of a clock that is not to
/// be trusted.
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
        // Until the clock of the file system has gone on.
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
