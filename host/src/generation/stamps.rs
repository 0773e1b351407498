//! How files were when a generation read them, so that the next one need not read them again. Looks at what the system
//! keeps of a file, never into it.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a file must have been left alone for its stamp to count: two changes within one tick of a file system's
/// clock have the same time. The coarsest in use has ticks of two seconds (FAT).
const SETTLED: Duration = Duration::from_secs(2);

/// The stamps of some files. Those that have changed just now have none.
#[derive(Debug, Default)]
pub struct Stamps(HashMap<PathBuf, Stamp>);

/// What is another one whenever a file's bytes may be others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Of the bytes, as seconds and nanoseconds. Whoever writes may set it.
    modified: (i64, i64),
    /// Of the bytes or of what is kept of them. The system sets it and nobody else.
    changed: (i64, i64),
}

impl Stamps {
    /// Takes the stamp of a file, which is to be read only afterwards.
    pub fn take(&mut self, path: &Path) {
        let now = SystemTime::now();
        let metadata = std::fs::metadata(path).ok();
        if let Some(stamp) = metadata.and_then(|metadata| Stamp::of(&metadata, now)) {
            self.0.insert(path.to_path_buf(), stamp);
        }
    }

    /// Whether a file is as it was `before`.
    pub fn agree(&self, before: &Stamps, path: &Path) -> bool {
        let stamp = self.0.get(path);
        stamp.is_some() && stamp == before.0.get(path)
    }
}

impl Stamp {
    fn of(metadata: &Metadata, now: SystemTime) -> Option<Self> {
        let stamp = Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        is_settled(stamp.changed, now).then_some(stamp)
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

    /// As they are taken some time from now.
    fn taken(path: &Path, later: Duration) -> Option<Stamp> {
        Stamp::of(&std::fs::metadata(path).unwrap(), SystemTime::now() + later)
    }

    #[test]
    fn what_changed_just_now_has_no_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(taken(file.path(), Duration::ZERO), None);
        assert!(taken(file.path(), SETTLED).is_some());
        let mut stamps = Stamps::default();
        stamps.take(file.path());
        assert!(!stamps.agree(&stamps, file.path()));
        assert!(!stamps.agree(&stamps, Path::new("/nowhere")));
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
        let before = taken(file.path(), SETTLED);
        // Until the clock of the file system has gone on.
        let changed = (0..).map(|_| {
            std::fs::write(file.path(), "two").unwrap();
            file.as_file().set_modified(modified).unwrap();
            taken(file.path(), SETTLED)
        });
        let after = { changed }.find(|after| *after != before).flatten();
        let (before, after) = (before.unwrap(), after.unwrap());
        assert_eq!((before.size, before.modified), (after.size, after.modified));
        assert_eq!(before.inode, after.inode);
    }
}
