//! State that all components of an app share: values by key, in buckets. `[kv]` in `waterspout.toml` says where it is
//! kept, and how much of it there may be.
//!
//! A bucket is a name; it exists as soon as it is used. All instances, components and generations see the same.
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

mod bucket;
mod entry;
mod error;
mod watcher;

pub use self::bucket::{Bucket, CAPACITY, Page, Swapped, open};
pub use self::entry::Entry;
pub use self::error::Error;
pub use self::watcher::{Change, Watcher};
