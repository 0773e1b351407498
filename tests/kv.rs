//! `kv`: what a bucket has, who sees its changes, and what its limits are; the file in `durable`.

mod durable;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{App, Running, guest, soon};

/// Serves the guest with these tables in its configuration.
async fn serve(config: &str) -> Running {
    app(config).serve().await
}

fn app(config: &str) -> App {
    let app = App::new().handler("kv.wasm", guest("kv"));
    match config {
        "" => app,
        config => app.config(config),
    }
}

#[tokio::test]
async fn what_one_instance_writes_all_others_read() {
    let server = serve("[component.\"kv.wasm\"]\nisolation = \"fresh\"\n").await;
    let ask = async |path: &str| server.json(path).await;
    assert_eq!(ask("/kv/get?key=a").await, Value::Null);
    assert_eq!(ask("/kv/exists?key=a").await, false);
    let first = ask("/kv/set?key=a&value=one").await;
    let entry = json!({ "value": "one", "version": first });
    assert_eq!(ask("/kv/get?key=a").await, entry);
    assert_eq!(ask("/kv/exists?key=a").await, true);
    assert_eq!(ask("/kv/get?key=a&bucket=other").await, Value::Null);

    let differs = json!({ "differs": entry });
    assert_eq!(ask("/kv/swap?key=a&value=no").await, differs);
    assert_eq!(ask("/kv/swap?key=a&value=no&expected=77777").await, differs);
    let swapped = ask(&format!("/kv/swap?key=a&value=two&expected={first}")).await;
    assert!(swapped["done"].as_u64() > first.as_u64(), "{swapped}");
    assert_eq!(ask("/kv/get?key=a").await["value"], "two");

    assert_eq!(ask("/kv/delete?key=a").await, true);
    assert_eq!(ask("/kv/delete?key=a").await, false);
    assert_eq!(ask("/kv/increment?key=n&by=7").await, 7);
    assert_eq!(ask("/kv/increment?key=n&by=-9").await, -2);
    let no_number = json!({ "error": "NotANumber" });
    ask("/kv/set?key=a&value=one").await;
    assert_eq!(ask("/kv/increment?key=a&by=1").await, no_number);
    let most = i64::MAX;
    assert_eq!(ask(&format!("/kv/increment?key=m&by={most}")).await, most);
    assert_eq!(ask("/kv/increment?key=m&by=1").await, no_number);
}

#[tokio::test]
async fn who_writes_without_end_and_awaits_it_holds_up_nobody() {
    let rules = "[component.\"kv.wasm\"]\ninstances = 1\ncpu_deadline = \"1s\"\n";
    let server = serve(rules).await;
    let mut busy = server.send("GET /kv/busy?key=a&value=one&ms=2500").await;
    server.until_in_flight("kv.wasm", 1).await;
    // It ends when another request of its instance says so.
    server.json("/kv/set?key=stop&value=now").await;
    let answer = soon(busy.answer()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.body, "0");
}

