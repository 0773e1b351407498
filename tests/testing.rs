//! `waterspout-test`: what it does for the tests of an app, on apps without sources. That it builds those that have
//! some is seen by the test of `new`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use waterspout_test::process::{ServerProcess, lines};
use waterspout_test::{App, Builder, HttpRequest, HttpResponse, json};

use crate::harness::{App as Folder, LONG, cache, example, guest};

const ROUTES: &str = r##"
route = [
    { pattern = '/', handler = "hello.wasm" },
    { pattern = '/story/([0-9]+)', handler = "stories.wasm#Story", kwargs = { db = "main" } },
    { pattern = '/myform', handler = "forms.wasm" },
    { pattern = '/json', handler = "json.wasm" },
    { pattern = '/guestbook', handler = "redirects.wasm#Guestbook" },
    { pattern = '/moved', handler = "builtin:redirect", kwargs = { url = "/" } },
]
"##;

/// A part of the demo app.
fn demo() -> Folder {
    ["forms", "hello", "json", "redirects", "stories"]
        .into_iter()
        .fold(Folder::new(), |app, name| {
            app.handler(&format!("{name}.wasm"), example(name))
        })
        .config(ROUTES)
}

pub fn testing(app: &Folder) -> Builder {
    App::builder()
        .with_folder(app.path())
        .with_waterspout(env!("CARGO_BIN_EXE_waterspout"))
        .with_httpserver_options(["--cache-dir".as_ref(), cache().as_os_str()])
        .with_timeout(LONG)
}

/// What a test says that fails.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("it fails");
    *panic.downcast::<String>().expect("it says why")
}

#[test]
fn each_app_has_a_server_of_its_own_until_it_is_dropped() {
    let folder = demo();
    let (one, other) = (testing(&folder).serve(), testing(&folder).serve());
    assert_ne!(one.get_http_port(), other.get_http_port());
    assert_eq!(one.fetch("/").text(), "Hello, world");
    let url = one.get_url("/");
    assert_eq!(other.fetch(&url).effective_url(), url);
    let port = one.get_http_port();
    drop(one);
    TcpStream::connect(("127.0.0.1", port)).expect_err("it is gone");
    let said = failure(|| drop(other.fetch(&url)));
    assert!(said.starts_with(&format!("GET {url}: ")), "{said}");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(other.fetch("/").code(), 200));
        }
    });
}

#[test]
fn a_request_is_sent_as_it_was_said() {
    let folder = demo();
    let app = testing(&folder).serve();
    let form = HttpRequest::new("/myform")
        .with_method("POST")
        .with_body("message=a+b");
    let response = app.fetch(form);
    assert_eq!((response.code(), response.text()), (200, "You wrote a b"));
    assert_eq!(response.header("CONTENT-TYPE"), Some("text/plain"));

    let json = HttpRequest::new("/json").with_body(r#"{"a": [1]}"#);
    let json = json.with_header("Content-Type", "application/json");
    let response = app.fetch(json.clone().with_method("PUT"));
    assert_eq!(
        (response.code(), response.json()),
        (201, json!({ "a": [1] }))
    );
    assert_eq!(app.fetch(json.with_method("DELETE")).code(), 405);
    let said = failure(|| drop(app.fetch("/").json()));
    assert!(said.starts_with("the body is no JSON: "), "{said}");
}

#[test]
fn redirects_are_followed_unless_a_test_wants_to_see_them() {
    let folder = demo();
    let app = testing(&folder).serve();
    let post = HttpRequest::new("/guestbook")
        .with_method("POST")
        .with_body("a=1");
    let followed = app.fetch(post.clone());
    assert_eq!((followed.code(), followed.text()), (200, "thank you"));
    let moved = app.fetch("/moved");
    assert_eq!(moved.effective_url(), app.get_url("/"));
    let seen = app.fetch(post.with_follow_redirects(false));
    assert_eq!(
        (seen.code(), seen.header("Location")),
        (302, Some("/guestbook"))
    );
}

#[test]
fn a_test_may_bring_a_configuration_and_the_rest_is_the_app_s() {
    let folder = Folder::new()
        .handler("grants.wasm", guest("grants"))
        .config("this is no configuration");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    std::fs::write(folder.path().join("data/file"), "the app's").expect("a file");
    let own = "[component.'grants.wasm']\nallow = { read = ['data'] }\nenv = { A = 'b' }";
    let app = testing(&folder).with_config(own).serve();
    let found = app.fetch("/grants?read=data/file").json();
    assert_eq!(
        (&found["read"], &found["env"]),
        (&json!("the app's"), &json!({ "A": "b" }))
    );
    let left = std::fs::read_to_string(folder.path().join("waterspout.toml"));
    assert_eq!(left.expect("it is there"), "this is no configuration");
}

/// `waterspout dev` on the folder itself, as beside the tests of somebody who writes an app.
fn dev(folder: &Folder) -> ServerProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waterspout"));
    command.arg("dev").arg(folder.path());
    command.args(["--listen", "127.0.0.1:0", "--cache-dir"]);
    command.arg(cache());
    let process = ServerProcess::start(command, || ()).expect("it starts");
    let serves = process.log().wait_for(LONG, lines::serving_on);
    serves.unwrap_or_else(|_| panic!("it does not serve:\n{}", process.log().text()));
    process
}

