//! Which servers are reached: by the SDK, and by a guest's own stack, WASI 0.2 and 0.3. What is not granted is not dialled,
//! however it is spelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::json;

use super::{app, echo, encoded, serve, talk, told};
use crate::harness::{App, Running, guest, soon};

const WAYS: [&str; 2] = ["std", "0.3"];

fn dial(by: &str, host: &str, port: u16) -> String {
    format!("/dial?by={by}&host={}&port={port}", encoded(host))
}

async fn dialled(app: &Running, by: &str, host: &str, port: u16) -> serde_json::Value {
    soon(told(app, &dial(by, host, port))).await
}

#[tokio::test]
async fn what_is_granted_is_reached_by_name_and_by_address() {
    let server = serve(echo).await;
    let port = server.port();
    for grant in ["127.0.0.1", "localhost"] {
        let app = app(&[format!("{grant}:{port}")], "").serve().await;
        for by in WAYS {
            let answer = dialled(&app, by, grant, port).await;
            assert_eq!(answer, json!({ "told": "hello\n" }), "{grant} by {by}");
        }
        let answer = told(&app, &talk(grant, port, "", &["write:x\n", "until:\n"])).await;
        assert_eq!(answer["done"], json!(["ok", "x\n"]));
        assert_eq!(answer["remote"], server.to_string());
    }
}

#[tokio::test]
async fn what_is_not_granted_is_never_dialled_however_it_is_spelled() {
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = dials.clone();
    let server = serve(move |stream| {
        counted.fetch_add(1, SeqCst);
        echo(stream)
    })
    .await;
    let port = server.port();
    // Another port of this machine, another name, another address: none of these is the server.
    let grants = [
        format!("127.0.0.1:{}", port - 1),
        format!("localhost:{}", port - 1),
        format!("db.internal:{port}"),
        format!("192.0.2.1:{port}"),
    ];
    let some = app(&grants, "").serve().await;
    let none = App::new()
        .handler("tcp_client.wasm", guest("tcp_client"))
        .serve()
        .await;
    let spellings = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "0177.0.0.1",
        "2130706433",
        "017700000001",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "::1",
        "[::1]",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "[::ffff:7f00:1]",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
        "::",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ip6-localhost",
        "localhost.localdomain",
        "ｌｏｃａｌｈｏｓｔ",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "db.internal",
        "127.0.0.1:80",
        "user@127.0.0.1",
        "127.0.0.1/x",
        "127.0.0.1#",
        "127.0.0.1%00",
        "",
        " 127.0.0.1",
    ];
    for app in [&some, &none] {
        for host in spellings {
            for by in WAYS {
                let answer = dialled(app, by, host, port).await;
                assert!(answer["error"].is_string(), "{host:?} by {by}: {answer}");
            }
            let answer = soon(told(app, &talk(host, port, "&timeout=5000", &[]))).await;
            assert!(answer["error"].is_string(), "{host:?}: {answer}");
        }
        for what in ["listen", "udp"] {
            let answer = dialled(app, what, "127.0.0.1", port).await;
            assert!(answer["error"].is_string(), "{what}: {answer}");
        }
    }
    assert_eq!(dials.load(SeqCst), 0);
    let log = some.log.text();
    let said = format!("a connection to 127.0.0.1:{port} is refused");
    assert!(log.contains(&said), "{log}");
}

#[tokio::test]
async fn only_granted_names_are_looked_up() {
    let app = app(&["localhost:1".to_owned()], "").serve().await;
    let names = async |host: &str| soon(told(&app, &dial("names", host, 0))).await["told"].take();
    let found = names("LocalHost").await;
    for by in ["0.2", "0.3"] {
        let found = found[by].as_array().expect("addresses");
        assert!(found.contains(&json!("127.0.0.1")), "{by}: {found:?}");
    }
    // Its own address is no secret, and no name.
    assert_eq!(
        names("192.0.2.7").await,
        json!({ "0.2": ["192.0.2.7"], "0.3": ["192.0.2.7"] })
    );
    for other in ["example.com", "ip6-localhost", "localhost.localdomain"] {
        let refused = names(other).await;
        assert_eq!(
            refused["0.3"],
            json!(["ErrorCode::AccessDenied"]),
            "{other}"
        );
        let old = refused["0.2"][0].as_str().expect("an error").to_owned();
        assert!(
            !old.starts_with(|char: char| char.is_ascii_digit()),
            "{other}: {old}"
        );
    }
    let log = app
        .log
        .line_with("a connection to example.com is refused")
        .await;
    assert!(log.contains("allow = { tcp = "), "{log}");
}
