//! How a component is to be run: how many instances it has, what each may take, what it may do. Runs none.

use std::time::Duration;

use crate::base::error::Error;
use crate::config::Isolation;
use crate::guest::run::RunLimits;
use crate::services::sockets::SocketLimits;

/// How a component is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub isolation: Isolation,
    /// Instances of a shared component.
    pub instances: usize,
    /// Requests that run concurrently: per shared instance, or over all exclusive or fresh ones.
    pub max_concurrent: usize,
    /// Requests that may wait.
    pub max_queue: usize,
    /// Requests after which an instance is replaced.
    pub max_requests: Option<u64>,
    /// Bytes of linear memory that one instance may have.
    pub memory: u64,
    /// Bytes that the host may keep for one instance beside bodies and messages.
    pub host_memory: u64,
    /// Bytes of whole bodies that one instance's requests may hold.
    pub body_memory: u64,
    /// Bytes of messages that may wait in one instance.
    pub message_memory: u64,
    /// How long `start` and `stop` may take.
    pub deadline: Option<Duration>,
    pub run: RunLimits,
    /// How long `start` may take where that is the start of a whole program, whose runs have no limit of their own. `None`:
    /// it is as limited as any other function.
    pub start_timeout: Option<Duration>,
    /// How long a background task may take to end when its instance drains.
    pub spawn_budget: Option<Duration>,
    /// Background tasks that one instance may have.
    pub max_tasks: usize,
    /// How long a call in another instance may take.
    pub executor_deadline: Option<Duration>,
    /// Such calls that may wait.
    pub executor_queue: usize,
    pub sockets: SocketLimits,
    /// Streams of clients that all instances may have together.
    pub max_streams: usize,
    /// How long streams, and sockets that can't leave an instance, may keep it. `None`: until they close.
    pub drain_deadline: Option<Duration>,
    /// How long the sockets of an instance have to be quiet before it is freed. `None`: it stays.
    pub hibernate: Option<Duration>,
}

/// How long a function may take, and the key of the configuration that says so.
#[derive(Clone, Copy)]
pub(super) struct Within {
    pub time: Option<Duration>,
    pub key: &'static str,
}

impl Rules {
    /// How long a function may take that belongs to no request.
    pub(super) fn within(&self) -> Within {
        Within {
            time: self.deadline,
            key: "deadline",
        }
    }

    /// How many requests one instance runs concurrently.
    pub(super) fn per_instance(&self) -> usize {
        match self.isolation {
            Isolation::Shared => self.max_concurrent,
            Isolation::Exclusive | Isolation::Fresh => 1,
        }
    }

    /// How many requests one instance takes in all.
    pub(super) fn in_all(&self) -> u64 {
        match self.isolation {
            Isolation::Fresh => 1,
            _ => self.max_requests.unwrap_or(u64::MAX),
        }
    }

    /// The largest number of workers.
    pub(super) fn workers(&self) -> usize {
        match self.isolation {
            Isolation::Shared => self.instances,
            Isolation::Exclusive | Isolation::Fresh => self.max_concurrent,
        }
    }

    /// How many requests may be inside and waiting, together.
    pub(super) fn room(&self) -> usize {
        let inside = match self.isolation {
            Isolation::Shared => self.instances.saturating_mul(self.max_concurrent),
            Isolation::Exclusive | Isolation::Fresh => self.max_concurrent,
        };
        inside.saturating_add(self.max_queue)
    }
}

/// The rules for a component whose state must not be split.
pub(super) fn single(rules: Rules) -> Result<Rules, Error> {
    match rules.isolation {
        Isolation::Fresh => Err(Error::component(
            "declares itself `single`, so its instance must last: `isolation = \"fresh\"` can't be",
        )),
        Isolation::Shared => Ok(Rules {
            instances: 1,
            max_requests: None,
            ..rules
        }),
        Isolation::Exclusive => Ok(Rules {
            max_concurrent: 1,
            max_requests: None,
            ..rules
        }),
    }
}