/// A hundred clients that change one key at once.
async fn race(server: &Running) {
    const CLIENTS: usize = 100;
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let mut client = server.connect().await;
        clients.spawn(async move {
            let path = format!("/kv/append?key=list&value=c{number}");
            let appended = soon(client.get(&path)).await;
            assert_eq!(appended.status, 200, "{appended:?}");
            assert!(!appended.body.contains("error"), "{appended:?}");
            let added = soon(client.get("/kv/increment?key=sum&by=3")).await;
            assert_eq!(added.status, 200, "{added:?}");
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no change is lost");
    }
    let list = server.json("/kv/get?key=list").await;
    let list: BTreeSet<String> =
        serde_json::from_str(list["value"].as_str().expect("a text")).expect("a list");
    assert_eq!(list.len(), CLIENTS);
    assert_eq!(server.json("/kv/get?key=sum").await["value"], "300");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_clients_change_one_key_and_lose_no_update() {
    race(&serve("").await).await;
}

#[tokio::test]
async fn what_has_expired_is_gone_and_watchers_are_told() {
    let server = serve("[component.\"kv.wasm\"]\ninstances = 1\n").await;
    let mut watcher = server.send("GET /kv/watch?key=a&count=2").await;
    server
        .until_json("/kv/watching", |count| *count == json!(1))
        .await;
    server.json("/kv/set?key=a&value=one&ttl=40").await;
    server.json("/kv/set?key=stays&value=one&ttl=3600000").await;
    server.until_json("/kv/get?key=a", Value::is_null).await;
    assert_eq!(server.json("/kv/exists?key=a").await, false);
    assert_eq!(server.json("/kv/list").await["keys"], json!(["stays"]));
    let seen: Value = serde_json::from_str(&soon(watcher.answer()).await.body).expect("JSON");
    assert_eq!(seen, json!([["a", "one", 0], ["a", null, 0]]));
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let server = serve("").await;
    for number in 0..25 {
        server
            .json(&format!("/kv/set?key=k{number:02}&value=v"))
            .await;
    }
    server.json("/kv/set?key=other&value=v").await;
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server
            .json(&format!("/kv/list?prefix=k&limit=10&cursor={cursor}"))
            .await;
        let found = page["keys"].as_array().expect("a list");
        keys.extend(found.iter().filter_map(Value::as_str).map(str::to_owned));
        // What goes while somebody turns its pages takes nothing else along.
        if let Some(last) = keys.last() {
            server.json(&format!("/kv/delete?key={last}")).await;
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<String> = (0..25).map(|number| format!("k{number:02}")).collect();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn watchers_see_changes_of_other_instances_in_order_and_what_they_lost() {
    let server = serve("[component.\"kv.wasm\"]\nisolation = \"exclusive\"\n").await;
    let mut all = server.send("GET /kv/watch?prefix=a&count=3").await;
    let mut small = server
        .send("GET /kv/watch?key=end&count=1&capacity=1")
        .await;
    // Whoever watches is told of this, sooner or later.
    let (mut first, mut last) = (0, 0);
    let seen = loop {
        first += 1;
        server.json(&format!("/kv/set?key=ab&value=v{first}")).await;
        server.json(&format!("/kv/set?key=b&value=v{first}")).await;
        let answer = tokio::time::timeout(std::time::Duration::from_millis(1), all.answer());
        if let Ok(answer) = answer.await {
            break answer.body;
        }
    };
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    let numbers: Vec<u32> = seen
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| {
            assert_eq!(
                (&change[0], &change[2]),
                (&json!("ab"), &json!(0)),
                "{seen}"
            );
            let value = change[1].as_str().and_then(|value| value.strip_prefix('v'));
            value.expect("a value").parse().expect("a number")
        })
        .collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{numbers:?}"
    );
    let seen = loop {
        last += 1;
        server.json(&format!("/kv/set?key=end&value={last}")).await;
        let answer = tokio::time::timeout(std::time::Duration::from_millis(1), small.answer());
        if let Ok(answer) = answer.await {
            break answer.body;
        }
    };
    assert!(seen.starts_with("[[\"end\","), "{seen}");
}

#[tokio::test]
async fn what_is_too_long_or_too_large_is_an_error() {
    let server = serve("[kv]\nmax_value_size = \"1KB\"\n").await;
    let error = async |path: &str| server.json(path).await["error"].clone();
    let key = "k".repeat(1024);
    assert_eq!(
        error(&format!("/kv/set?key={key}&value=v")).await,
        Value::Null
    );
    let said = "Limit(\"a key has 1 to 1024 bytes\")";
    assert_eq!(error(&format!("/kv/set?key={key}k&value=v")).await, said);
    assert_eq!(error(&format!("/kv/get?key={key}k")).await, said);
    assert_eq!(error("/kv/exists").await, said);
    assert_eq!(error("/kv/set?key=a&size=1024").await, Value::Null);
    let said = "Limit(\"a value has 1024 bytes at most, by `max_value_size`\")";
    assert_eq!(error("/kv/set?key=a&size=1025").await, said);
    assert_eq!(error("/kv/swap?key=b&size=1025").await, said);
    let bucket = "b".repeat(128);
    assert_eq!(
        error(&format!("/kv/get?key=a&bucket={bucket}")).await,
        Value::Null
    );
    let said = "Limit(\"a bucket's name has 1 to 128 bytes\")";
    assert_eq!(
        error(&format!("/kv/get?key=a&bucket={bucket}b")).await,
        said
    );
    assert_eq!(error("/kv/list?limit=1000").await, Value::Null);
    let said = "Limit(\"a page has 1 to 1000 keys\")";
    assert_eq!(error("/kv/list?limit=1001").await, said);
    assert_eq!(error("/kv/list?limit=0").await, said);
    let said = "Limit(\"a watcher holds back 1 to 1024 changes\")";
    assert_eq!(error("/kv/watch?capacity=1025").await, said);
}

#[tokio::test]
async fn a_full_store_takes_no_more_and_loses_nothing() {
    let server = serve("[kv]\nmax_memory = \"16KB\"\n").await;
    // 1,000 bytes, and 128 for the key, and its own few.
    let flooded = server.json("/kv/flood?key=k&size=1000&count=30").await;
    assert_eq!(flooded, json!({ "written": 14, "full": 16 }));
    assert_eq!(
        server.json("/kv/set?key=z&size=1000").await,
        json!({ "error": "Full" })
    );
    for at in 0..14 {
        assert_eq!(server.json(&format!("/kv/exists?key=k{at}")).await, true);
    }
    assert_eq!(server.json("/kv/delete?key=k3").await, true);
    assert!(server.json("/kv/set?key=z&size=1000").await.is_u64());
}

#[tokio::test]
async fn allow_kv_names_the_buckets_that_a_component_may_use() {
    let grants = "[component.\"kv.wasm\"]\nallow = { kv = [\"mine\", \"ours\"] }\n";
    let server = serve(grants).await;
    assert!(
        server
            .json("/kv/set?bucket=mine&key=a&value=v")
            .await
            .is_u64()
    );
    assert!(
        server
            .json("/kv/set?bucket=ours&key=a&value=v")
            .await
            .is_u64()
    );
    let denied = json!({ "error": "Denied" });
    assert_eq!(server.json("/kv/get?bucket=theirs&key=a").await, denied);
    let none = serve("[component.\"kv.wasm\"]\nallow = { kv = [] }\n").await;
    assert_eq!(none.json("/kv/get?bucket=mine&key=a").await, denied);
}

#[tokio::test]
async fn state_outlives_a_swap_and_its_table_waits_for_a_restart() {
    let server = serve("").await;
    server.json("/kv/set?key=a&value=one").await;
    let toml = server.app.path().join("waterspout.toml");
    let config = "[kv]\nmax_memory = \"1KB\"\n[component.\"kv.wasm\"]\nmax_queue = 7\n";
    std::fs::write(toml, config).expect("written");
    server.until_generation(2).await;
    assert_eq!(server.json("/kv/get?key=a").await["value"], "one");
    server
        .log
        .line_with("`[kv]` is fixed at start: the new one waits for a restart")
        .await;
    assert!(server.json("/kv/set?key=b&size=2000").await.is_u64());
}

async fn keyvalue(config: &str) -> Running {
    app(config)
        .handler("keyvalue.wasm", guest("keyvalue"))
        .serve()
        .await
}

async fn the_published_interface_does_as_it_says(server: &Running) {
    let answers = json!({
        "was": false,
        "a": "1",
        "sums": [5, 7],
        "no_number": true,
        "many": ["k0007 7", null],
        "keys": 1203,
        "pages": 3,
        "unknown": true,
        "left": ["a", "n"],
    });
    assert_eq!(server.json("/keyvalue").await, answers);
    // It is the same store.
    assert_eq!(
        server.json("/kv/get?bucket=default&key=n").await["value"],
        "7"
    );
}

#[tokio::test]
async fn a_component_for_wasi_keyvalue_runs_as_it_is() {
    the_published_interface_does_as_it_says(&keyvalue("").await).await;
    let server = keyvalue("[component.\"keyvalue.wasm\"]\nallow = { kv = [\"mine\"] }\n").await;
    assert_eq!(
        server.get("/keyvalue").await.body,
        "\"Error::AccessDenied\""
    );
}
