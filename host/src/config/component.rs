//! `[component."file.wasm"]`: the limits of a component's instances, and its grants. Never checks whether the file
//! exists, nor the component's description.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::error::Position;

use super::allow::{self, Allow, AllowPositions};
use super::limits::StreamLimits;
use super::section::{Section, table};
use super::server::MEMORY;
use super::units::{MB, show_size};
use super::value::{MOST, MOST_BYTES, Value};

/// The largest `max_requests`; instead of a larger one, `"off"` should be used.
const MOST_REQUESTS: usize = 1_000_000_000;

/// A `[component."file.wasm"]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Which requests share an instance.
    pub isolation: Isolation,
    /// How many shared instances there are; by default one per core, or 1 where the component
    /// declares itself `single`.
    pub instances: Option<usize>,
    /// Concurrent requests in one shared instance; else live instances.
    pub max_concurrent: usize,
    /// Requests that may wait for an instance; 0 where none may.
    pub max_queue: usize,
    /// After how many requests an instance is replaced.
    pub max_requests: Option<usize>,
    /// The most memory, in bytes, of one instance.
    pub memory: u64,
    /// The most, in bytes, that the host keeps for one instance: its handles, and the header fields behind them.
    pub host_memory: u64,
    /// The most, in bytes, of whole bodies held by one instance's requests.
    pub body_memory: u64,
    /// The largest request body, in bytes; `None`: the server's.
    pub max_body_size: Option<u64>,
    /// How long a request's body may take; `None`: as long as the server's.
    pub body_timeout: Option<Option<Duration>>,
    /// The most, in bytes, of messages and changes that wait for one instance's subscriptions and watchers.
    pub message_memory: u64,
    /// From a request's arrival until the head of its response is out.
    pub deadline: Option<Duration>,
    /// How long `start` may take, and any run in it; `None`: a Python app has [`Component::START_TIMEOUT`], and the
    /// `start` of any other component the limits of a request.
    pub start_timeout: Option<Duration>,
    /// The longest run.
    pub cpu_deadline: Option<Duration>,
    /// A longer run is logged.
    pub block_log: Option<Duration>,
    /// Concurrent fetches of all instances together.
    pub max_clients: usize,
    /// Whether a request is cancelled when its client is gone.
    pub cancel_on_close: bool,
    /// The guest's environment, all of it.
    pub env: BTreeMap<String, String>,
    /// What a Python app finds in `sys.argv`, after its file.
    pub args: Vec<String>,
    /// What the guest may reach.
    pub allow: Allow,
    /// How long a background task may take to end when its instance drains.
    pub spawn_budget: Option<Duration>,
    /// How many background tasks one instance may have.
    pub max_tasks: usize,
    /// How long a call by `run_in_executor`, or a scheduled one, may take.
    pub executor_deadline: Option<Duration>,
    /// How many of these calls may wait.
    pub executor_queue: usize,
    /// How many sockets all instances may have together.
    pub max_sockets: usize,
    /// How many events of one socket may wait for its guest before its client is not read.
    pub max_socket_events: usize,
    /// The most, in bytes, that waits to be sent to one socket's client before a guest that writes waits.
    pub max_socket_unsent: u64,
    /// The most, in bytes, that a socket takes along to another object.
    pub max_socket_state: u64,
    /// How long an event of a socket may take.
    pub event_deadline: Option<Duration>,
    /// How long streams, and sockets that can't go to another instance, may keep one that is to end.
    pub drain_deadline: Option<Duration>,
    /// How many streams of clients all instances may have together.
    pub max_streams: usize,
    /// The most, in bytes, that is read from a stream before the guest takes it.
    pub stream_read_ahead: u64,
    /// How long nothing may come by a stream and nothing go.
    pub stream_idle_timeout: Option<Duration>,
    /// How long the other side of a stream may take nothing, while the guest waits for that.
    pub stream_write_timeout: Option<Duration>,
    /// Concurrent streams of all instances together to one server.
    pub max_clients_per_server: usize,
    /// How long the sockets of an instance have to be quiet before it is freed; `None`: it stays.
    pub hibernate: Option<Duration>,
}

/// A `[component."file.wasm"]` table and its place, for later checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned {
    /// Its settings.
    pub component: Component,
    /// The place of its name.
    pub position: Position,
    /// The places of its `allow`.
    pub allow: AllowPositions,
}

/// Which requests share an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Long-lived, many concurrent requests.
    Shared,
    /// Reused, one request at a time.
    Exclusive,
    /// One request, then dropped.
    Fresh,
}

