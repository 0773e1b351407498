//! The store's file: read completely at the start, then only written. When a commit returns, the file has all of it or
//! nothing. Does not decide what is written.
//!
//! Every key is in memory too, so the file is never read again. It is redb's: pure Rust, crash-safe, with a checksum
//! over every page and a lock against other processes.

use std::fs::{File as SystemFile, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError};
use redb::{TableDefinition, TableHandle};
use rustc_hash::{FxHashMap, FxHashSet};

use super::data::{Data, Entry, KeyPath};

const KEYS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("keys");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const FORMAT: &str = "format";
const VERSION: &str = "version";
/// The format of values. Another version of Waterspout may have another number.
const THIS_FORMAT: u64 = 1;
/// The head of a value: its version, and when it expires.
const HEAD: usize = 16;
const NEVER: u64 = u64::MAX;
/// Small, because what is written is in memory already.
const CACHE: usize = 1024 * 1024;
/// How many keys may be in doubt before they are settled first.
const MAX_DOUBTFUL: usize = 10_000;

/// An open file.
pub struct File {
    path: PathBuf,
    /// `None` after a failed commit, until the next one.
    database: Option<Database>,
    /// Keys whose values in the file are unknown, because a commit that was to write them failed.
    doubtful: FxHashSet<KeyPath>,
}

impl File {
    /// Opens a file, or makes it, and reads all of it. The error says what is wrong, for people.
    pub fn open(path: &Path) -> Result<(Self, Data), String> {
        keep_signals_away();
        // A damaged file must be refused, even if redb panics.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = open(path, true)?;
            prepare(&database)?;
            let data = read(&database)?;
            Ok((database, data))
        }));
        let (database, data) = opened.unwrap_or_else(|_| Err(DAMAGED.to_owned()))?;
        let file = Self {
            path: path.to_owned(),
            database: Some(database),
            doubtful: FxHashSet::default(),
        };
        Ok((file, data))
    }

    /// Writes the new entries of keys, and the last version, to the file. `data` is the state of memory until then.
    pub fn commit(
        &mut self,
        after: &FxHashMap<KeyPath, Option<Entry>>,
        version: u64,
        mut data: impl FnMut(&KeyPath) -> Option<Entry>,
    ) -> Result<(), String> {
        if self.doubtful.len() > MAX_DOUBTFUL {
            self.attempt(&FxHashMap::default(), version, &mut data)?;
        }
        self.attempt(after, version, &mut data)
    }

    /// One commit, which also writes the keys in doubt.
    fn attempt(
        &mut self,
        after: &FxHashMap<KeyPath, Option<Entry>>,
        version: u64,
        data: &mut dyn FnMut(&KeyPath) -> Option<Entry>,
    ) -> Result<(), String> {
        let written = catch_unwind(AssertUnwindSafe(|| {
            if self.database.is_none() {
                self.database = Some(open(&self.path, false)?);
            }
            let Some(database) = &self.database else {
                return Err("it is closed".to_owned());
            };
            write(database, version, |put| {
                for place in self
                    .doubtful
                    .iter()
                    .filter(|place| !after.contains_key(*place))
                {
                    put(place, data(place).as_ref())?;
                }
                after
                    .iter()
                    .try_for_each(|(place, entry)| put(place, entry.as_ref()))
            })
            .map_err(|error| error.to_string())
        }));
        let written = written.unwrap_or_else(|_| Err("it is damaged".to_owned()));
        match written {
            Ok(()) => self.doubtful.clear(),
            Err(_) => {
                self.doubtful.extend(after.keys().cloned());
                // After an error of the disk redb takes nothing more until it has opened the file again.
                let _ = catch_unwind(AssertUnwindSafe(|| self.database = None));
            }
        }
        written
    }
}

const DAMAGED: &str = "it is damaged, or no file of Waterspout's";

fn open(path: &Path, first: bool) -> Result<Database, String> {
    let file = system_file(path, first).map_err(|error| error.to_string())?;
    let mut builder = Builder::new();
    builder
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(first);
    let opened = FileBackend::new(file).and_then(|backend| builder.create_with_backend(backend));
    opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => "another server has it open".to_owned(),
        DatabaseError::UpgradeRequired(_) => "it is of an older version".to_owned(),
        DatabaseError::Storage(StorageError::Corrupted(_)) => DAMAGED.to_owned(),
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == io::ErrorKind::InvalidData =>
        {
            DAMAGED.to_owned()
        }
        error => error.to_string(),
    })
}

/// Only the owner may read it: its contents are as secret as the app.
fn system_file(path: &Path, may_make: bool) -> io::Result<SystemFile> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(may_make);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let is_new = may_make && !path.exists();
    let file = options.open(path)?;
    if is_new && let Some(folder) = path.parent() {
        // The entry in the folder must survive a crash of the system, too.
        let _ = SystemFile::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(file)
}

