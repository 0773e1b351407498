//! `waterspout-test`: what it does for the tests of an app, on apps without sources. That it builds those that have
//! some is seen by the test of `new`.

use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use waterspout_test::{App, Builder, HttpRequest, json};

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

fn testing(app: &Folder) -> Builder {
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
