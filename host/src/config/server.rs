//! `[server]`: where the server listens, and the limits of connections and messages. Never looks at routes or
//! handlers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::base::backlog::Backlog;
use crate::base::error::Position;

use super::limits::Limits;
use super::listen::{self, Listen};
use super::section::table;
use super::tls::{self, Tls};
use super::units::{GB, KB, MB};
use super::value::{MOST, MOST_BYTES, Value};

/// The smallest and the largest memory of an instance: one page, and all that 32 bits can address.
pub(super) const MEMORY: std::ops::RangeInclusive<u64> = 64 * KB..=4 * GB;

/// The least memory with which a component of the usual size is compiled.
const LEAST_TO_COMPILE: u64 = 128 * MB;

/// The `[server]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where the app is served.
    pub listen: Vec<Listen>,
    /// The place of that key.
    pub listen_at: Position,
    /// Where status and metrics are served, if anywhere.
    pub admin: Option<Listen>,
    /// The place of that key.
    pub admin_at: Position,
    /// The names by which a browser may ask for status and metrics, in lower case, beside addresses and `localhost`.
    pub admin_hosts: Vec<String>,
    /// Whether changed files make a new generation by themselves; else only SIGHUP does.
    pub watch: bool,
    /// Whether `X-Real-Ip` and similar headers from `trusted_downstream` count.
    pub xheaders: bool,
    /// The proxies whose headers count.
    pub trusted_downstream: Vec<IpAddr>,
    /// The largest request head, in bytes.
    pub max_header_size: u64,
    /// The largest request body, in bytes; 0 where none are taken.
    pub max_body_size: u64,
    /// From a request's first byte to the end of its head.
    pub header_timeout: Option<Duration>,
    /// How long a connection may wait for its next request.
    pub idle_connection_timeout: Option<Duration>,
    /// How long a request's body may take.
    pub body_timeout: Option<Duration>,
    /// How long a response may go without progress, once its head is out.
    pub write_timeout: Option<Duration>,
    /// How many bytes of responses one connection may have in memory before its next request waits.
    pub max_unsent: u64,
    /// How many all connections may have before the slowest is cut off.
    pub max_unsent_total: u64,
    /// How many bytes of the messages of WebSockets may have come and wait, for all, before the slowest is cut off.
    pub max_unread_total: u64,
    /// Whether compressed request bodies are decompressed.
    pub decompress_request: bool,
    /// How many connections may be open.
    pub max_connections: usize,
    /// The largest `memory`, in bytes, that a component may ask for; fixed at start.
    pub max_instance_memory: u64,
    /// How many bytes of memory compiling one component may take.
    pub compile_memory: u64,
    /// How long it may take.
    pub compile_timeout: Duration,
    /// How long a shutdown waits for requests in flight.
    pub grace: Duration,
    /// Certificates and keys, where connections are encrypted.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is understood without encryption, from clients that begin with it (RFC 9113, section 3.3).
    pub h2c: bool,
    /// How many concurrent requests one HTTP/2 connection may have.
    pub max_concurrent_streams: u32,
}

impl Server {
    /// The part of this that limits a connection.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_header_size: usize::try_from(self.max_header_size).unwrap_or(usize::MAX),
            max_body_size: self.max_body_size,
            header_timeout: self.header_timeout,
            idle_connection_timeout: self.idle_connection_timeout,
            body_timeout: self.body_timeout,
            write_timeout: self.write_timeout,
            max_unsent: self.max_unsent,
            unsent: Backlog::unsent(self.max_unsent_total),
            unread: Backlog::unread(self.max_unread_total),
            max_concurrent_streams: self.max_concurrent_streams,
            h2c: self.h2c,
            max_connections: self.max_connections,
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Server {
            listen: vec![Listen::Tcp((Ipv4Addr::LOCALHOST, 8888).into())],
            listen_at: Position::WHOLE_FILE,
            admin: None,
            admin_at: Position::WHOLE_FILE,
            admin_hosts: Vec::new(),
            watch: true,
            xheaders: false,
            trusted_downstream: vec![Ipv4Addr::LOCALHOST.into()],
            max_header_size: 64 * KB,
            max_body_size: 10 * MB,
            header_timeout: seconds(10),
            idle_connection_timeout: seconds(75),
            body_timeout: seconds(60),
            write_timeout: seconds(30),
            max_unsent: 4 * MB,
            max_unsent_total: 24 * MB,
            max_unread_total: 64 * MB,
            decompress_request: false,
            max_connections: 10_000,
            max_instance_memory: 256 * MB,
            compile_memory: GB,
            compile_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(30),
            tls: None,
            h2c: false,
            max_concurrent_streams: 100,
        }
    }
}

