//! State that all components of an app share: values by key, in buckets. Where it is kept, and how much of it there may
//! be, is the host's to say, by `[kv]` in `waterspout.toml`.
//!
//! A bucket is a name; it is there as soon as somebody uses it. All instances, components and generations see the same.
//! Values are bytes; the functions with `json` in their names read and write any type that serde knows.
//!
//! ```
//! # use waterspout_sdk::prelude::*;
//! # use waterspout_sdk::kv;
//! # async fn get(cx: &Context) -> Result {
//! let visits = kv::open("visits")?;
//! let count = visits.increment("all", 1).await?;
//! cx.write(format!("visit {count}"))
//! # }
//! ```

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::Stream;
use serde::{Serialize, de::DeserializeOwned};

use crate::Result;
use crate::bindings::waterspout::web::kv as host;
use crate::kept::{Kept, Wait};

/// How many changes [`Kv::watch`] holds back.
pub const CAPACITY: u32 = 100;

/// Why something was not done. Nothing has changed then, unless the variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// `allow.kv` grants the component other buckets, or none.
    Denied,
    /// A name, key, value, page or capacity is longer, shorter, larger or smaller than it may be; says which.
    Limit(String),
    /// There is no room for this value. Nothing is evicted to make some.
    Full,
    /// What was to be incremented is no number, or the sum is too large for one.
    NotANumber,
    /// More is under way than may be.
    Busy,
    /// The file could not be written. The change is not seen; whether a restart finds it is not known.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied => f.write_str("`allow.kv` does not grant this bucket"),
            Self::Limit(limit) => f.write_str(limit),
            Self::Full => f.write_str("the store is full (`[kv] max_memory`)"),
            Self::NotANumber => f.write_str("the value is no number, or the sum is too large"),
            Self::Busy => f.write_str("too many writes or watchers are under way"),
            Self::Failed(why) => write!(f, "the store's file could not be written: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Denied => Self::Denied,
            host::Error::Limit(limit) => Self::Limit(limit),
            host::Error::Full => Self::Full,
            host::Error::NotANumber => Self::NotANumber,
            host::Error::Busy => Self::Busy,
            host::Error::Failed(why) => Self::Failed(why),
        }
    }
}

/// Opens a bucket: a name of 1 to 128 bytes. An error where `allow.kv` does not grant it.
pub fn open(name: &str) -> Result<Kv, Error> {
    Ok(Kv(host::open(name)?))
}

/// A value, and which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Each change makes a version that the store never had before.
    pub version: u64,
}

impl Entry {
    /// The value whose JSON it is.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.value).context("a value as JSON")
    }
}

impl From<host::Entry> for Entry {
    fn from(host::Entry { value, version }: host::Entry) -> Self {
        Self { value, version }
    }
}

/// What [`Kv::swap`] has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// It is done; the new version.
    Done(u64),
    /// The key had another version, or none. What it has now.
    Differs(Option<Entry>),
}

/// Some keys of a bucket, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The keys.
    pub keys: Vec<String>,
    /// For the next page; `None`: this was the last.
    pub cursor: Option<String>,
}

/// A bucket. A key has 1 to 1,024 bytes.
#[derive(Debug)]
pub struct Kv(host::Bucket);

