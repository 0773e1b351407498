//! `waterspout:kv/kv`: the app's state, as guests reach it, also by `wasi:keyvalue`. Checks grants, names and sizes; keeps
//! nothing itself.

mod keyvalue;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Accessor, HasSelf, Linker, Resource};

use super::capability::{Capability, Grant, MakePart, Setup};
use super::give_way;
use crate::config::GrantKey;
use crate::guest::bindings::keyvalue::{atomics, batch, store};
use crate::guest::bindings::kv::{
    self, Error, Host, HostBucket, HostBucketWithStore, HostWatcher, HostWatcherWithStore, Page,
    Swapped,
};
use crate::guest::imports::Import;
use crate::guest::resources::Ctx;
use crate::services::Services;
use crate::services::kv::{
    Act, Bucket, Change, Cursors, Done, Entry, MAX_BUCKET, MAX_KEY, MAX_PAGE, Refused, Watched,
    Watcher,
};
use crate::services::pubsub::MAX_CAPACITY;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// The capability.
pub const CAPABILITY: Capability = Capability {
    link,
    prepare: Some(prepare),
    grants: &[Grant {
        keys: &[GrantKey {
            name: KEY,
            text: "the name of a bucket",
            example: "[\"sessions\"]",
            is_valid: |name| (1..=MAX_BUCKET).contains(&name.len()),
        }],
        used_by,
        does: "opens buckets",
        lacks: None,
    }],
};

/// The list of buckets in `allow`.
const KEY: &str = "kv";

fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    kv::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    store::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    atomics::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    batch::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}

fn used_by(imports: &[Import]) -> Option<&str> {
    Import::first(imports, |import| {
        (import.is("waterspout:kv/kv@") || import.is("wasi:keyvalue/store@"))
            && import.calls(|name| name == "open")
    })
}

/// The data in a store.
struct State {
    /// The buckets that the component may use. `None`: all.
    buckets: Option<Arc<[String]>>,
    cursors: Cursors,
}

fn prepare(setup: &Setup<'_>) -> MakePart {
    let buckets = setup.settings.allow.list(KEY).map(Arc::from);
    Box::new(move |_| {
        Ok(Box::new(State {
            buckets: buckets.clone(),
            cursors: Cursors::default(),
        }))
    })
}

impl Ctx {
    /// A bucket, if the component may use it.
    pub(super) fn bucket(&self, name: &str) -> Result<Bucket, Error> {
        if !(1..=MAX_BUCKET).contains(&name.len()) {
            let limit = format!("a bucket's name has 1 to {MAX_BUCKET} bytes");
            return Err(Error::Limit(limit));
        }
        let granted = match &self.parts.get::<State>().buckets {
            Some(buckets) => buckets.iter().any(|bucket| bucket == name),
            None => true,
        };
        let bucket = || Bucket { name: name.into() };
        granted.then(bucket).ok_or(Error::Denied)
    }
}