impl Default for Component {
    fn default() -> Component {
        Component {
            isolation: Isolation::Shared,
            instances: None,
            max_concurrent: 1000,
            max_queue: 1000,
            max_requests: Some(100_000),
            memory: 64 * MB,
            host_memory: 8 * MB,
            body_memory: 16 * MB,
            max_body_size: None,
            body_timeout: None,
            message_memory: 16 * MB,
            deadline: Some(Duration::from_secs(30)),
            start_timeout: None,
            cpu_deadline: Some(Duration::from_secs(1)),
            block_log: Some(Duration::from_millis(50)),
            max_clients: 1000,
            cancel_on_close: true,
            env: BTreeMap::new(),
            args: Vec::new(),
            allow: Allow::default(),
            spawn_budget: Some(Duration::from_secs(30)),
            max_tasks: 1000,
            executor_deadline: Some(Duration::from_secs(300)),
            executor_queue: 100,
            max_sockets: 10_000,
            max_socket_events: 16,
            max_socket_unsent: MB,
            max_socket_state: MB / 16,
            event_deadline: None,
            drain_deadline: Some(Duration::from_secs(30)),
            hibernate: None,
            max_streams: 10_000,
            stream_read_ahead: MB / 16,
            stream_idle_timeout: None,
            stream_write_timeout: Some(Duration::from_secs(30)),
            max_clients_per_server: 1000,
        }
    }
}

impl Component {
    /// How long a Python app may take to start, where its configuration does not say: it imports its modules then.
    pub const START_TIMEOUT: Duration = Duration::from_secs(30);

    /// The limits of a stream.
    pub fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            read_ahead: usize::try_from(self.stream_read_ahead).unwrap_or(usize::MAX),
            idle_timeout: self.stream_idle_timeout,
            write_timeout: self.stream_write_timeout,
        }
    }

    /// The settings of a component without a table, where instances may be as large as `largest`.
    pub(super) fn unnamed(largest: u64) -> Component {
        let default = Component::default();
        Component {
            memory: default.memory.min(largest),
            ..default
        }
    }
}

/// Whether this can be the name of a component in `handlers/`, or of a Python app.
pub(super) fn is_component(file: &str) -> bool {
    let stem = file.strip_suffix(".wasm").or(file.strip_suffix(PYTHON));
    stem.is_some_and(|stem| !stem.is_empty()) && !file.contains(['/', '\\', '#'])
}

/// How the name of a Python app ends, also where the app is a folder.
pub const PYTHON: &str = ".py";

/// Whether a component of this name is a Python app.
pub fn is_python(file: &str) -> bool {
    file.ends_with(PYTHON)
}

/// Reads all `[component."…"]` tables. `default` has the values of missing keys; `largest` is the server's
/// `max_instance_memory`.
pub(super) fn read(
    value: Value<'_, '_>,
    default: &Component,
    largest: u64,
) -> Option<BTreeMap<String, Spanned>> {
    let mut components = BTreeMap::new();
    for (file, value) in table(value, "in [component]")?.entries() {
        if !is_component(file.text()) {
            let message = format!("`{}` is not a component's file name", file.text());
            let hint = "name the file, in quotes: `[component.\"chat.wasm\"]`";
            file.wrong::<()>(message, Some(hint.to_owned()));
            continue;
        }
        let name = format!("in [component.\"{}\"]", file.text());
        if let Some(section) = table(value, name) {
            let is_python = is_python(file.text());
            let (component, allow) = component(section, default.clone(), largest, is_python);
            let spanned = Spanned {
                component,
                position: file.position(),
                allow,
            };
            components.insert(file.text().to_owned(), spanned);
        }
    }
    Some(components)
}