#[test]
fn each_app_has_what_it_writes_to_itself() {
    let folder = Folder::new()
        .handler("grants.wasm", guest("grants"))
        .handler("kv.wasm", guest("kv"))
        .config("[kv]\nfile = 'state'\n[component.'grants.wasm']\nallow = { write = ['data'] }");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    std::fs::write(folder.path().join("data/file"), "the app's").expect("a file");
    let beside = dev(&folder);
    let (one, other) = (testing(&folder).serve(), testing(&folder).serve());
    let write = one.fetch("/grants?read=data/file&write=data/file").json();
    assert_eq!(
        (&write["read"], &write["written"]),
        (&json!("the app's"), &json!(true))
    );
    let read = |app: &App| app.fetch("/grants?read=data/file").json()["read"].clone();
    assert_eq!(read(&one), "written by the guest");
    assert_eq!(read(&other), "the app's");
    let increment = "/kv/increment?key=a&by=1";
    assert_eq!(one.fetch(increment).json(), 1);
    assert_eq!(other.fetch(increment).json(), 1);
    drop((one, other));
    let left = std::fs::read_to_string(folder.path().join("data/file"));
    assert_eq!(left.expect("it is there"), "the app's");
    let log = beside.log().text();
    assert!(!log.contains("generation 2"), "nothing has changed: {log}");
}

#[test]
fn an_app_is_served_in_plain_http_whatever_its_certificates_and_levels_are() {
    let tls = "[server]\ntls = { cert = 'nowhere.pem', key = 'nowhere.key' }\n";
    let log = "[log]\nlevel = 'error'\n[kv]\nfile = 'state'\n";
    let folder = demo().config(&format!("{ROUTES}{tls}{log}"));
    let app = testing(&folder).serve();
    assert_eq!(app.fetch("/").text(), "Hello, world");
    assert!(app.get_url("/").starts_with("http://127.0.0.1:"));
    let app = testing(&folder)
        .with_httpserver_options(["--log-level", "app=debug"])
        .serve();
    let words = "reading story 7 from main";
    app.expect_log("app", words, || app.fetch("/story/7"));
    assert!(!app.stop().contains(" access] "), "its own level counts");
}

#[test]
fn a_test_opens_streams_whatever_port_the_app_names() {
    // Two of them would be in each other's way.
    let listen = "listen = '127.0.0.1:7000'\nhandler = 'tcp_server.wasm#Lines'";
    let folder = Folder::new()
        .handler("tcp_server.wasm", guest("tcp_server"))
        .config(&format!(
            "[[tcp]]\n{listen}\ntls = {{ cert = 'none.pem', key = 'none.pem' }}\n"
        ));
    let apps = [testing(&folder).serve(), testing(&folder).serve()];
    for app in &apps {
        let mut stream = app.tcp_connect("tcp_server.wasm#Lines");
        stream.write_all(b"hello\n").expect("written");
        let mut line = String::new();
        let read = BufReader::new(&stream).read_line(&mut line);
        read.expect("a line");
        assert_eq!(line, "You sent: hello\n");
    }
    let app = testing(&folder)
        .with_timeout(Duration::from_millis(500))
        .serve();
    let said = failure(|| drop(app.tcp_connect("tcp_server.wasm#Lisp")));
    assert_eq!(said, "no `[[tcp]]` leads to tcp_server.wasm#Lisp");
}

#[test]
fn a_component_that_is_built_again_is_not_swapped_into_a_test() {
    let folder = demo();
    let app = testing(&folder).serve();
    std::fs::remove_file(folder.handler_path("hello.wasm")).expect("it was there");
    std::fs::write(folder.path().join("waterspout.toml"), "[").expect("written");
    assert_eq!(app.fetch("/").text(), "Hello, world");
    assert!(!app.stop().contains("generation 2"));
}

#[test]
fn a_fault_is_shown_in_the_app_s_own_file() {
    let folder = demo().config("[server]\nlissen = 1");
    let said = failure(|| drop(testing(&folder).serve()));
    let place = folder.path().canonicalize().expect("it is there");
    let place = format!("{}/waterspout.toml:2:1: ", place.display());
    assert!(said.contains(&place), "{said}");
}

