//! The store in memory, and the effect of a write on it. Decides; writes no file and waits for nothing.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use super::{Change, Refused};

/// The cost of a key beside its name and value, in bytes.
pub const PER_KEY: u64 = 128;

/// How many expired keys a page may skip.
const PASSED_OVER: usize = 10_000;

/// Milliseconds since 1970.
pub type Millis = u64;

/// The place of a value: bucket and key.
pub type KeyPath = (Arc<str>, Arc<str>);

/// A value with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub value: Bytes,
    pub version: u64,
    pub expires: Option<Millis>,
}

impl Entry {
    fn is_alive(&self, now: Millis) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// A write.
#[derive(Debug)]
pub enum Act {
    Set {
        value: Bytes,
        ttl: Option<Duration>,
    },
    Swap {
        expected: Option<u64>,
        value: Bytes,
        ttl: Option<Duration>,
    },
    Delete,
    Increment(i64),
    /// The same for numbers without a sign.
    Add(u64),
}

/// The result of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// The new version.
    Set(u64),
    /// The value that was found in place of the expected one.
    Differs(Option<Entry>),
    /// Whether there was anything.
    Deleted(bool),
    Incremented(i64),
    Added(u64),
}

/// A place as it is looked up, without a copy of its texts.
trait AsPath {
    fn path(&self) -> (&str, &str);
}

impl AsPath for KeyPath {
    fn path(&self) -> (&str, &str) {
        (&self.0, &self.1)
    }
}

impl AsPath for (&str, &str) {
    fn path(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn AsPath + 'a> for KeyPath {
    fn borrow(&self) -> &(dyn AsPath + 'a) {
        self
    }
}

impl PartialEq for dyn AsPath + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Eq for dyn AsPath + '_ {}

impl PartialOrd for dyn AsPath + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn AsPath + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.path().cmp(&other.path())
    }
}

/// All buckets. One map has the keys of all: a bucket of its own would take as much memory as ten keys.
#[derive(Default)]
pub struct Data {
    entries: BTreeMap<KeyPath, Entry>,
    expiries: BTreeSet<(Millis, KeyPath)>,
    /// Bytes, by `size`.
    pub used: u64,
    /// The last version that was given.
    pub version: u64,
}

impl Data {
    /// The value of a key, expired or not.
    fn kept(&self, place: &KeyPath) -> Option<&Entry> {
        self.entries.get(place)
    }

    pub fn get(&self, bucket: &str, key: &str, now: Millis) -> Option<&Entry> {
        let entry = self.entries.get(&(bucket, key) as &dyn AsPath)?;
        entry.is_alive(now).then_some(entry)
    }

    /// Keys with a prefix, in order, after one of them; and whether there may be more.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now: Millis,
    ) -> (Vec<String>, Option<String>) {
        let after = after.filter(|after| *after >= prefix);
        let place = (bucket, after.unwrap_or(prefix));
        let place: &dyn AsPath = &place;
        let from = match after {
            Some(_) => Bound::Excluded(place),
            None => Bound::Included(place),
        };
        let range = self
            .entries
            .range::<dyn AsPath, _>((from, Bound::Unbounded));
        let range = range.take_while(|((other, _), _)| **other == *bucket);
        let mut keys: Vec<String> = Vec::new();
        let mut last: Option<&str> = None;
        for (seen, ((_, key), entry)) in range.enumerate() {
            if !key.starts_with(prefix) {
                return (keys, None);
            }
            if keys.len() == limit || seen == limit + PASSED_OVER {
                return (keys, last.map(str::to_owned));
            }
            last = Some(key);
            if entry.is_alive(now) {
                keys.push(key.to_string());
            }
        }
        (keys, None)
    }

    /// Keys that have expired, the longest ago first.
    pub fn expired(&self, now: Millis) -> impl Iterator<Item = &KeyPath> {
        let expired = self.expiries.iter();
        expired
            .take_while(move |(expires, _)| *expires <= now)
            .map(|(_, place)| place)
    }

    /// Whether any key has an expiry.
    pub fn has_expiries(&self) -> bool {
        !self.expiries.is_empty()
    }

    /// Puts an entry in its place, or removes it.
    pub fn put(&mut self, place: &KeyPath, entry: Option<Entry>) {
        let before = match entry {
            Some(entry) => {
                if let Some(expires) = entry.expires {
                    self.expiries.insert((expires, place.clone()));
                }
                self.used += size(place, &entry);
                self.version = self.version.max(entry.version);
                // The existing key stays, so that memory has only one copy of it.
                match self.entries.get_mut(place) {
                    Some(kept) => Some((std::mem::replace(kept, entry), true)),
                    None => {
                        self.entries.insert(place.clone(), entry);
                        None
                    }
                }
            }
            None => self.entries.remove(place).map(|before| (before, false)),
        };
        let Some((before, replaced)) = before else {
            return;
        };
        self.used -= size(place, &before);
        if let Some(expires) = before.expires {
            let same = replaced
                && self
                    .kept(place)
                    .is_some_and(|now| now.expires == Some(expires));
            if !same {
                self.expiries.remove(&(expires, place.clone()));
            }
        }
    }
}

