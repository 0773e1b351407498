//! `generation`: what serves is changed while clients keep asking, and nobody notices but by the answer.

mod replaced;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::harness::{
    App, Client, Load, Running, WAYS, Way, example, guest, hello_saying, put, soon, versioned,
};

/// More than the pools and caches of a server need to be filled, and the number that the project promises.
const SWAPS: usize = 200;

/// After so many, the memory has to be flat.
const WARM: usize = 20;

/// The memory is looked at once in so many swaps.
const LOOK: usize = 5;

async fn version_v1() -> Running {
    App::new()
        .handler("version.wasm", versioned("v1"))
        .serve()
        .await
}

/// Two versions of one component, and what each answers.
struct Versions {
    file: &'static str,
    path: &'static str,
    bodies: [&'static str; 2],
    bytes: [Vec<u8>; 2],
}

/// Swaps so many times between two versions while 64 connections ask without a pause. Tells the resident memory after
/// every fifth.
async fn swap_under_full_load(versions: &Versions, swaps: usize) -> Vec<u64> {
    let Versions { file, path, .. } = *versions;
    for bytes in &versions.bytes {
        // Into the cache: what compiling leaves behind is given back only after a while, and is not meant here.
        App::new().handler(file, bytes).serve().await;
    }
    // A machine at work may hold a run up for longer than the second that it has.
    let config = format!("[component.{file:?}]\ncpu_deadline = \"30s\"\n");
    let app = App::new().handler(file, &versions.bytes[0]).config(&config);
    let server = app.serve().await;
    let load = Load::start(server.address, path, 64, &versions.bodies);
    load.more(1000).await;
    let mut resident = Vec::new();
    for swap in 1..=swaps {
        let bytes = &versions.bytes[swap % 2];
        load.turns.begin();
        put(WAYS[swap % WAYS.len()], &server.app, file, bytes);
        let status = server.until_serving(file, bytes).await;
        load.turns.named();
        assert_eq!(status["last_swap"]["ok"], true, "{status}");
        if swap % LOOK == 0 {
            // How many old copies have requests to finish is a matter of the moment, and so is what they hold.
            server
                .until(|status| in_flight(status, "draining").is_none())
                .await;
            resident.push(server.resident());
        }
    }
    let tally = load.end().await;
    tally.assert_flawless();
    println!("{} answers over {swaps} swaps", tally.answered);
    // Each drop was one change, however many events it made.
    let generation = server.status().await["generation"].as_u64();
    assert_eq!(generation, Some(swaps as u64 + 1));
    resident
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_under_full_load_lose_mix_and_delay_nothing() {
    let hello = Versions {
        file: "hello.wasm",
        path: "/hello",
        // Of two lengths: one's head would not fit the other's body.
        bodies: ["Hello, world", "Hello again, world"],
        bytes: [example("hello"), hello_saying("Hello again, world")],
    };
    let resident = swap_under_full_load(&hello, SWAPS).await;
    let (first, rest) = resident.split_at(WARM / LOOK);
    let mean = rest.iter().sum::<u64>() / rest.len() as u64;
    let (least, most) = (rest.iter().min(), rest.iter().max());
    println!(
        "resident KiB {} at first, then {mean}, {least:?} to {most:?}",
        first[0]
    );
    assert!(
        rest.iter().all(|kib| kib.abs_diff(mean) * 10 <= mean),
        "not flat around {mean} KiB: {rest:?}"
    );
}

/// `version` says in a header, too, which one it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_and_body_are_of_one_version_whenever_it_is_swapped() {
    let version = Versions {
        file: "version.wasm",
        path: "/version",
        bodies: ["v1", "v2"],
        bytes: [versioned("v1"), versioned("v2")],
    };
    swap_under_full_load(&version, 30).await;
}

/// A request to `version` that ends when `finish` says so.
struct Long(Client);

impl Long {
    async fn begin(server: &Running) -> Self {
        let mut client = server.connect().await;
        let head = "POST /version HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
        client.send(format!("{head}x")).await;
        server
            .until(|status| in_flight(status, "serving") == Some(1))
            .await;
        Self(client)
    }

