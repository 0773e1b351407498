//! How an instance died: what happened, which requests were inside, and which of them is the culprit. What follows
//! from that is the worker's.

use std::sync::Arc;

use crate::guest::resources::{Exchange, Task};

/// A fault that ended an instance, and the requests inside.
pub(super) struct Death {
    /// The requests that were inside, with the culprit if it was one of them.
    pub inside: Vec<Arc<Exchange>>,
    /// The sockets whose objects were inside.
    pub residents: Vec<Arc<Exchange>>,
    /// The background tasks that are lost with the instance.
    pub tasks: Vec<Arc<Task>>,
    pub culprit: Culprit,
    /// Whether a run went past `cpu_deadline`; else it was a trap.
    pub overrun: bool,
    /// Whether another instance has its place already.
    pub replaced: bool,
    /// What happened, with the guest's stack where there is one.
    pub what: String,
}

/// The culprit: the request or the task whose run was under way when it happened.
pub(super) enum Culprit {
    Inside(Arc<Exchange>),
    /// A background task, by its name.
    Task(Box<str>),
    /// A request that was over and had left something running.
    Over,
    /// No run was under way, or one that belongs to no request.
    Unknown,
}

/// Every request in the instance was given up, and its guest runs on.
#[derive(Debug)]
pub(super) struct Forsaken;

impl std::fmt::Display for Forsaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it was asked to end a request, and ran on without a wait")
    }
}

impl std::error::Error for Forsaken {}