impl Kv {
    /// What the key has; `None` where it is not there, or has expired.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let entry = self.get_entry(key).await?;
        Ok(entry.map(|entry| entry.value))
    }

    /// The same with its version, for [`swap`](Self::swap).
    pub async fn get_entry(&self, key: &str) -> Result<Option<Entry>, Error> {
        let entry = self.0.get(key.to_owned()).await?;
        Ok(entry.map(Entry::from))
    }

    /// What the key has, read from JSON.
    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let entry = self.get_entry(key).await?;
        entry.map(|entry| entry.json()).transpose()
    }

    /// Whether the key is there.
    pub async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.0.exists(key.to_owned()).await?)
    }

    /// Sets the key, whatever was there, until it is deleted. Returns the new version.
    pub async fn set(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<u64, Error> {
        Ok(self.0.set(key.to_owned(), value.into(), None).await?)
    }

    /// Sets the key for so long, in steps of a millisecond.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use waterspout_sdk::kv;
    /// # use std::time::Duration;
    /// # async fn post(cx: &Context) -> Result {
    /// let sessions = kv::open("sessions")?;
    /// sessions.set_for("7f3a", "ada", Duration::from_secs(3600)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_for(
        &self,
        key: &str,
        value: impl Into<Vec<u8>>,
        ttl: Duration,
    ) -> Result<u64, Error> {
        let ttl = Some(milliseconds(ttl));
        Ok(self.0.set(key.to_owned(), value.into(), ttl).await?)
    }

    /// Sets the key to a value's JSON.
    pub async fn set_json(&self, key: &str, value: &impl Serialize) -> Result<u64> {
        Ok(self.set(key, to_json(value)?).await?)
    }

    /// Deletes the key, and says whether it was there.
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        Ok(self.0.delete(key.to_owned()).await?)
    }

    /// Sets the key if it has the version that is expected; with `None`, if it is not there. The new value is there
    /// until it is deleted.
    pub async fn swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: impl Into<Vec<u8>>,
    ) -> Result<Swapped, Error> {
        self.swap_until(key, expected, value.into(), None).await
    }

    /// The same, for so long.
    pub async fn swap_for(
        &self,
        key: &str,
        expected: Option<u64>,
        value: impl Into<Vec<u8>>,
        ttl: Duration,
    ) -> Result<Swapped, Error> {
        let ttl = Some(milliseconds(ttl));
        self.swap_until(key, expected, value.into(), ttl).await
    }

    async fn swap_until(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<u64>,
    ) -> Result<Swapped, Error> {
        let swapped = self.0.swap(key.to_owned(), expected, value, ttl).await?;
        Ok(match swapped {
            host::Swapped::Done(version) => Swapped::Done(version),
            host::Swapped::Differs(entry) => Swapped::Differs(entry.map(Entry::from)),
        })
    }

    /// Sets the key to what `change` makes of its value, and returns that. Where somebody else was quicker, `change` is
    /// asked again with what is there now, so no change is lost.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use waterspout_sdk::kv;
    /// # async fn post(cx: &Context) -> Result {
    /// let guests = kv::open("guests")?;
    /// guests
    ///     .update("names", |old| {
    ///         let mut names = old.unwrap_or_default();
    ///         names.extend_from_slice(b"ada\n");
    ///         names
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update(
        &self,
        key: &str,
        mut change: impl FnMut(Option<Vec<u8>>) -> Vec<u8>,
    ) -> Result<Vec<u8>, Error> {
        let mut current = self.get_entry(key).await?;
        loop {
            let expected = current.as_ref().map(|entry| entry.version);
            let value = change(current.map(|entry| entry.value));
            match self.swap(key, expected, value.clone()).await? {
                Swapped::Done(_) => return Ok(value),
                Swapped::Differs(entry) => current = entry,
            }
        }
    }

    /// The same with values as JSON. An error of `change` leaves the key as it is.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use waterspout_sdk::kv;
    /// # async fn post(cx: &Context) -> Result {
    /// let names: Vec<String> = kv::open("guests")?
    ///     .update_json("names", |old: Option<Vec<String>>| {
    ///         let mut names = old.unwrap_or_default();
    ///         ensure!(names.len() < 100, "there is no room for more");
    ///         names.push("ada".to_owned());
    ///         Ok(names)
    ///     })
    ///     .await?;
    /// cx.write_json(&names)
    /// # }
    /// ```
    pub async fn update_json<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Result<T>,
    ) -> Result<T> {
        let mut current = self.get_entry(key).await?;
        loop {
            let expected = current.as_ref().map(|entry| entry.version);
            let value = change(current.map(|entry| entry.json()).transpose()?)?;
            match self.swap(key, expected, to_json(&value)?).await? {
                Swapped::Done(_) => return Ok(value),
                Swapped::Differs(entry) => current = entry,
            }
        }
    }

    /// Adds to a number, and returns the sum. A key that is not there counts as 0. The value is the number in decimal,
    /// so it can be read as JSON.
    pub async fn increment(&self, key: &str, delta: i64) -> Result<i64, Error> {
        Ok(self.0.increment(key.to_owned(), delta).await?)
    }

    /// A page of 1 to 1,000 keys with a prefix. The first one has no cursor, each next one that of the page before. A
    /// key that is there from the first to the last is on one of them, once.
    pub async fn list_keys(
        &self,
        prefix: &str,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page, Error> {
        let page = self.0.list_keys(prefix.to_owned(), cursor, limit).await?;
        let host::Page { keys, cursor } = page;
        Ok(Page { keys, cursor })
    }

    /// Tells of each change of a key from now on. [`CAPACITY`] changes are held back for a reader that is slower.
    pub async fn watch(&self, key: &str) -> Result<Watcher, Error> {
        self.watch_with(host::Watched::Key(key.to_owned()), CAPACITY)
            .await
    }

    /// The same for all keys with a prefix, of which an empty one means all, with room for so many changes, 1 to 1,024.
    pub async fn watch_prefix(&self, prefix: &str, capacity: u32) -> Result<Watcher, Error> {
        self.watch_with(host::Watched::Prefix(prefix.to_owned()), capacity)
            .await
    }

    async fn watch_with(&self, watched: host::Watched, capacity: u32) -> Result<Watcher, Error> {
        let watcher = self.0.watch(watched, capacity).await?;
        Ok(Watcher {
            wait: Kept::default(),
            watcher: Rc::new(watcher),
        })
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("a value as JSON")
}

fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

/// A change that a [`Watcher`] has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub key: String,
    /// What it has since; `None`: it was deleted, or has expired.
    pub entry: Option<Entry>,
    /// How many changes were dropped between the last one and this: the oldest go first.
    pub dropped: u64,
}

/// The changes of some keys, from when it was made: a [`Stream`] without end. It ends when it is dropped.
pub struct Watcher {
    wait: Kept,
    watcher: Rc<host::Watcher>,
}

impl Watcher {
    /// The next change, once there is one. Nothing is lost where this future is dropped before it is ready.
    pub async fn next(&mut self) -> Change {
        poll_fn(|task| self.poll(task)).await
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Change> {
        let watcher = &self.watcher;
        let begin = || -> Wait {
            let watcher = watcher.clone();
            Box::pin(async move { watcher.ready().await })
        };
        let taken = self.wait.poll_taken(task, begin, || watcher.take());
        taken.map(|change| Change {
            key: change.key,
            entry: change.entry.map(Entry::from),
            dropped: change.dropped,
        })
    }
}

impl Stream for Watcher {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Change>> {
        self.poll(task).map(Some)
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}
