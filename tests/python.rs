//! Python apps in `handlers/`: Tornado's own source in a component. Left out, with a word, where there is no `python3`
//! whose pip has an index to install from.

mod commands;
mod direct;
mod many;
mod programs;
mod sockets;
mod streams;
mod suite;
mod web_apps;

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::json;
use tokio::sync::OnceCell;

use crate::harness::{App, Load, Running, cache, entry, example, soon};

/// The program of the seeds, byte for byte.
const SEED: &str = include_str!("python/seed.py");

/// An app of several files.
const BLOG: &str = include_str!("python/blog.py");

/// Whether Python apps can be run here. The component for them is made once for all tests, whatever it takes.
async fn is_there() -> bool {
    static MADE: OnceCell<bool> = OnceCell::const_new();
    *MADE.get_or_init(made).await
}

async fn made() -> bool {
    let app = App::new().handler("seed.py", SEED);
    let checked = tokio::task::spawn_blocking(move || app.run("check")).await;
    let (code, said) = checked.expect("an end");
    let lacks = [
        "there is no `python3`",
        "No module named pip",
        "pip has failed",
    ];
    if lacks.iter().any(|lack| said.contains(lack)) {
        println!("no Python app is tried here: {said}");
        return false;
    }
    assert_eq!(code, Some(0), "{said}");
    true
}

/// A program whose answer is this text.
fn saying(text: &str) -> String {
    SEED.replace("Hello, world", text)
}

