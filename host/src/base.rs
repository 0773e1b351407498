//! The foundation of all wings. A room here imports no other of its own floor.

pub(crate) mod access;
pub(crate) mod backlog;
pub mod body;
pub mod client;
pub mod cookies;
pub(crate) mod cross_origin;
pub mod error;
pub(crate) mod files;
pub(crate) mod mark;
pub(crate) mod metrics;
pub(crate) mod origin_check;
pub(crate) mod request_id;
pub mod router;
pub mod shards;
pub(crate) mod timer;
pub(crate) mod timetable;
pub(crate) mod websocket;
pub(crate) mod xsrf;
