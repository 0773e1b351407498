//! Many small requests, answered as Tornado answers them. Its answers are in `oracle/*.json`, each the record of the
//! program of the same name; `oracle/renew.py` renews them.
//!
//! What differs on purpose is not asked for; it stands in `docs/differences.md`.

pub mod record;

use std::path::Path;
use std::process::Command;

use record::compare;

use crate::harness::{App, example, guest, root};

/// The demo app, whole.
pub fn demo() -> App {
    let names = [
        "front",
        "hello",
        "stories",
        "forms",
        "errors",
        "json",
        "redirects",
        "files",
        "upload",
        "allowlist",
        "auth",
        "chat",
        "interleave",
        "stream",
        "minute_loop",
        "blocking",
        "fetch",
        "crawler",
        "ws_echo",
        "websocket_chat",
        "ticker",
        "echo_tcp",
        "gopher",
    ];
    let app = names.into_iter().fold(App::new(), |app, name| {
        app.handler(&format!("{name}.wasm"), example(name))
    });
    let config = include_str!("../examples/waterspout.toml");
    let anywhere = |config: String, port: &str| {
        assert!(config.contains(port), "the demo listens on {port}");
        config.replace(port, "127.0.0.1:0")
    };
    std::fs::write(app.path().join("cookie_secret"), "of the demo").expect("a file");
    let ports = ["127.0.0.1:7000", "127.0.0.1:7070"];
    copy(&root().join("examples/static"), &app.path().join("static"));
    app.config(&ports.into_iter().fold(config.to_owned(), anywhere))
}

#[tokio::test]
async fn the_demo_app_answers_as_tornado_s() {
    compare(demo(), &[include_str!("oracle/demo.json")]).await;
}

#[tokio::test]
async fn routing_is_tornado_s() {
    let app = oracle().config(include_str!("oracle/routing.toml"));
    compare(app, &[include_str!("oracle/routing.json")]).await;
}

/// In one app, because to compile its handlers takes longer than all else here.
#[tokio::test]
async fn what_handlers_read_and_write_is_tornado_s() {
    let records = [
        include_str!("oracle/answers.json"),
        include_str!("oracle/arguments.json"),
        include_str!("oracle/cookies.json"),
        include_str!("oracle/errors.json"),
        include_str!("oracle/etags.json"),
        include_str!("oracle/forms.json"),
        include_str!("oracle/methods.json"),
        include_str!("oracle/set_cookies.json"),
        include_str!("oracle/streams.json"),
        include_str!("oracle/targets.json"),
    ];
    compare(oracle().config(BUILTINS), &records).await;
}

#[tokio::test]
async fn encodings_are_tornado_s() {
    let app = oracle().config(
        "[server]\ndecompress_request = true\n\n\
         [settings]\ncompress_response = true\n",
    );
    compare(app, &[include_str!("oracle/encodings.json")]).await;
}

#[tokio::test]
async fn signed_cookies_are_tornado_s() {
    let app = oracle().config("[settings]\ncookie_secret = 'the secret of the record'\n");
    compare(app, &[include_str!("oracle/signed.json")]).await;
    let app = oracle().config(
        "[settings]\nkey_version = 2\n\n\
         [settings.cookie_secret]\n\
         1 = 'the first secret'\n2 = 'the second secret'\n10 = 'the tenth secret'\n",
    );
    compare(app, &[include_str!("oracle/versions.json")]).await;
}

#[tokio::test]
async fn what_lacks_a_token_is_refused_as_tornado_does() {
    let app = oracle().config("[settings]\nxsrf_cookies = true\n");
    compare(app, &[include_str!("oracle/protected.json")]).await;
}

#[tokio::test]
async fn what_comes_from_another_origin_is_refused_as_tornado_does() {
    let app = oracle().config(
        "[settings]\n\
         trusted_origins = ['https://trusted.example', 'http://trusted.example:8080']\n",
    );
    compare(app, &[include_str!("oracle/origins.json")]).await;
}

#[tokio::test]
async fn who_is_sent_to_log_in_is_sent_where_tornado_sends() {
    let app = oracle()
        .config("[settings]\ncookie_secret = 'the secret of the record'\nlogin_url = '/login'\n");
    compare(app, &[include_str!("oracle/users.json")]).await;
}

#[tokio::test]
async fn static_files_are_tornado_s() {
    let routes = r#"
[[route]]
pattern = '/files/(.*)'
handler = "builtin:static"
kwargs = { path = "static", default_filename = "index.html" }

[[route]]
pattern = '/bare/(.*)'
handler = "builtin:static"
kwargs = { path = "static/sub" }

[[route]]
pattern = '/one/(style\.css)'
handler = "builtin:static"
kwargs = { path = "static" }
"#;
    for (settings, record) in [
        ("", include_str!("oracle/static_files.json")),
        (
            "[settings]\nstatic_url_prefix = \"/s-\"\n\
             static_handler_args = { default_filename = \"index.html\" }\n",
            include_str!("oracle/static_prefix.json"),
        ),
    ] {
        let app = oracle().config(&format!("{settings}{routes}"));
        copy_served(&app.path().join("static"));
        compare(app, &[record]).await;
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.expect("cp").success());
}

/// A copy of `oracle/static`. All of its files have the time that they have in the record.
fn copy_served(to: &Path) {
    copy(&root().join("tests/oracle/static"), to);
    let dated = Command::new("find")
        .arg(to)
        .args([
            "-type",
            "f",
            "-exec",
            "touch",
            "-d",
            "@1700000000",
            "{}",
            "+",
        ])
        .status();
    assert!(dated.expect("find").success());
}

#[test]
fn every_record_is_compared() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle");
    let mut records = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("UTF-8");
        if name.ends_with(".json") {
            records += 1;
            let include = format!("include_str!(\"oracle/{name}\")");
            assert!(include_str!("oracle.rs").contains(&include), "{name}");
        }
    }
    assert!(records > 10, "{records} records");
}

/// The handlers of all programs but the demo app's, at the routes that they declare.
fn oracle() -> App {
    App::new().handler("oracle.wasm", guest("oracle"))
}

const BUILTINS: &str = r#"
[[route]]
pattern = '/old'
handler = "builtin:redirect"
kwargs = { url = "/new" }

[[route]]
pattern = '/gone'
handler = "builtin:error"
kwargs = { status_code = 410 }
"#;