fn component(
    mut section: Section<'_, '_>,
    default: Component,
    largest: u64,
    is_python: bool,
) -> (Component, AllowPositions) {
    let nothing = (default.allow, AllowPositions::default());
    let (allow, positions) = section.or("allow", nothing, allow::read);
    let component = Component {
        isolation: section.or("isolation", default.isolation, |value| {
            value.choice(&[
                ("shared", Isolation::Shared),
                ("exclusive", Isolation::Exclusive),
                ("fresh", Isolation::Fresh),
            ])
        }),
        instances: section.get("instances", |value| value.count(1..=MOST)),
        max_concurrent: section.or("max_concurrent", default.max_concurrent, |value| {
            value.count(1..=MOST)
        }),
        max_queue: section.or("max_queue", default.max_queue, |value| {
            value.count(0..=MOST)
        }),
        max_requests: section.or("max_requests", default.max_requests, max_requests),
        memory: section.or("memory", default.memory, |value| memory(value, largest)),
        host_memory: section.or("host_memory", default.host_memory, |value| {
            value.size(MB..=MOST_BYTES)
        }),
        body_memory: section.or("body_memory", default.body_memory, |value| {
            value.size(1..=MOST_BYTES)
        }),
        max_body_size: section.get("max_body_size", |value| value.size(0..=MOST_BYTES)),
        body_timeout: section.get("body_timeout", Value::limit),
        message_memory: section.or("message_memory", default.message_memory, |value| {
            value.size(1..=MOST_BYTES)
        }),
        deadline: section.or("deadline", default.deadline, Value::limit),
        start_timeout: section
            .get("start_timeout", Value::duration)
            .or(default.start_timeout),
        cpu_deadline: section.or("cpu_deadline", default.cpu_deadline, Value::limit),
        block_log: section.or("block_log", default.block_log, Value::limit),
        max_clients: section.or("max_clients", default.max_clients, |value| {
            value.count(1..=MOST)
        }),
        cancel_on_close: section.or("cancel_on_close", default.cancel_on_close, Value::boolean),
        env: section.or("env", default.env, env),
        args: section.or("args", default.args, |value| match is_python {
            true => value.list(|value| value.string().map(str::to_owned)),
            false => value.wrong(
                "only Python apps have `args`",
                Some("`env` is for every component".to_owned()),
            ),
        }),
        allow,
        spawn_budget: section.or("spawn_budget", default.spawn_budget, Value::limit),
        max_tasks: section.or("max_tasks", default.max_tasks, |value| {
            value.count(0..=MOST)
        }),
        executor_deadline: section.or("executor_deadline", default.executor_deadline, Value::limit),
        executor_queue: section.or("executor_queue", default.executor_queue, |value| {
            value.count(0..=MOST)
        }),
        max_sockets: section.or("max_sockets", default.max_sockets, |value| {
            value.count(0..=MOST)
        }),
        max_socket_events: section.or("max_socket_events", default.max_socket_events, |value| {
            value.count(1..=MOST)
        }),
        max_socket_unsent: section.or("max_socket_unsent", default.max_socket_unsent, |value| {
            value.size(1..=MOST_BYTES)
        }),
        max_socket_state: section.or("max_socket_state", default.max_socket_state, |value| {
            value.size(0..=MOST_BYTES)
        }),
        event_deadline: section.or("event_deadline", default.event_deadline, Value::limit),
        drain_deadline: section.or("drain_deadline", default.drain_deadline, Value::limit),
        hibernate: section.or("hibernate", default.hibernate, Value::limit),
        max_streams: section.or("max_streams", default.max_streams, |value| {
            value.count(0..=MOST)
        }),
        stream_read_ahead: section.or("stream_read_ahead", default.stream_read_ahead, |value| {
            value.size(1..=MOST_BYTES)
        }),
        stream_idle_timeout: section.or(
            "stream_idle_timeout",
            default.stream_idle_timeout,
            Value::limit,
        ),
        stream_write_timeout: section.or(
            "stream_write_timeout",
            default.stream_write_timeout,
            Value::limit,
        ),
        max_clients_per_server: section.or(
            "max_clients_per_server",
            default.max_clients_per_server,
            |value| value.count(1..=MOST),
        ),
    };
    section.finish();
    (component, positions)
}

fn max_requests(value: Value<'_, '_>) -> Option<Option<usize>> {
    if value.is_off() {
        return Some(None);
    }
    value.count(1..=MOST_REQUESTS).map(Some)
}

fn memory(value: Value<'_, '_>, largest: u64) -> Option<u64> {
    let memory = value.size(MEMORY)?;
    if memory > largest {
        let [memory, largest] = [memory, largest].map(show_size);
        return value.wrong(
            format!("`memory` is {memory}, but `max_instance_memory` only {largest}"),
            Some("raise `max_instance_memory` in [server], or ask for less".to_owned()),
        );
    }
    Some(memory)
}

fn env(value: Value<'_, '_>) -> Option<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    for (name, value) in table(value, "in `env`")?.entries() {
        if name.text().is_empty() || name.text().contains(['=', '\0']) {
            name.wrong::<()>("not a name for an environment variable", None);
        } else if let Some(value) = value.secret() {
            env.insert(name.text().to_owned(), value.to_owned());
        }
    }
    Some(env)
}