    async fn finish(mut self) -> (u16, String) {
        self.0.send("y").await;
        let answer = soon(self.0.answer()).await;
        (answer.status, answer.body)
    }
}

/// The requests in flight of the one component in this state.
fn in_flight(status: &Value, state: &str) -> Option<u64> {
    let components = status["components"].as_array().expect("components");
    let entry = components.iter().find(|entry| entry["state"] == state)?;
    entry["in_flight"].as_u64()
}

#[tokio::test]
async fn a_long_request_ends_on_the_version_that_it_began_on() {
    let server = version_v1().await;
    let long = Long::begin(&server).await;
    for version in ["v2", "v3"] {
        let bytes = versioned(version);
        put(Way::Renamed, &server.app, "version.wasm", &bytes);
        let status = server.until_serving("version.wasm", &bytes).await;
        assert_eq!(in_flight(&status, "draining"), Some(1), "{status}");
        assert_eq!(server.get("/version").await.body, version);
    }
    assert_eq!(long.finish().await, (200, "v1".to_owned()));
    let status = server
        .until(|status| in_flight(status, "draining").is_none())
        .await;
    assert_eq!(
        status["components"].as_array().map(Vec::len),
        Some(1),
        "{status}"
    );
}

async fn version_and_state(config: &str) -> Running {
    App::new()
        .handler("state.wasm", guest("state"))
        .handler("version.wasm", versioned("v1"))
        .config(config)
        .serve()
        .await
}

async fn count(server: &Running) -> u64 {
    server.get("/state").await.body.parse().expect("a count")
}

#[tokio::test]
async fn a_single_component_counts_on_while_others_swap_around_it() {
    let server = version_and_state("# nothing yet\n").await;
    let mut counted = 0;
    for version in ["v2", "v3", "v4"] {
        for _ in 0..5 {
            counted += 1;
            assert_eq!(count(&server).await, counted);
        }
        let bytes = versioned(version);
        put(Way::Copied, &server.app, "version.wasm", &bytes);
        server.until_serving("version.wasm", &bytes).await;
    }
    let entry = server.component("state.wasm").await;
    assert_eq!(
        (&entry["generation"], &entry["instances"]),
        (&1.into(), &1.into())
    );
}

#[tokio::test]
async fn a_changed_table_reloads_its_component_and_no_other() {
    let server = version_and_state("# nothing yet\n").await;
    assert_eq!(count(&server).await, 1);
    let write = |text: &str| std::fs::write(server.app.path().join("waterspout.toml"), text);
    write("[component.\"version.wasm\"]\nmax_queue = 5\n").expect("written");
    server.until_generation(2).await;
    assert_eq!(server.component("version.wasm").await["generation"], 2);
    assert_eq!(count(&server).await, 2, "its table is as it was");

    write("[component.\"state.wasm\"]\nmax_queue = 5\n").expect("written");
    server.until_generation(3).await;
    assert_eq!(server.component("state.wasm").await["generation"], 3);
    assert_eq!(count(&server).await, 1, "a new instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_come_and_go_without_a_lost_request_on_those_that_stay() {
    let config = |listen: &str| format!("[server]\nlisten = [{listen}]\nadmin = \"127.0.0.1:0\"\n");
    let server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config(&config("'127.0.0.1:0'"))
        .serve_where_it_says()
        .await;
    let toml = server.app.path().join("waterspout.toml");
    let load = Load::start(server.address, "/version", 4, &["v1"]);
    load.more(10).await;

    std::fs::write(&toml, config("'127.0.0.1:0', '127.0.0.2:0'")).expect("written");
    let line = server.log.line_with("serving on http://127.0.0.2:").await;
    let second = line.split("http://").nth(1).expect("an address");
    let second: SocketAddr = second.parse().expect("an address");
    let mut client = Client::connect(second).await;
    assert_eq!(client.get("/version").await.body, "v1");
    server.until_generation(2).await;
    load.more(10).await;

    std::fs::write(&toml, config("'127.0.0.1:0'")).expect("written");
    server.until_generation(3).await;
    assert_eq!(client.rest().await, b"", "an idle connection is closed");
    let refused = TcpStream::connect(second)
        .await
        .expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    load.more(10).await;
    load.end().await.assert_flawless();
}

#[tokio::test]
async fn an_address_that_is_taken_changes_nothing() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("its address");
    let text =
        |listen: &str, admin: &str| format!("[server]\nlisten = [{listen}]\nadmin = \"{admin}\"\n");
    let server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config(&text("'127.0.0.1:0'", "127.0.0.1:0"))
        .serve_where_it_says()
        .await;
    let toml = server.app.path().join("waterspout.toml");
    // Where the admin listener is to move is free, but one of the others is not.
    let listen = format!("'127.0.0.1:0', '{taken}'");
    std::fs::write(&toml, text(&listen, "127.0.0.2:0")).expect("written");
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().expect("an error");
    assert!(
        error.contains(&taken.to_string()) && error.contains("waterspout.toml:"),
        "{error}"
    );
    assert_eq!(server.get("/version").await.body, "v1");
    let log = server.logged().await;
    assert!(!log.contains("127.0.0.2"), "{log}");
    drop(holder);
}

#[tokio::test]
async fn a_unix_socket_serves_and_goes_with_the_server() {
    let app = App::new().handler("version.wasm", versioned("v1"));
    let path = app.path().join("app.sock");
    let config = format!(
        "[server]\nlisten = ['127.0.0.1:0', 'unix:{}']\nadmin = '127.0.0.1:0'\n",
        path.display()
    );
    let server = app.config(&config).serve_where_it_says().await;
    assert!(over_unix(&path).await.ends_with("\r\n\r\nv1"));
    assert_eq!(server.get("/version").await.body, "v1");
    let text = server.log.text();
    let socket = path.clone();
    assert_eq!(server.stop().await.code(), Some(0), "{text}");
    assert!(!socket.exists());
}

async fn over_unix(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).await.expect("a socket");
    let request = b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer))
        .await
        .expect("an answer");
    answer
}

