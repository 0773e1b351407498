//! What all wings stand on. Each room here knows none of the others, or one below it.

pub(crate) mod access;
pub mod body;
pub mod client;
pub mod error;
pub(crate) mod files;
pub(crate) mod metrics;
pub(crate) mod request_id;
pub mod router;
pub mod shards;
pub(crate) mod timer;
pub(crate) mod timetable;
pub(crate) mod unsent;