/// The app of several files, with one entry.
fn blog() -> App {
    let app = App::new();
    for (path, text) in [
        ("app.py", BLOG),
        ("entries.py", "ALL = [\"first\"]\n"),
        (
            "pages/index.html",
            "<h1>{{ title }}</h1>{% for entry in entries %}{{ entry }};{% end %}",
        ),
        ("static/style.css", "h1 { color: teal }\n"),
    ] {
        let path = app.handler_path("blog").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    app
}

fn replace(server: &Running, path: &str, text: &str) {
    server.app.replace(path, text.as_bytes());
}

#[tokio::test]
async fn the_seed_s_program_serves_as_it_stands() {
    if !is_there().await {
        return;
    }
    let server = App::new().handler("seed.py", SEED).serve().await;
    let answer = server.get("/").await;
    assert_eq!((answer.status, &*answer.body), (200, "Hello, world"));
    assert_eq!(answer.header("server"), Some("TornadoServer/6.6.1"));
    assert_eq!(server.get("/nothing").await.status, 404);
    let posted = server.request("POST /", "", "a=b").await;
    assert_eq!(posted.status, 405, "it has only `get`");
    let component = server.component("seed.py").await;
    assert_eq!(
        (&component["state"], &component["instances"]),
        (&"serving".into(), &1.into())
    );
    let lines = server.logged().await;
    assert_eq!(lines.matches(" GET / ").count(), 1, "{lines}");
}

#[tokio::test]
async fn a_folder_with_modules_templates_and_static_files_serves_as_in_tornado() {
    if !is_there().await {
        return;
    }
    let server = blog().serve().await;
    assert_eq!(server.get("/").await.body, "<h1>Entries</h1>first;");
    assert_eq!(
        server.get("/static/style.css").await.body,
        "h1 { color: teal }\n"
    );
    let entry = server.get("/entry/first").await;
    assert_eq!(entry.body, r#"{"name": "first", "url": "/entry/first"}"#);
    assert_eq!(server.get("/entry/none").await.status, 404);
    assert_eq!(server.get("/ticks").await.body, "ticked");
    // One request waits for what another does.
    let mut waiting = server.connect().await;
    waiting.send("GET /poll HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let posted = server.request("POST /entry/any", form, "name=second").await;
    assert_eq!(posted.status, 201);
    assert_eq!(soon(waiting.answer()).await.body, "second");
    let mut stream = server.connect().await;
    stream.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        soon(stream.head())
            .await
            .contains("transfer-encoding: chunked")
    );
    for piece in ["0\n", "1\n", "2\n", ""] {
        assert_eq!(soon(stream.chunk()).await, piece);
    }
    let body = "x".repeat(300_000);
    let uploaded = server.request("PUT /upload", "", &body).await;
    assert_eq!((&*uploaded.body, uploaded.header("etag")), ("300000", None));
}

#[tokio::test]
async fn an_app_sees_its_own_files_and_no_other_and_writes_none() {
    if !is_there().await {
        return;
    }
    let server = blog().config("# nothing\n").serve().await;
    let seen = server.get("/visible").await.body;
    let seen: Vec<String> = serde_json::from_str(&seen).unwrap();
    assert!(
        seen[..4].iter().all(|refused| refused.ends_with("Error")),
        "{seen:?}"
    );
    assert_eq!(seen[4], "opened");
}

#[tokio::test]
async fn what_fails_is_logged_with_python_s_traceback() {
    if !is_there().await {
        return;
    }
    let server = blog().serve().await;
    assert_eq!(server.get("/fails").await.status, 500);
    assert_eq!(server.get("/logs").await.status, 200);
    let log = server.logged().await;
    for line in [
        "Uncaught exception GET /fails",
        "File \"/handlers/blog/app.py\", line ",
        "ValueError: as it was told",
        "as the app says it",
        "as it prints it",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert_eq!(log.matches(" GET /logs ").count(), 1, "{log}");
}

#[tokio::test]
async fn an_edit_serves_and_one_that_fails_is_refused_while_the_old_serves_on() {
    if !is_there().await {
        return;
    }
    let server = blog().serve().await;
    let broken = BLOG.replace("import entries", "import entries\nentries.NOTHING");
    replace(&server, "blog/app.py", &broken);
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    for said in [
        "handlers/blog.py",
        "Traceback (most recent call last)",
        "File \"/handlers/blog/app.py\", line ",
        "entries.NOTHING",
        "AttributeError: module 'entries' has no attribute 'NOTHING'",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    assert!(!error.contains("runpy"), "{error}");
    let refused = &entry(&status, "blog.py").unwrap()["error"];
    assert!(
        refused.as_str().unwrap().contains("AttributeError"),
        "{refused}"
    );
    // A lost instance is made again of what serves, and not of what is there now.
    let title = server.get("/").await.body;
    assert_eq!(server.get("/spins").await.status, 503);
    assert_eq!(server.get("/").await.body, title);
    replace(&server, "blog/app.py", BLOG);
    replace(&server, "blog/entries.py", "ALL = [\"edited\"]\n");
    server.until_swap_is(true).await;
    server
        .until(|status| entry(status, "blog.py").is_some_and(|entry| entry["error"].is_null()))
        .await;
    soon(async { while server.get("/").await.body != "<h1>Entries</h1>edited;" {} }).await;
    let log = server.logged().await;
    assert!(log.contains("the change is refused"), "{log}");
}

#[tokio::test]
async fn an_edit_compiles_the_module_that_was_edited_and_no_app_can_write_bytecode() {
    if !is_there().await {
        return;
    }
    const LOOKS: &str = r#"
import os
import sys

def look(module):
    """What Python has loaded this module from, and what becomes of an attempt to write there."""
    place = module.__spec__.cached
    data = open(place, "rb").read() if os.path.exists(place) else b""
    try:
        open(place, "r+b").close()
    except OSError as error:
        return f"{place} {data[4:8].hex()} {type(error).__name__}"
    return "written"
"#;
    let program = SEED
        .replace("import tornado\n", "import looks, one, tornado\n")
        .replace("\"Hello, world\"", "one.VERSION + looks.look(one)");
    let app = App::new();
    let folder = app.handler_path("looked");
    std::fs::create_dir(&folder).unwrap();
    let app = app
        .handler("looked/app.py", program)
        .handler("looked/looks.py", LOOKS)
        .handler("looked/one.py", "VERSION = \"first \"\n");
    let server = app.serve().await;
    // By the hash of its source, and not checked.
    let loaded = "/bytecode/handlers/looked/one.cpython-314.pyc 01000000 ";
    let said = server.get("/").await.body;
    assert!(said.starts_with(&format!("first {loaded}")), "{said}");
    assert!(said.ends_with("Error"), "{said}");
    // What is compiled is kept for the next version that has this text, which no other test has.
    let text = server.app.path().file_name().unwrap().to_owned();
    let text = format!("second {}", text.to_str().unwrap());
    let is_kept = || {
        let folder = cache().join("python/bytecode");
        let files = std::fs::read_dir(folder).unwrap().flatten();
        let mut contents = files.filter_map(|file| std::fs::read(file.path()).ok());
        contents.any(|bytes| {
            bytes
                .windows(text.len())
                .any(|words| words == text.as_bytes())
        })
    };
    assert!(!is_kept());
    let edited = format!("VERSION = \"{text} \"\n");
    replace(&server, "looked/one.py", &edited);
    let answer = format!("{text} {loaded}");
    soon(async { while !server.get("/").await.body.starts_with(&answer) {} }).await;
    soon(async {
        while !is_kept() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // A module that can't be compiled is at fault where it is imported, as in Python.
    replace(&server, "looked/one.py", "VERSION = \n");
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(
        error.contains("SyntaxError") && error.contains("one.py"),
        "{error}"
    );
    assert!(server.get("/").await.body.starts_with(&answer));
}

#[tokio::test]
async fn no_request_fails_under_fifty_edits() {
    if !is_there().await {
        return;
    }
    let bodies: Vec<String> = (0..50)
        .map(|number| format!("edit {}", "*".repeat(number)))
        .collect();
    let versions: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let app = App::new().handler("seed.py", saying(versions[0]));
    let server = app.serve().await;
    let load = Load::start(server.address, "/", 8, &versions);
    for _ in 0..50 {
        let program = saying(load.turns.begin());
        replace(&server, "seed.py", &program);
        server.until_serving("seed.py", program.as_bytes()).await;
        load.turns.named();
        load.more(5).await;
    }
    load.end().await.assert_flawless();
    // What no version needs any more is not kept.
    let apps = cache().join("python/apps");
    let copies = || {
        let processes = std::fs::read_dir(&apps).unwrap().flatten();
        let copies = processes.filter_map(|process| std::fs::read_dir(process.path()).ok());
        copies
            .flatten()
            .flatten()
            .filter(|copy| {
                std::fs::read(copy.path().join("seed.py"))
                    .is_ok_and(|text| text.windows(6).any(|word| word == b"edit *"))
            })
            .count()
    };
    soon(async {
        while copies() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn apps_have_the_paths_that_nothing_else_takes_or_those_that_they_are_given() {
    if !is_there().await {
        return;
    }
    let route = |pattern: &str, file: &str| {
        format!("[[route]]\npattern = '{pattern}'\nhandler = \"{file}\"\n")
    };
    let routed = route("/one", "one.py");
    let app = App::new()
        .handler("one.py", saying("one").replace("r\"/\"", "r\"/one\""))
        .handler("two.py", saying("two"))
        .config(&routed);
    let server = app.serve().await;
    assert_eq!(server.get("/one").await.body, "one");
    assert_eq!(server.get("/").await.body, "two");
    assert_eq!(server.get("/elsewhere").await.status, 404);
    // Two that would take everything.
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, "# nothing\n").unwrap();
    std::fs::rename(aside, server.app.path().join("waterspout.toml")).unwrap();
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(
        error.contains("two.py") && error.contains("one.py"),
        "{error}"
    );
    assert_eq!(server.get("/one").await.body, "one");
}

#[tokio::test]
async fn an_app_that_is_a_file_and_a_folder_is_a_fault() {
    let app = App::new().handler("blog.py", SEED);
    std::fs::create_dir(app.handler_path("blog")).unwrap();
    std::fs::write(app.handler_path("blog").join("app.py"), SEED).unwrap();
    let (code, said) = app.run("check");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("handlers/blog.py") && said.contains("is the same app"),
        "{said}"
    );
}

#[tokio::test]
async fn a_start_has_a_limit_of_its_own_and_no_other() {
    if !is_there().await {
        return;
    }
    static SLOW: LazyLock<String> = LazyLock::new(|| {
        let spin = "import time\nuntil = time.monotonic() + 1.5\nwhile time.monotonic() < until:\n    pass\n";
        format!("{spin}{SEED}")
    });
    // Longer than `cpu_deadline`, which is 1 s.
    let server = App::new().handler("seed.py", &*SLOW).serve().await;
    assert_eq!(server.get("/").await.body, "Hello, world");
    let log = server.logged().await;
    assert!(!log.contains("block_log"), "{log}");
    let config = "[component.\"seed.py\"]\nstart_timeout = \"200ms\"\n";
    let server = App::new()
        .handler("seed.py", &*SLOW)
        .config(config)
        .serve()
        .await;
    assert_eq!(server.get("/").await.status, 503);
    let error = server.component("seed.py").await["error"].to_string();
    assert!(
        error.contains("did not end within `start_timeout`"),
        "{error}"
    );
}

#[tokio::test]
async fn packages_of_pure_python_are_installed_as_the_app_names_them() {
    if !is_there().await {
        return;
    }
    let folder = |requirements: &str| {
        let program = SEED.replace("import tornado\n", "import tornado\nimport itsdangerous\n");
        let said = "itsdangerous.__name__ + itsdangerous.__file__";
        let app = App::new();
        std::fs::create_dir(app.handler_path("signs")).unwrap();
        app.handler("signs/app.py", program.replace("\"Hello, world\"", said))
            .handler("signs/requirements.txt", requirements)
    };
    const HASHED: &str = "itsdangerous==2.2.0 \\\n    \
        --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef\n";
    let server = folder(HASHED).serve().await;
    if server.log.text().contains("Retrying") {
        return println!("no package is tried here: the index is not reached");
    }
    let said = server.get("/").await.body;
    assert_eq!(said, "itsdangerous/packages/itsdangerous/__init__.py");
    // A change of the file is a change of the app, and one that can't be done is refused.
    for (requirements, why) in [
        ("itsdangerous==2.2.0\n", "has no `--hash=sha256:…`"),
        ("itsdangerous\n", "`itsdangerous` is not taken"),
        (&HASHED.replace("sha256:c6", "sha256:c7"), "pip has failed"),
    ] {
        replace(&server, "signs/requirements.txt", requirements);
        let is_why = |status: &serde_json::Value| {
            let error = status["last_swap"]["error"].as_str();
            error.is_some_and(|error| error.contains(why))
        };
        server.until(is_why).await;
        assert_eq!(server.get("/").await.body, said);
    }
    // A package that is code in C.
    let app = folder("ujson==5.10.0\n").config("[settings]\ndebug = true\n");
    let server = app.serve().await;
    let error = server.component("signs.py").await["error"].to_string();
    assert!(error.contains("ujson==5.10.0"), "{error}");
    assert!(error.contains("Only wheels of pure Python"), "{error}");
}

#[tokio::test]
async fn tornado_s_client_fetches_from_what_is_granted() {
    if !is_there().await {
        return;
    }
    let peer = blog().serve().await;
    let origin = format!("http://{}", peer.address);
    let config = format!(
        "[component.\"fetches.py\"]\nallow = {{ http = [\"{origin}\"] }}\nenv = {{ PEER = \"{origin}\" }}\n"
    );
    let app = App::new().handler("fetches.py", include_str!("python/fetches.py"));
    let server = app.config(&config).serve().await;
    let said = server.get("/").await.body;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    for (name, expected) in [
        (
            "get",
            json!([200, "{\"name\": \"first\", \"url\": \"/entry/first\"}"]),
        ),
        ("missing", json!(["HTTPClientError", "HTTP 404: Not Found"])),
        ("put", json!([200, "300000"])),
        ("produced", json!([200, "300000"])),
        ("streamed", json!([200, ""])),
        ("pieces", json!("0\n1\n2\n")),
        (
            "late",
            json!(["HTTPTimeoutError", "Timeout during request"]),
        ),
        ("many", json!(true)),
    ] {
        assert_eq!(said[name], expected, "{name}: {said}");
    }
    let denied = said["denied"][1].as_str().unwrap();
    assert!(
        denied.contains("http://denied.example is not granted"),
        "{denied}"
    );
    assert_eq!(said["two"][0], "ValueError", "as in Tornado: {said}");
}

#[tokio::test]
async fn a_coroutine_is_not_run_inside_of_another() {
    if !is_there().await {
        return;
    }
    const NESTED: &str = "try:\n            \
        asyncio.run(asyncio.sleep(0))\n        \
        except RuntimeError as error:\n            \
        self.write(str(error))";
    let program = SEED.replace("self.write(\"Hello, world\")", NESTED);
    let server = App::new().handler("seed.py", program).serve().await;
    let said = soon(server.get("/")).await.body;
    assert_eq!(said, "This event loop is already running");
}

#[tokio::test]
async fn options_of_a_server_that_are_the_host_s_are_named() {
    if !is_there().await {
        return;
    }
    let options = "8888, max_body_size=9, idle_connection_timeout=1, no_keep_alive=True";
    let program = SEED.replace("8888", options);
    let server = App::new().handler("seed.py", program).serve().await;
    assert_eq!(server.get("/").await.status, 200);
    let log = server.logged().await;
    let said = "HTTPServer: no_keep_alive, idle_connection_timeout has no effect";
    assert!(log.contains(said), "{log}");
    let posted = server.request("POST /", "", "0123456789").await;
    assert_eq!(posted.status, 400, "the body is larger than 9 bytes");
}

#[tokio::test]
async fn without_python_that_app_alone_is_at_fault() {
    let cache = tempfile::tempdir().unwrap();
    let server = App::new()
        .handler("hello.wasm", example("hello"))
        .handler("seed.py", SEED)
        .cache(cache.path())
        .variable("PATH", Path::new("/nowhere"))
        .serve()
        .await;
    assert_eq!(server.get("/hello").await.status, 200);
    assert_eq!(server.get("/").await.status, 503);
    let error = server.component("seed.py").await["error"].to_string();
    assert!(
        error.contains("there is no `python3` on the PATH"),
        "{error}"
    );
}
