//! `[kv] file`: what was acknowledged is there, whatever happens to the server; and what can't be opened is a fault.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{app, keyvalue, race, serve, the_published_interface_does_as_it_says};
use crate::harness::{App, Running, guest, soon};

const FILE: &str = "[kv]\nfile = \"kv.redb\"\n";

#[tokio::test]
async fn what_was_written_outlives_the_server() {
    let server = serve(FILE).await;
    server.json("/kv/set?key=a&value=one").await;
    server.json("/kv/set?key=short&value=two&ttl=1").await;
    server
        .json("/kv/set?key=long&value=three&ttl=3600000")
        .await;
    server.json("/kv/increment?key=n&by=5").await;
    server.json("/kv/set?key=gone&value=four").await;
    server.json("/kv/delete?key=gone").await;
    let version = server.json("/kv/get?key=a").await["version"].clone();
    let server = server.end().await.serve().await;
    let entry = json!({ "value": "one", "version": version });
    assert_eq!(server.json("/kv/get?key=a").await, entry);
    let listed = server.json("/kv/list").await;
    assert_eq!(listed["keys"], json!(["a", "long", "n"]));
    assert_eq!(server.json("/kv/increment?key=n&by=1").await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_clients_change_one_key_in_the_file_and_lose_no_update() {
    let server = serve(FILE).await;
    race(&server).await;
    let server = server.kill().serve().await;
    assert_eq!(server.json("/kv/get?key=sum").await["value"], "300");
}

#[tokio::test]
async fn a_component_for_wasi_keyvalue_has_its_state_in_the_file() {
    // Its writes block, so that a slow disk makes one long run of them.
    let rules = "[component.\"keyvalue.wasm\"]\ncpu_deadline = \"off\"\n";
    let server = keyvalue(&format!("{FILE}{rules}")).await;
    the_published_interface_does_as_it_says(&server).await;
    let server = server.kill().serve().await;
    assert_eq!(
        server.json("/kv/get?bucket=default&key=n").await["value"],
        "7"
    );
}

/// What each key may have: the last number that was acknowledged, or one that was sent after it.
#[derive(Default)]
struct Promised(Mutex<BTreeMap<String, (u64, u64)>>);

impl Promised {
    fn sending(&self, key: &str, number: u64) {
        self.0.lock().unwrap().entry(key.to_owned()).or_default().1 = number;
    }

    fn acknowledged(&self, key: &str, number: u64) {
        self.0.lock().unwrap().entry(key.to_owned()).or_default().0 = number;
    }

    fn assert_kept(&self, sums: &Value, round: usize) {
        for (key, (least, most)) in &*self.0.lock().unwrap() {
            let found = match &sums[key] {
                Value::Null => 0,
                Value::String(number) if number != "torn" => number.parse().expect("a number"),
                other => panic!("round {round}: {key} has {other}"),
            };
            assert!(
                (*least..=*most).contains(&found),
                "round {round}: {key} has {found}, of {least} acknowledged to {most} sent"
            );
        }
    }
}

/// Ten times, and a hundred times where the environment says `WATERSPOUT_KILLS=100`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_by_kill_9_and_none_is_torn() {
    const CLIENTS: u64 = 8;
    let kills =
        std::env::var("WATERSPOUT_KILLS").map_or(10, |kills| kills.parse().expect("a number"));
    let promised = Arc::new(Promised::default());
    let numbers = Arc::new(AtomicU64::new(1));
    let mut waiting = app(FILE);
    let mut acknowledged = 0;
    for round in 0..kills {
        let server = waiting.serve().await;
        promised.assert_kept(&server.json("/kv/sums").await, round);
        let before = numbers.load(SeqCst);
        let mut clients = JoinSet::new();
        let acks = Arc::new(AtomicU64::new(0));
        for client in 0..CLIENTS {
            let load = load(
                server.address,
                client,
                promised.clone(),
                numbers.clone(),
                acks.clone(),
            );
            clients.spawn(load);
        }
        // In the middle of it, and each time elsewhere.
        let enough = 20 + (round as u64 * 37) % 150;
        soon(async {
            while acks.load(SeqCst) < enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
        waiting = server.kill();
        soon(async { while clients.join_next().await.is_some() {} }).await;
        assert!(numbers.load(SeqCst) > before);
        acknowledged += acks.load(SeqCst);
    }
    let server = waiting.serve().await;
    promised.assert_kept(&server.json("/kv/sums").await, kills);
    println!("{kills} kills, {acknowledged} writes acknowledged");
}

/// Overwrites its own keys until the server is gone.
async fn load(
    address: std::net::SocketAddr,
    client: u64,
    promised: Arc<Promised>,
    numbers: Arc<AtomicU64>,
    acks: Arc<AtomicU64>,
) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    for turn in 0.. {
        let number = numbers.fetch_add(1, SeqCst);
        let key = format!("c{client}-{}", turn % 12);
        promised.sending(&key, number);
        let length = 50 + number * 131 % 9000;
        let path = format!("/kv/sum?key={key}&value={number}&length={length}");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        if stream.write_all(request.as_bytes()).await.is_err() {
            return;
        }
        let mut answer = Vec::new();
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") || answer.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut answer).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        let text = String::from_utf8_lossy(&answer);
        assert!(
            text.starts_with("HTTP/1.1 200") && !text.contains("error"),
            "{text}"
        );
        promised.acknowledged(&key, number);
        acks.fetch_add(1, SeqCst);
    }
}

/// Standard error of a server that does not come to serve, and its exit code.
fn refused(app: &App) -> (Option<i32>, String) {
    app.run_with(
        "serve",
        &["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
    )
}

#[track_caller]
fn assert_fault(app: &App, words: &str) {
    let (code, said) = refused(app);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("waterspout.toml:2:8"), "{said}");
    assert!(said.contains(words), "{said}");
    assert!(
        said.contains("name a file that this server has for itself"),
        "{said}"
    );
}

#[tokio::test]
async fn a_file_that_can_not_be_opened_is_a_fault_at_start() {
    let app = app(FILE);
    let file = app.path().join("kv.redb");
    std::fs::write(&file, "no database".repeat(10_000)).expect("garbage");
    assert_fault(&app, "it is damaged, or no file of Waterspout's");
    let (code, said) = app.run("check");
    assert_eq!(code, Some(0), "it opens nothing: {said}");

    std::fs::remove_file(&file).expect("removed");
    let server = app.serve().await;
    for number in 0..40 {
        server
            .json(&format!("/kv/set?key=k{number}&size=5000"))
            .await;
    }
    let app = server.end().await;
    let mut bytes = std::fs::read(&file).expect("the file");
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    std::fs::write(&file, bytes).expect("half of it");
    assert_fault(&app, "can't be opened");

    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("a folder");
    assert_fault(&app, "can't be opened");
    let app = app.config("[kv]\nfile = \"nowhere/kv.redb\"\n");
    assert_fault(&app, "can't be opened");
}

#[tokio::test]
async fn a_file_belongs_to_one_server_at_a_time() {
    let server = serve(FILE).await;
    server.json("/kv/set?key=a&value=one").await;
    assert_fault(&server.app, "another server has it open");
    // Nor does the attempt harm it, and a reload leaves it open.
    std::fs::write(
        server.app.path().join("waterspout.toml"),
        format!("{FILE}[component.\"kv.wasm\"]\nmax_queue = 7\n"),
    )
    .expect("written");
    server.until_generation(2).await;
    server.json("/kv/set?key=b&value=two").await;
    assert!(!server.logged().await.contains("waits for a restart"));
    let server = server.kill().serve().await;
    assert_eq!(server.json("/kv/list").await["keys"], json!(["a", "b"]));
}

#[tokio::test]
async fn a_full_disk_is_an_error_for_the_guest_until_there_is_room_again() {
    const LIMIT: u64 = 8 << 20;
    // What is compiled has to be in the cache before, where the limit would keep it out.
    drop(serve(FILE).await);
    let mut server = app(FILE).file_size(LIMIT).serve().await;
    let mut written = 0;
    let said = loop {
        let answer = server
            .json(&format!("/kv/set?key=k{written}&size=200000"))
            .await;
        if !answer.is_u64() {
            break answer["error"].as_str().expect("an error").to_owned();
        }
        written += 1;
        assert!(written < 100, "the limit was never met");
    };
    assert!(said.starts_with("Failed(\""), "{said}");
    assert!(written > 5, "{written}");
    server.log.line_with("`[kv] file` can't be written").await;
    // What failed is not seen, the rest is, and the server goes on.
    assert_eq!(
        server.json(&format!("/kv/exists?key=k{written}")).await,
        false
    );
    assert_eq!(server.json("/kv/exists?key=k0").await, true);
    assert!(server.is_alive());
    server.lift_file_size();
    let path = format!("/kv/set?key=k{written}&value=after");
    server.until_json(&path, Value::is_u64).await;
    let server = server.kill().serve_without_limit().await;
    let listed = server.json("/kv/list").await;
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(written + 1));
    let after = server.json(&format!("/kv/get?key=k{written}")).await;
    assert_eq!(after["value"], "after");
}

impl App {
    async fn serve_without_limit(self) -> Running {
        self.file_size(u64::MAX).serve().await
    }
}

#[tokio::test]
async fn a_store_that_is_larger_than_it_may_be_is_a_fault() {
    let server = serve(FILE).await;
    server.json("/kv/set?key=a&size=5000").await;
    let app = server
        .end()
        .await
        .config(&format!("{FILE}max_memory = \"4KB\"\n"));
    assert_fault(&app, "`max_memory` is no more than 4096");
}

/// Only who serves makes the file.
#[test]
fn check_and_routes_make_no_file() {
    let app = App::new().handler("kv.wasm", guest("kv")).config(FILE);
    let (code, said) = app.run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(!Path::new(&app.path().join("kv.redb")).exists());
}
