//! A bucket: what can be done with its keys.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};

use crate::kv::entry::Entry;
use crate::kv::error::Error;
use crate::kv::watcher::Watcher;
use crate::result::Result;
use crate::runtime::bindings::waterspout::kv::kv as host;
use crate::runtime::durations::nanoseconds;

/// How many changes [`Bucket::watch`] holds back.
pub const CAPACITY: u32 = 100;

/// Opens a bucket: a name of 1 to 128 bytes. An error where `allow.kv` does not grant it.
pub fn open(name: &str) -> Result<Bucket, Error> {
    Ok(Bucket(host::open(name)?))
}

/// What [`Bucket::swap`] has come to.
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
pub struct Bucket(host::Bucket);

impl Bucket {
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

    /// Sets the key for a time to live, in steps of a millisecond.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use waterspout_sdk::kv;
    /// # use std::time::Duration;
    /// # async fn post(cx: &Context) -> Result {
    /// let sessions = kv::open("sessions")?;
    /// sessions.set_with_ttl("7f3a", "ada", Duration::from_secs(3600)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_with_ttl(
        &self,
        key: &str,
        value: impl Into<Vec<u8>>,
        ttl: Duration,
    ) -> Result<u64, Error> {
        let ttl = Some(nanoseconds(ttl));
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
        self.swap_entry(key, expected, value.into(), None).await
    }

    /// The same, for a time to live.
    pub async fn swap_with_ttl(
        &self,
        key: &str,
        expected: Option<u64>,
        value: impl Into<Vec<u8>>,
        ttl: Duration,
    ) -> Result<Swapped, Error> {
        let ttl = Some(nanoseconds(ttl));
        self.swap_entry(key, expected, value.into(), ttl).await
    }

    async fn swap_entry(
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

    /// Sets the key to what `change` makes of its value, and returns that. If another write came first, `change` is
    /// called again with the new value, so no change is lost.
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
    /// key that exists from the first page to the last is on one of them, once.
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
        self.watch_these(host::Watched::Key(key.to_owned()), CAPACITY)
            .await
    }

    /// The same for all keys with a prefix, with room for `capacity` changes, 1 to 1,024. An empty prefix means all
    /// keys.
    pub async fn watch_prefix(&self, prefix: &str, capacity: u32) -> Result<Watcher, Error> {
        self.watch_these(host::Watched::Prefix(prefix.to_owned()), capacity)
            .await
    }

    async fn watch_these(&self, watched: host::Watched, capacity: u32) -> Result<Watcher, Error> {
        let watcher = self.0.watch(watched, capacity).await?;
        Ok(Watcher::new(watcher))
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("a value as JSON")
}