#[tokio::test]
async fn the_end_waits_for_what_is_in_flight() {
    let mut server = version_v1().await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/version").await.status, 200);
    let long = Long::begin(&server).await;
    server.signal("TERM");
    assert_eq!(idle.rest().await, b"", "an idle connection is closed");
    let refused = TcpStream::connect(server.address)
        .await
        .expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(server.is_alive());
    assert_eq!(long.finish().await, (200, "v1".to_owned()));
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_end_waits_no_longer_than_grace() {
    let mut server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config("[server]\ngrace = \"100ms\"\n")
        .serve()
        .await;
    let mut long = Long::begin(&server).await;
    server.signal("INT");
    assert_eq!(long.0.rest().await, b"");
    assert_eq!(server.ended().await.code(), Some(0));
}

/// A load that hangs must not keep the process from ending.
#[tokio::test]
async fn the_end_does_not_wait_for_a_load_under_way() {
    let mut server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config("[component.\"version.wasm\"]\ncpu_deadline = \"off\"\n")
        .serve()
        .await;
    put(
        Way::Renamed,
        &server.app,
        "version.wasm",
        &guest("loop_start"),
    );
    server.log.line_with("a run is past `block_log`").await;
    assert_eq!(server.get("/version").await.body, "v1");
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

/// What hangs in `start` is not waited for once there is something newer.
#[tokio::test]
async fn a_load_that_hangs_gives_way_to_the_next_change() {
    let server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config("[component.\"version.wasm\"]\ncpu_deadline = \"off\"\n")
        .serve()
        .await;
    let dropped = Instant::now();
    put(
        Way::Renamed,
        &server.app,
        "version.wasm",
        &guest("loop_start"),
    );
    server.log.line_with("a run is past `block_log`").await;
    put(Way::Renamed, &server.app, "version.wasm", &versioned("v2"));
    server.until_serving("version.wasm", &versioned("v2")).await;
    assert!(dropped.elapsed() < Duration::from_secs(10));
}

/// Nor does it take along that somebody wanted what failed to be tried again.
#[tokio::test]
async fn a_load_by_hand_that_gives_way_is_made_up_for() {
    let needs_data = "allow = { read = [\"data\"] }\n";
    let server = App::new()
        .handler("hang.wasm", guest("loop_start"))
        .handler("version.wasm", versioned("v1"))
        .config(&format!(
            "[component.\"hang.wasm\"]\ncpu_deadline = \"off\"\n{needs_data}\
             [component.\"version.wasm\"]\n{needs_data}"
        ))
        .serve()
        .await;
    assert_eq!(server.component("version.wasm").await["state"], "failed");
    std::fs::create_dir(server.app.path().join("data")).expect("a folder");
    server.signal("HUP");
    server.log.line_with("a run is past `block_log`").await;
    put(Way::Renamed, &server.app, "hang.wasm", &versioned("v2"));
    server.until_serving("hang.wasm", &versioned("v2")).await;
    assert_eq!(server.component("version.wasm").await["state"], "serving");
    assert_eq!(server.get("/version").await.body, "v1");
}