/// Reads the table.
pub(super) fn read(value: Value<'_, '_>) -> Option<Server> {
    let mut section = table(value, "in [server]")?;
    let default = Server::default();
    // Listeners first: an admin address is also checked against them.
    let mut taken = Vec::new();
    let (mut listen_at, mut admin_at) = (default.listen_at, default.admin_at);
    let server = Server {
        listen: section.or("listen", default.listen, |value| {
            listen_at = value.position();
            listeners(value, &mut taken)
        }),
        listen_at,
        admin: section.get("admin", |value| {
            admin_at = value.position();
            listener(value, &mut taken)
        }),
        admin_at,
        admin_hosts: section.or("admin_hosts", default.admin_hosts, |value| {
            value.list(|name| name.text().map(str::to_ascii_lowercase))
        }),
        watch: section.or("watch", default.watch, Value::boolean),
        xheaders: section.or("xheaders", default.xheaders, Value::boolean),
        trusted_downstream: section.or("trusted_downstream", default.trusted_downstream, |value| {
            value.list(|value| value.parse("an IP address", "[\"127.0.0.1\"]"))
        }),
        max_header_size: section.or("max_header_size", default.max_header_size, |value| {
            value.size(1..=GB)
        }),
        max_body_size: section.or("max_body_size", default.max_body_size, |value| {
            value.size(0..=MOST_BYTES)
        }),
        header_timeout: section.or("header_timeout", default.header_timeout, Value::limit),
        idle_connection_timeout: section.or(
            "idle_connection_timeout",
            default.idle_connection_timeout,
            Value::limit,
        ),
        body_timeout: section.or("body_timeout", default.body_timeout, Value::limit),
        write_timeout: section.or("write_timeout", default.write_timeout, Value::limit),
        max_unsent: section.or("max_unsent", default.max_unsent, |value| {
            value.size(1..=MOST_BYTES)
        }),
        max_unsent_total: section.or("max_unsent_total", default.max_unsent_total, |value| {
            value.size(1..=MOST_BYTES)
        }),
        max_unread_total: section.or("max_unread_total", default.max_unread_total, |value| {
            value.size(1..=MOST_BYTES)
        }),
        decompress_request: section.or(
            "decompress_request",
            default.decompress_request,
            Value::boolean,
        ),
        max_connections: section.or("max_connections", default.max_connections, |value| {
            value.count(1..=MOST)
        }),
        max_instance_memory: section.or(
            "max_instance_memory",
            default.max_instance_memory,
            |value| value.size(MEMORY),
        ),
        compile_memory: section.or("compile_memory", default.compile_memory, |value| {
            value.size(LEAST_TO_COMPILE..=MOST_BYTES)
        }),
        compile_timeout: section.or("compile_timeout", default.compile_timeout, Value::duration),
        grace: section.or("grace", default.grace, Value::duration),
        tls: section.get("tls", tls::read),
        h2c: section.or("h2c", default.h2c, Value::boolean),
        max_concurrent_streams: section.or(
            "max_concurrent_streams",
            default.max_concurrent_streams,
            |value| value.count(1..=1_000).map(|count| count as u32),
        ),
    };
    section.finish();
    Some(server)
}

fn listeners(value: Value<'_, '_>, taken: &mut Vec<Listen>) -> Option<Vec<Listen>> {
    let mut given = 0;
    let listeners = value.list(|value| {
        given += 1;
        listener(value, taken)
    })?;
    if given == 0 {
        return value.expected("at least one address", &format!("[{}]", Listen::EXAMPLE));
    }
    Some(listeners)
}

/// An address that is not among those already taken.
fn listener(value: Value<'_, '_>, taken: &mut Vec<Listen>) -> Option<Listen> {
    let listen = listen::read(value)?;
    let is_taken = taken.iter().any(|taken| taken.is_same_place(&listen));
    if is_taken && !listen.picks_port() {
        return value.wrong(format!("{listen} is listened on twice"), None);
    }
    taken.push(listen.clone());
    Some(listen)
}