/// Writes that are decided one after the other, and then all applied together or not at all.
pub struct Batch<'d> {
    data: &'d Data,
    now: Millis,
    max: u64,
    used: u64,
    pub version: u64,
    /// The new entries of the keys that differ from `data`.
    pub after: FxHashMap<KeyPath, Option<Entry>>,
    /// Each step of it, in order.
    pub changes: Vec<Change>,
}

impl<'d> Batch<'d> {
    /// `max`: the memory limit in bytes.
    pub fn new(data: &'d Data, now: Millis, max: u64) -> Self {
        Self {
            data,
            now,
            max,
            used: data.used,
            version: data.version,
            after: FxHashMap::default(),
            changes: Vec::new(),
        }
    }

    /// Removes up to `most` expired keys. Returns how many.
    pub fn clean_up(&mut self, most: usize) -> usize {
        let expired: Vec<KeyPath> = self.data.expired(self.now).take(most).cloned().collect();
        for place in &expired {
            let gone = self
                .kept(place)
                .is_some_and(|entry| !entry.is_alive(self.now));
            if gone {
                self.put(place.clone(), None);
            }
        }
        expired.len()
    }

    /// Decides one write, based on those that were decided before it.
    pub fn decide(&mut self, place: &KeyPath, act: &Act) -> Result<Done, Refused> {
        let now = self.now;
        let current = self.kept(place).filter(|entry| entry.is_alive(now));
        match act {
            Act::Set { value, ttl } => self.set(place, value.clone(), self.until(*ttl)),
            Act::Swap { expected, .. } if *expected != current.map(|entry| entry.version) => {
                Ok(Done::Differs(current.cloned()))
            }
            Act::Swap { value, ttl, .. } => self.set(place, value.clone(), self.until(*ttl)),
            Act::Delete if current.is_none() => Ok(Done::Deleted(false)),
            Act::Delete => {
                self.put(place.clone(), None);
                Ok(Done::Deleted(true))
            }
            Act::Increment(delta) => {
                let sum = number::<i64>(current)?.checked_add(*delta);
                let sum = sum.ok_or(Refused::NotANumber)?;
                let expires = current.and_then(|entry| entry.expires);
                self.set(place, sum.to_string().into(), expires)?;
                Ok(Done::Incremented(sum))
            }
            Act::Add(delta) => {
                let sum = number::<u64>(current)?.checked_add(*delta);
                let sum = sum.ok_or(Refused::NotANumber)?;
                let expires = current.and_then(|entry| entry.expires);
                self.set(place, sum.to_string().into(), expires)?;
                Ok(Done::Added(sum))
            }
        }
    }

    fn until(&self, ttl: Option<Duration>) -> Option<Millis> {
        let ttl = u64::try_from(ttl?.as_millis()).unwrap_or(u64::MAX);
        Some(self.now.saturating_add(ttl))
    }

    fn set(
        &mut self,
        place: &KeyPath,
        value: Bytes,
        expires: Option<Millis>,
    ) -> Result<Done, Refused> {
        /// How many expired keys are removed to make room for a new one.
        const IN_NEED: usize = 1024;
        let entry = Entry {
            value,
            version: self.version + 1,
            expires,
        };
        if self.used_with(place, &entry) > self.max {
            self.clean_up(IN_NEED);
            if self.used_with(place, &entry) > self.max {
                return Err(Refused::Full);
            }
        }
        self.version += 1;
        let version = entry.version;
        self.put(place.clone(), Some(entry));
        Ok(Done::Set(version))
    }

    fn used_with(&self, place: &KeyPath, entry: &Entry) -> u64 {
        let before = self.kept(place).map_or(0, |before| size(place, before));
        self.used - before + size(place, entry)
    }

    fn kept(&self, place: &KeyPath) -> Option<&Entry> {
        match self.after.get(place) {
            Some(after) => after.as_ref(),
            None => self.data.kept(place),
        }
    }

    fn put(&mut self, place: KeyPath, entry: Option<Entry>) {
        let before = self.kept(&place).map_or(0, |before| size(&place, before));
        let after = entry.as_ref().map_or(0, |after| size(&place, after));
        self.used = self.used - before + after;
        self.changes.push(Change {
            place: place.clone(),
            entry: entry.clone(),
        });
        self.after.insert(place, entry);
    }
}

/// How much of `max_memory` an entry takes.
pub fn size((bucket, key): &KeyPath, entry: &Entry) -> u64 {
    (bucket.len() + key.len() + entry.value.len()) as u64 + PER_KEY
}

fn number<N: std::str::FromStr + Default>(entry: Option<&Entry>) -> Result<N, Refused> {
    let Some(entry) = entry else {
        return Ok(N::default());
    };
    let text = std::str::from_utf8(&entry.value).map_err(|_| Refused::NotANumber)?;
    text.parse().map_err(|_| Refused::NotANumber)
}
