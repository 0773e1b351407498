//! A guest that brings its own driver, a crate as it is published, and the real server: Redis, which the tests start on
//! loopback where it is installed.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::{App, Running, guest, soon};

const FILE: &str = "driver.wasm";

/// The most instances, each with one connection to the server.
const INSTANCES: u64 = 4;

/// Redis on a port of its own, until this is dropped. It keeps everything in memory.
struct Redis {
    port: u16,
    /// The first that it has accepted.
    control: BufReader<TcpStream>,
    _process: Child,
    /// Open, because it writes there.
    _log: Lines<BufReader<ChildStdout>>,
}

impl Redis {
    /// Starts it, if it is installed.
    async fn start() -> Option<Self> {
        // It can't take a port that the system chooses. A free one may be taken by another before it comes.
        let mut said = String::new();
        for _ in 0..5 {
            let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
            let port = free.expect("a port").port();
            let started = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
                .args(["--save", "", "--appendonly", "no"])
                // It does not start with a locale that the system lacks.
                .env("LC_ALL", "C")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn();
            let mut process = match started {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    eprintln!("redis-server is not installed: no published driver is tried");
                    return None;
                }
                started => started.expect("redis-server starts"),
            };
            let log = process.stdout.take().expect("a pipe");
            let mut log = BufReader::new(log).lines();
            while let Some(line) = soon(log.next_line()).await.expect("its log") {
                if line.contains("Ready to accept connections") {
                    let control = TcpStream::connect(("127.0.0.1", port)).await;
                    return Some(Self {
                        port,
                        control: BufReader::new(control.expect("a connection")),
                        _process: process,
                        _log: log,
                    });
                }
                said = said + &line + "\n";
            }
        }
        panic!("redis-server does not start:\n{said}");
    }

    /// What it answers to a command, without what frames it.
    async fn ask(&mut self, command: &str) -> String {
        soon(async {
            let line = format!("{command}\r\n");
            self.control.write_all(line.as_bytes()).await.expect("sent");
            let mut head = String::new();
            let read = self.control.read_line(&mut head).await;
            assert!(read.expect("an answer") > 0, "it is gone");
            let Some(length) = head.strip_prefix('$') else {
                return head.trim_end().to_owned();
            };
            let mut text = vec![0; length.trim_end().parse::<usize>().expect("a length") + 2];
            self.control.read_exact(&mut text).await.expect("a text");
            String::from_utf8(text).expect("text")
        })
        .await
    }

    /// One of the numbers that it has of itself.
    async fn number(&mut self, name: &str) -> u64 {
        let info = self.ask("INFO").await;
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(other, _)| *other == name);
        found.expect(name).1.parse().expect("a number")
    }

    async fn until(&mut self, name: &str, wanted: u64) {
        soon(async { while self.number(name).await != wanted {} }).await;
    }

    /// How many connections it has had, without the test's.
    async fn accepted(&mut self) -> u64 {
        self.number("total_connections_received").await - 1
    }

    /// An app whose guest keeps its values here, by this name of the host. `keys` are in the component's table.
    async fn serve(&self, host: &str, keys: &str) -> Running {
        let server = format!("redis://{host}:{}/", self.port);
        let route = |handler: &str, path: &str| {
            format!(
                "[[route]]\npattern = '/{path}/([a-z]+)'\nhandler = '{FILE}#{handler}'\n\
                 kwargs = {{ server = '{server}' }}\n"
            )
        };
        let routes = route("Value", "value") + &route("Queue", "queue");
        let table = format!("[component.'{FILE}']\nisolation = 'exclusive'\n{keys}\n");
        let app = App::new().handler(FILE, guest("driver"));
        app.config(&(routes + &table)).serve().await
    }

    /// The same, where the server is granted, with this many instances at most.
    async fn granted(&self, host: &str, instances: u64, keys: &str) -> Running {
        let grant = format!("allow = {{ tcp = ['{host}:{}'] }}", self.port);
        let keys = format!("{grant}\nmax_concurrent = {instances}\n{keys}");
        self.serve(host, &keys).await
    }
}

#[tokio::test]
async fn a_published_driver_speaks_to_its_server_by_address_and_by_name() {
    for host in ["127.0.0.1", "localhost"] {
        let Some(mut redis) = Redis::start().await else {
            return;
        };
        let app = redis.granted(host, INSTANCES, "").await;
        assert_eq!(app.get("/value/absent").await.status, 404);
        // More than all buffers on the way hold.
        let value = "value ".repeat(200_000);
        assert_eq!(app.request("PUT /value/a", "", &value).await.status, 204);
        let read = app.get("/value/a").await;
        assert_eq!((read.status, read.body == value), (200, true));
        for count in 1..=100 {
            let answer = app.request("POST /value/visits", "", "").await;
            assert_eq!((answer.status, answer.body), (200, count.to_string()));
        }
        let mut counts: BTreeSet<u64> = BTreeSet::new();
        for mut client in app.send_all("POST /value/visits", 100).await {
            let answer = soon(client.answer()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            counts.insert(answer.body.parse().expect("a count"));
        }
        assert!(counts.into_iter().eq(101..=200));
        assert_eq!(redis.ask("INCR visits").await, ":201");
        let accepted = redis.accepted().await;
        assert!((1..=INSTANCES).contains(&accepted), "{accepted}");
    }
}

#[tokio::test]
async fn without_the_grant_the_driver_gets_an_error_and_the_server_no_connection() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let port = redis.port;
    let others = format!(
        "allow = {{ tcp = ['127.0.0.1:{}', '192.0.2.1:{port}'] }}",
        port - 1
    );
    for keys in ["", &others] {
        for host in ["127.0.0.1", "localhost"] {
            let app = redis.serve(host, keys).await;
            let answer = app.request("POST /value/visits", "", "").await;
            assert_eq!(answer.status, 500, "{answer:?}");
            app.log.line_with("Permission denied").await;
        }
    }
    assert_eq!(redis.accepted().await, 0);
}

#[tokio::test]
async fn a_driver_that_waits_holds_up_no_other_instance() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let app = redis
        .granted("127.0.0.1", INSTANCES, "cpu_deadline = '30s'")
        .await;
    let mut waits = app.send_all("GET /queue/a", INSTANCES as usize - 1).await;
    redis.until("blocked_clients", INSTANCES - 1).await;
    for count in 1..=20 {
        let answer = app.request("POST /value/visits", "", "").await;
        assert_eq!((answer.status, answer.body), (200, count.to_string()));
    }
    for _ in &waits {
        let answer = app.request("POST /queue/a", "", "item").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for client in &mut waits {
        let answer = soon(client.answer()).await;
        assert_eq!((answer.status, &*answer.body), (200, "item"));
    }
}

#[tokio::test]
async fn a_driver_that_waits_too_long_loses_its_instance_and_its_connection() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let app = redis.granted("127.0.0.1", 1, "").await;
    let answer = app.get("/queue/a").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    // The test's own is left.
    redis.until("connected_clients", 1).await;
    let answer = app.request("POST /value/visits", "", "").await;
    assert_eq!((answer.status, &*answer.body), (200, "1"));
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_an_error_and_replaced() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let app = redis.granted("127.0.0.1", 1, "").await;
    let mut client = app.connect().await;
    assert_eq!(client.get("/value/a").await.status, 404);
    assert_eq!(redis.ask("CLIENT KILL TYPE normal").await, ":1");
    assert_eq!(client.get("/value/a").await.status, 500);
    assert_eq!(client.get("/value/a").await.status, 404);
    assert_eq!(redis.accepted().await, 2);
}