#[test]
fn a_response_is_read_while_it_arrives() {
    let folder = Folder::new()
        .handler("streams.wasm", guest("streams"))
        .config("[component.'streams.wasm']\ninstances = 1");
    let app = testing(&folder).serve();
    let script = "status:201,header:x-a:1,write:one,flush,gate,write:two";
    let mut response = app.fetch_streaming(format!("/script?do={script}"));
    assert_eq!((response.code(), response.header("X-A")), (201, Some("1")));
    assert_eq!(response.body_chunk().as_deref(), Some(&b"one"[..]));
    app.fetch("/open");
    assert_eq!(response.body_chunk().as_deref(), Some(&b"two"[..]));
    assert_eq!(response.body_chunk(), None);

    let events = app.fetch_streaming("/script?do=event:a:1,event:b:2,gate");
    let mut lines = BufReader::new(events)
        .lines()
        .map(|line| line.expect("a line"));
    assert_eq!(
        lines.find(|line| line == "data: b").as_deref(),
        Some("data: b")
    );
    // The client is gone, and its handler ends.
    drop(lines);
    let begin = Instant::now();
    while app.fetch("/counts").json()["closed"] != 1 {
        assert!(begin.elapsed() < LONG, "{}", app.log());
        std::thread::yield_now();
    }

    let late = HttpRequest::new("/script?do=write:one,flush,gate");
    let late = late.with_request_timeout(Duration::from_millis(200));
    let mut late = app.fetch_streaming(late);
    assert!(late.body_chunk().is_some());
    let said = failure(|| drop(late.body_chunk()));
    assert!(said.contains("timeout"), "{said}");
}

#[test]
fn a_session_keeps_cookies_and_a_fetch_does_not() {
    let folder = Folder::new()
        .handler("echo.wasm", guest("echo"))
        .handler("streams.wasm", guest("streams"));
    let app = testing(&folder).serve();
    let cookies = |response: HttpResponse| response.json()["cookies"].clone();
    let set = "/script?do=cookie:a:1,redirect:/echo";
    // Not even to where it is redirected.
    assert_eq!(cookies(app.fetch(set)), json!([]));
    let (ada, bob) = (app.session(), app.session());
    assert_eq!(cookies(ada.fetch(set)), json!([["a", "1"]]));
    ada.fetch("/script?do=cookie:b:2");
    let own = HttpRequest::new("/echo").with_header("Cookie", "own=0");
    assert_eq!(
        cookies(ada.fetch(own)),
        json!([["own", "0"], ["a", "1"], ["b", "2"]])
    );
    assert_eq!(ada.cookie("/echo", "b").as_deref(), Some("2"));
    assert_eq!(cookies(bob.fetch("/echo")), json!([]));
    assert_eq!(cookies(app.fetch("/echo")), json!([]));
}

#[test]
fn a_line_of_the_log_is_waited_for() {
    let folder = demo();
    let app = testing(&folder).serve();
    let words = "reading story 7 from main";
    let response = app.expect_log("app", words, || app.fetch("/story/7"));
    assert_eq!(response.text(), "this is story 7");
    assert!(app.log().contains(words), "{}", app.log());
    app.expect_log("access", "404 GET /nowhere", || app.fetch("/nowhere"));
    app.expect_log("", "405 POST /", || {
        app.fetch(HttpRequest::new("/").with_method("POST"))
    });
    let said = failure(|| {
        let app = testing(&folder).with_timeout(Duration::ZERO).serve();
        app.expect_log("access", "reading story", || ());
    });
    assert_eq!(said, "no word of \"reading story\" in the log");
}

#[test]
fn the_log_may_be_json() {
    let folder = demo();
    let app = testing(&folder)
        .with_httpserver_options(["--log-format", "json"])
        .serve();
    let words = "reading story 7 from main";
    app.expect_log("app", words, || app.fetch("/story/7"));
    assert!(app.log().starts_with('{'), "{}", app.log());
}

#[test]
fn a_server_that_is_stopped_ends_its_instances_and_says_all() {
    let folder = Folder::new()
        .handler("lifecycle.wasm", guest("lifecycle"))
        .config("[component.'lifecycle.wasm']\ninstances = 1");
    let app = testing(&folder).serve();
    assert_eq!(app.fetch("/lifecycle").text(), "get of -");
    let log = app.stop();
    let end = log.lines().last().expect("it says something");
    assert!(end.contains(" app lifecycle.wasm] stop after "), "{log}");
}

#[test]
fn what_a_test_needs_and_does_not_have_is_said() {
    let folder = demo();
    let said = failure(|| {
        drop(
            testing(&folder)
                .with_waterspout("/nowhere/waterspout")
                .serve(),
        )
    });
    let hint = "the tests run the command `/nowhere/waterspout`, and there is none. Put `waterspout` on the PATH, or \
                say where it is: WATERSPOUT=/path/to/waterspout cargo test";
    assert_eq!(said, hint);
    let said = failure(|| drop(testing(&folder).with_config("[server]\nlissen = 1").serve()));
    assert!(
        said.starts_with("the server ended before it served:\n"),
        "{said}"
    );
    assert!(said.contains("waterspout.toml:2:1: "), "{said}");
    let said = failure(|| drop(testing(&folder).with_folder("/nowhere/app").serve()));
    assert!(
        said.starts_with("there is no app in /nowhere/app: "),
        "{said}"
    );
}
