//! The published `wasi:keyvalue@0.2.0-draft`, over the same store as `waterspout:kv/kv`. Keeps nothing itself.
//!
//! Its functions are not asynchronous. Where the store has a file, a write blocks its instance until the file has it.
//! The identifier of a bucket is its name; an empty one is `default`.

use std::sync::Arc;

use futures_util::future::join_all;
use wasmtime::component::Resource;

use super::{State, check_key, write};
use crate::guest::bindings::keyvalue::store::{Error, KeyResponse};
use crate::guest::bindings::keyvalue::{atomics, batch, store};
use crate::guest::bindings::kv::Error as KvError;
use crate::guest::resources::Ctx;
use crate::services::Services;
use crate::services::kv::{Act, Bucket, Done};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// The bucket without a name.
const DEFAULT: &str = "default";

/// How many keys a page has.
const PAGE: usize = 500;

impl From<KvError> for Error {
    fn from(error: KvError) -> Self {
        Self::Other(match error {
            KvError::Denied => return Self::AccessDenied,
            KvError::Limit(what) => what,
            KvError::Full => "the store is full".to_owned(),
            KvError::NotANumber => "the value is no number, or the sum is too large".to_owned(),
            KvError::Busy => "too many writes are under way".to_owned(),
            KvError::Failed(why) => format!("the store could not be written: {why}"),
            KvError::Other(why) => why,
        })
    }
}

impl Ctx {
    fn found(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<(Arc<str>, Arc<Services>)> {
        let name = self.table.get(bucket)?.name.clone();
        Ok((name, self.services.clone()))
    }
}

impl store::Host for Ctx {
    fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let name = match &*identifier {
            "" => DEFAULT,
            name => name,
        };
        match self.bucket(name) {
            Ok(bucket) => Ok(Ok(self.table.push(bucket)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl store::HostBucket for Ctx {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let (bucket, services) = self.found(&bucket)?;
        Ok(match check_key(&key) {
            Ok(()) => Ok(services
                .kv
                .get(&bucket, &key)
                .map(|entry| entry.value.into())),
            Err(error) => Err(error.into()),
        })
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let found = self.found(&bucket)?;
        let act = Act::Set {
            value: value.into(),
            ttl: None,
        };
        Ok(write(found, key, act).await.map(drop).map_err(Into::into))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let written = write(self.found(&bucket)?, key, Act::Delete).await;
        Ok(written.map(drop).map_err(Into::into))
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let (bucket, services) = self.found(&bucket)?;
        Ok(match check_key(&key) {
            Ok(()) => Ok(services.kv.exists(&bucket, &key)),
            Err(error) => Err(error.into()),
        })
    }

    fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let (bucket, services) = self.found(&bucket)?;
        let after = match cursor {
            None => None,
            Some(cursor) => match self.parts.get_mut::<State>().cursors.find(cursor, &bucket) {
                Some(key) => Some(key),
                None => {
                    let why = "no listing of this bucket has stopped there, or too many have since";
                    return Ok(Err(Error::Other(why.to_owned())));
                }
            },
        };
        let (keys, next) = services.kv.list(&bucket, "", after.as_deref(), PAGE);
        let cursor = next.map(|key| {
            self.parts
                .get_mut::<State>()
                .cursors
                .keep((bucket, key.into()))
        });
        Ok(Ok(KeyResponse { keys, cursor }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Ctx {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: u64,
    ) -> Answer<u64> {
        match write(self.found(&bucket)?, key, Act::Add(delta)).await {
            Ok(Done::Added(sum)) => Ok(Ok(sum)),
            Ok(done) => Err(wasmtime::format_err!(
                "the store answered another question: {done:?}"
            )),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl batch::Host for Ctx {
    fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let (bucket, services) = self.found(&bucket)?;
        let mut found = Vec::with_capacity(keys.len());
        // Each value is copied for the guest, and a call may name a large one many times.
        let mut left = services.kv.limits().max_memory;
        for key in keys {
            if let Err(error) = check_key(&key) {
                return Ok(Err(error.into()));
            }
            let entry = services.kv.get(&bucket, &key);
            let size = entry.as_ref().map_or(0, |entry| entry.value.len() as u64);
            let Some(rest) = left.checked_sub(size) else {
                return Ok(Err(Error::Other("that is too much at once".to_owned())));
            };
            left = rest;
            found.push(entry.map(|entry| (key, entry.value.into())));
        }
        Ok(Ok(found))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        let found = self.found(&bucket)?;
        let writes = key_values.into_iter().map(|(key, value)| {
            let act = Act::Set {
                value: value.into(),
                ttl: None,
            };
            write(found.clone(), key, act)
        });
        Ok(all(join_all(writes).await))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let found = self.found(&bucket)?;
        let writes = keys
            .into_iter()
            .map(|key| write(found.clone(), key, Act::Delete));
        Ok(all(join_all(writes).await))
    }
}

/// The first error, if there is any.
fn all(written: Vec<Result<Done, KvError>>) -> Result<(), Error> {
    let mut errors = written.into_iter().filter_map(Result::err);
    errors.next().map_or(Ok(()), |error| Err(error.into()))
}
