//! What a request costs in instructions, as callgrind counts them in this very build: a figure that hardly depends on
//! what else the machine does, so that a regression of one in twenty is seen.
//!
//! `tests/instructions.json` has the recorded figures. If a change moves one for a good reason, record it again with
//! `WATERSPOUT_RECORD=1 cargo test instructions` and say in the commit why. Without valgrind nothing is measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::harness::{App, Client, Running, example, guest, root};

/// How far a figure may be from the one of record, either way: a record that has become easy to keep sees nothing.
const TOLERANCE: f64 = 0.05;

/// As many keep-alive connections, each of which sends one request at a time.
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 150;

const CONFIG: &str = "
[[route]]
pattern = '/shared'
handler = 'shared.wasm'

[[route]]
pattern = '/exclusive'
handler = 'exclusive.wasm'

[[route]]
pattern = '/fresh'
handler = 'fresh.wasm'

[[route]]
pattern = '/lifecycle'
handler = 'lifecycle.wasm'

[component.'shared.wasm']
instances = 1

[component.'lifecycle.wasm']
instances = 1

[component.'exclusive.wasm']
isolation = 'exclusive'

[component.'fresh.wasm']
isolation = 'fresh'
";

type Figures = BTreeMap<String, u64>;

#[tokio::test]
async fn a_request_costs_no_more_instructions_than_it_did() {
    if !has_callgrind() {
        eprintln!("valgrind is not installed: nothing is measured");
        return;
    }
    let measured = measure().await;
    let file = root().join("tests/instructions.json");
    if std::env::var_os("WATERSPOUT_RECORD").is_some() {
        let text = serde_json::to_string_pretty(&measured).unwrap();
        std::fs::write(&file, text + "\n").unwrap();
        return;
    }
    let record = std::fs::read_to_string(&file).unwrap();
    let record: Figures = serde_json::from_str(&record).unwrap();
    for (name, figure) in &measured {
        let ratio = *figure as f64 / record[name] as f64;
        assert!(
            (ratio - 1.0).abs() <= TOLERANCE,
            "`{name}` is {ratio:.3} times the record.\nmeasured {measured:?}\nof record {record:?}\n\
             Is it meant? `WATERSPOUT_RECORD=1 cargo test instructions` records it anew."
        );
    }
}

fn has_callgrind() -> bool {
    ["valgrind", "callgrind_control"].iter().all(|program| {
        let ended = Command::new(program).arg("--version").output();
        ended.is_ok_and(|output| output.status.success())
    })
}

/// Instructions for one request on each path.
async fn measure() -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let counts = folder.path().join("counts");
    let hello = example("hello");
    let app = || {
        App::new()
            .handler("shared.wasm", &hello)
            .handler("exclusive.wasm", &hello)
            .handler("fresh.wasm", &hello)
            .handler("lifecycle.wasm", guest("four_calls"))
            .config(CONFIG)
    };
    // Under callgrind to compile them would take longer than a test waits. Now they are in the cache.
    assert!(app().serve().await.stop().await.success());
    let server = app().counting_instructions(&counts).serve().await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(server.connect().await);
    }
    let paths = ["/shared", "/exclusive", "/fresh", "/lifecycle", "/nowhere"];
    for path in paths {
        ask(&mut clients, path).await;
    }
    control(&server, &["-i", "on"]);
    let mut figures = Figures::new();
    for path in paths {
        control(&server, &["-z"]);
        ask(&mut clients, path).await;
        control(&server, &["-d"]);
        let total = latest_total(folder.path());
        let requests = (CONNECTIONS * ROUNDS) as u64;
        figures.insert(path[1..].to_owned(), total / requests);
    }
    figures
}

async fn ask(clients: &mut [Client], path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..ROUNDS {
        for client in &mut *clients {
            client.send(&request).await;
        }
        for client in &mut *clients {
            client.answer().await;
        }
    }
}

/// Tells the callgrind around the server what to do, and waits until it is done.
fn control(server: &Running, order: &[&str]) {
    let output = Command::new("callgrind_control")
        .args(order)
        .arg(server.pid().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The total of the file that was written last.
fn latest_total(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let number = |path: &Path| path.extension()?.to_str()?.parse::<u32>().ok();
    let latest = files
        .max_by_key(|path| number(path))
        .expect("a file of counts");
    let text = std::fs::read_to_string(&latest).unwrap();
    let total = text.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or(line.strip_prefix("summary: "))
    });
    total.and_then(|total| total.parse().ok()).expect("a total")
}