impl Host for Ctx {
    fn open(&mut self, name: String) -> Answer<Resource<Bucket>> {
        match self.bucket(&name) {
            Ok(bucket) => Ok(Ok(self.table.push(bucket)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl HostBucket for Ctx {
    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl HostWatcher for Ctx {
    fn take(&mut self, watcher: Resource<Watcher>) -> wasmtime::Result<Option<kv::Change>> {
        let taken = self.table.get(&watcher)?.take();
        Ok(taken.map(|(held, dropped)| {
            let Change {
                place,
                entry: after,
            } = held.message.clone();
            kv::Change {
                key: place.1.to_string(),
                entry: after.map(entry),
                dropped,
            }
        }))
    }

    fn drop(&mut self, watcher: Resource<Watcher>) -> wasmtime::Result<()> {
        self.table.delete(watcher)?;
        Ok(())
    }
}

/// A bucket's name, and where it is.
type Found = (Arc<str>, Arc<Services>);

fn find(
    accessor: &Accessor<Ctx, HasSelf<Ctx>>,
    bucket: &Resource<Bucket>,
) -> wasmtime::Result<Found> {
    accessor.with(|mut access| {
        let ctx = access.get();
        let name = ctx.table.get(bucket)?.name.clone();
        Ok((name, ctx.services.clone()))
    })
}

/// Checks what is to be written, and writes it.
pub(super) async fn write((bucket, services): Found, key: String, act: Act) -> Result<Done, Error> {
    check_key(&key)?;
    let most = services.kv.limits().max_value_size;
    match &act {
        Act::Set { value, .. } | Act::Swap { value, .. } if value.len() as u64 > most => {
            let limit = format!("a value has {most} bytes at most, by `max_value_size`");
            return Err(Error::Limit(limit));
        }
        _ => {}
    }
    let done = services.kv.write((bucket, key.into()), act).await;
    done.map_err(|refused| match refused {
        Refused::Full => Error::Full,
        Refused::NotANumber => Error::NotANumber,
        Refused::Busy => Error::Busy,
        Refused::Failed(why) => Error::Failed(why.to_string()),
    })
}

/// Writes for a guest that awaits it.
async fn change(
    accessor: &Accessor<Ctx, HasSelf<Ctx>>,
    bucket: &Resource<Bucket>,
    key: String,
    act: Act,
) -> Answer<Done> {
    let done = write(find(accessor, bucket)?, key, act).await;
    give_way(accessor).await;
    Ok(done)
}

pub(super) fn check_key(key: &str) -> Result<(), Error> {
    match key.len() {
        1..=MAX_KEY => Ok(()),
        _ => Err(Error::Limit(format!("a key has 1 to {MAX_KEY} bytes"))),
    }
}

fn check_capacity(capacity: u32) -> Result<(), Error> {
    let limit = || Error::Limit(format!("a watcher holds back 1 to {MAX_CAPACITY} changes"));
    let fits = (1..=MAX_CAPACITY).contains(&capacity);
    fits.then_some(()).ok_or_else(limit)
}

/// An answer that belongs to another kind of write.
fn unlike(done: &Done) -> wasmtime::Error {
    wasmtime::format_err!("the store answered another question: {done:?}")
}

impl HostBucketWithStore<Ctx> for HasSelf<Ctx> {
    async fn get(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<Option<kv::Entry>> {
        let (bucket, services) = find(accessor, &bucket)?;
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        // Before the value is there: a wait keeps as little as it can.
        give_way(accessor).await;
        Ok(Ok(services.kv.get(&bucket, &key).map(entry)))
    }

    async fn exists(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<bool> {
        let (bucket, services) = find(accessor, &bucket)?;
        if let Err(error) = check_key(&key) {
            return Ok(Err(error));
        }
        give_way(accessor).await;
        Ok(Ok(services.kv.exists(&bucket, &key)))
    }

    async fn set(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
        ttl: Option<u64>,
    ) -> Answer<u64> {
        let (value, ttl) = (value.into(), ttl.map(Duration::from_nanos));
        match change(accessor, &bucket, key, Act::Set { value, ttl }).await? {
            Ok(Done::Set(version)) => Ok(Ok(version)),
            Ok(done) => Err(unlike(&done)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        key: String,
    ) -> Answer<bool> {
        match change(accessor, &bucket, key, Act::Delete).await? {
            Ok(Done::Deleted(existed)) => Ok(Ok(existed)),
            Ok(done) => Err(unlike(&done)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn swap(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<u64>,
    ) -> Answer<Swapped> {
        let act = Act::Swap {
            expected,
            value: value.into(),
            ttl: ttl.map(Duration::from_nanos),
        };
        match change(accessor, &bucket, key, act).await? {
            Ok(Done::Set(version)) => Ok(Ok(Swapped::Done(version))),
            Ok(Done::Differs(current)) => Ok(Ok(Swapped::Differs(current.map(entry)))),
            Ok(done) => Err(unlike(&done)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn increment(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Answer<i64> {
        match change(accessor, &bucket, key, Act::Increment(delta)).await? {
            Ok(Done::Incremented(sum)) => Ok(Ok(sum)),
            Ok(done) => Err(unlike(&done)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn list_keys(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Answer<Page> {
        let (bucket, services) = find(accessor, &bucket)?;
        let given = [&prefix, cursor.as_ref().unwrap_or(&prefix)];
        if given.iter().any(|text| text.len() > MAX_KEY) {
            let limit = format!("a prefix or a cursor has {MAX_KEY} bytes at most");
            return Ok(Err(Error::Limit(limit)));
        }
        if !(1..=MAX_PAGE).contains(&limit) {
            let limit = format!("a page has 1 to {MAX_PAGE} keys");
            return Ok(Err(Error::Limit(limit)));
        }
        give_way(accessor).await;
        let (after, limit) = (cursor.as_deref(), limit as usize);
        let (keys, cursor) = services.kv.list(&bucket, &prefix, after, limit);
        Ok(Ok(Page { keys, cursor }))
    }

    async fn watch(
        accessor: &Accessor<Ctx, Self>,
        bucket: Resource<Bucket>,
        watched: kv::Watched,
        capacity: u32,
    ) -> Answer<Resource<Watcher>> {
        let (bucket, services) = find(accessor, &bucket)?;
        let watched = match watched {
            kv::Watched::Key(key) => check_key(&key).map(|()| Watched::Key(key.into())),
            kv::Watched::Prefix(prefix) if prefix.is_empty() => Ok(Watched::Prefix(prefix.into())),
            kv::Watched::Prefix(prefix) => {
                check_key(&prefix).map(|()| Watched::Prefix(prefix.into()))
            }
        };
        let watched = match check_capacity(capacity).and(watched) {
            Ok(watched) => watched,
            Err(error) => return Ok(Err(error)),
        };
        // Before a watcher is made: a guest that drops this wait would never drop the watcher.
        give_way(accessor).await;
        accessor.with(|mut access| {
            let ctx = access.get();
            match services.kv.watch(&bucket, watched, capacity, &ctx.quota) {
                Some(watching) => Ok(Ok(ctx.table.push(watching)?)),
                None => Ok(Err(Error::Busy)),
            }
        })
    }
}

impl HostWatcherWithStore<Ctx> for HasSelf<Ctx> {
    async fn ready(
        accessor: &Accessor<Ctx, Self>,
        watcher: Resource<Watcher>,
    ) -> wasmtime::Result<()> {
        let watching = accessor.with(|mut access| access.get().table.get(&watcher).cloned())?;
        let ready = watching.ready().await;
        give_way(accessor).await;
        ready.map_err(|_| wasmtime::format_err!("another `ready` of this watcher is under way"))
    }
}

fn entry(entry: Entry) -> kv::Entry {
    kv::Entry {
        value: entry.value.into(),
        version: entry.version,
    }
}