/// Makes the tables of a new file, and refuses another program's file.
fn prepare(database: &Database) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let tables = database.begin_read().map_err(|error| told(&error))?;
    let tables = tables.list_tables().map_err(|error| told(&error))?;
    let names: Vec<String> = tables.map(|table| table.name().to_owned()).collect();
    if names.is_empty() {
        return write(database, 0, |_| Ok(())).map_err(|error| told(&error));
    }
    if !names.iter().any(|name| name == META.name()) {
        return Err("it is a database of another program".to_owned());
    }
    let meta = database.begin_read().map_err(|error| told(&error))?;
    let meta = meta.open_table(META).map_err(|error| told(&error))?;
    let format = meta.get(FORMAT).map_err(|error| told(&error))?;
    match format.map(|format| format.value()) {
        Some(THIS_FORMAT) => Ok(()),
        _ => Err("it is of another version of Waterspout".to_owned()),
    }
}

fn read(database: &Database) -> Result<Data, String> {
    let read = || -> Result<Option<Data>, redb::Error> {
        let transaction = database.begin_read()?;
        let mut data = Data::default();
        for row in transaction.open_table(KEYS)?.iter()? {
            let (place, value) = row?;
            let (bucket, key) = place.value();
            let Some(entry) = decode(value.value()) else {
                return Ok(None);
            };
            data.put(&(bucket.into(), key.into()), Some(entry));
        }
        let given = transaction.open_table(META)?.get(VERSION)?;
        data.version = data.version.max(given.map_or(0, |given| given.value()));
        Ok(Some(data))
    };
    match read() {
        Ok(Some(data)) => Ok(data),
        Ok(None) => Err(DAMAGED.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

type Put<'a> = dyn FnMut(&KeyPath, Option<&Entry>) -> Result<(), redb::Error> + 'a;

/// One transaction.
fn write(
    database: &Database,
    version: u64,
    fill: impl FnOnce(&mut Put<'_>) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut keys = transaction.open_table(KEYS)?;
        let mut buffer = Vec::new();
        fill(&mut |(bucket, key), entry| {
            let place = (&**bucket, &**key);
            match entry {
                Some(entry) => {
                    encode(entry, &mut buffer);
                    keys.insert(place, &*buffer)?;
                }
                None => _ = keys.remove(place)?,
            }
            Ok(())
        })?;
        let mut meta = transaction.open_table(META)?;
        meta.insert(FORMAT, THIS_FORMAT)?;
        meta.insert(VERSION, version)?;
    }
    transaction.commit()?;
    Ok(())
}

fn encode(entry: &Entry, buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&entry.version.to_le_bytes());
    buffer.extend_from_slice(&entry.expires.unwrap_or(NEVER).to_le_bytes());
    buffer.extend_from_slice(&entry.value);
}

fn decode(bytes: &[u8]) -> Option<Entry> {
    let (head, value) = bytes.split_first_chunk::<HEAD>()?;
    let (version, expires) = head.split_first_chunk::<8>()?;
    let expires = u64::from_le_bytes(expires.try_into().ok()?);
    Some(Entry {
        value: Bytes::copy_from_slice(value),
        version: u64::from_le_bytes(*version),
        expires: (expires != NEVER).then_some(expires),
    })
}

/// Makes the size limit of a file an error, and not the end of the process.
#[cfg(unix)]
fn keep_signals_away() {
    // SAFETY: the signal is ignored, no handler of this process is called.
    #[allow(unsafe_code, reason = "only the system ignores signals")]
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN)
    };
}

#[cfg(not(unix))]
fn keep_signals_away() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// One batch of new keys.
    fn batch(number: usize, size: usize) -> FxHashMap<KeyPath, Option<Entry>> {
        let entry = Entry {
            value: Bytes::from_static(b"x"),
            version: 1,
            expires: None,
        };
        let keys = (0..size).map(|key| ("b".into(), format!("{number} {key}").into()));
        keys.map(|place| (place, Some(entry.clone()))).collect()
    }

    #[test]
    fn writes_to_a_file_that_takes_none_are_not_remembered_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv.redb");
        let (mut file, _) = File::open(&path).unwrap();
        let moved = folder.path().join("moved.redb");
        file.database = None;
        std::fs::rename(&path, &moved).unwrap();
        const BATCH: usize = 1000;
        for number in 0..3 * MAX_DOUBTFUL / BATCH {
            let failed = file.commit(&batch(number, BATCH), 2, |_| None);
            assert!(failed.is_err() && file.doubtful.len() <= MAX_DOUBTFUL + BATCH);
        }
        std::fs::rename(&moved, &path).unwrap();
        file.commit(&batch(0, 1), 3, |_| None).unwrap();
        assert!(file.doubtful.is_empty());
        drop(file);
        let (_, data) = File::open(&path).unwrap();
        assert_eq!(data.list("b", "", None, 10, 0).0, ["0 0"]);
    }
}
