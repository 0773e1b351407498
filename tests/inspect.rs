//! `waterspout inspect`: what a component is, what it imports, and which grants that suggests.

use std::path::Path;

use crate::harness::{App, command, example, guest};

/// Exit code, standard output and standard error.
fn inspect(file: &Path) -> (Option<i32>, String, String) {
    let output = command("inspect", file).output();
    let output = output.expect("waterspout starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// What is said of a component that lies anywhere, without a fault.
fn inspected(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    std::fs::write(&file, bytes).expect("a component");
    let (code, said, wrong) = inspect(&file);
    assert_eq!((code, &*wrong), (Some(0), ""), "{said}");
    said
}

/// Whether all these lines come one after the other.
#[track_caller]
fn assert_lines(said: &str, lines: &[&str]) {
    assert!(said.contains(&(lines.join("\n") + "\n")), "{said}");
}

#[test]
fn handlers_routes_and_lifecycle_are_shown() {
    let said = inspected("lifecycle.wasm", &guest("lifecycle"));
    assert_lines(
        &said,
        &[
            "handlers, and the functions that they implement",
            "  Lifecycle  initialize, prepare, get, head, post, put, delete, patch, options, write_error, \
             on_connection_close, on_finish",
            "  Log        get, delete",
            "",
            "routes that it declares, for where no [[route]] names it",
            "  /lifecycle      Lifecycle  name = lifecycle, kwargs = {\"greeting\":\"hi\"}",
            "  /lifecycle/log  Log",
            "",
            "instances",
            "  start: called in each instance before its first request",
            "  stop: called in each instance after its last request",
            "",
        ],
    );
    let begin = format!(
        "lifecycle.wasm: {} KB, sha256 ",
        guest("lifecycle").len() / 1024
    );
    assert!(said.starts_with(&begin), "{said}");
}

#[test]
fn a_component_without_routes_is_where_its_name_says() {
    let hello = example("hello");
    for (name, place) in [
        ("hello.wasm", "none, so it is at /hello"),
        ("index.wasm", "none, so it is at /"),
    ] {
        let said = inspected(name, &hello);
        assert_lines(&said, &["  Hello  get"]);
        assert_lines(&said, &[&format!("  {place}")]);
        assert_lines(
            &said,
            &[
                "instances",
                "  as many as the configuration says, without start and stop",
            ],
        );
    }
    let said = inspected("stories.wasm", &example("stories"));
    assert_lines(&said, &["  none, so a [[route]] has to name each handler"]);
    let said = inspected("state.wasm", &guest("state"));
    assert_lines(
        &said,
        &["  single: never more than one instance takes requests"],
    );
}

#[test]
fn imports_suggest_grants() {
    let said = inspected("stories.wasm", &example("stories"));
    assert!(
        said.contains("  waterspout:web/application@0.1.0"),
        "{said}"
    );
    assert!(!said.contains("not offered"), "{said}");
    assert_lines(&said, &["grants that its imports suggest", "  none"]);
    let said = inspected("grants.wasm", &guest("grants"));
    let (_, suggested) = said.split_once("grants that").expect("grants");
    for words in [
        "allow = { read = [\"…\"] }, or write",
        "(wasi:filesystem/types@0.2",
        "allow = { tcp = [\"…\"] }",
        "has code that opens streams by TCP (wasi:sockets/tcp@0.2",
    ] {
        assert!(suggested.contains(words), "{said}");
    }
    assert!(!suggested.contains("http"), "{said}");
}

#[test]
fn what_would_not_start_is_inspected_all_the_same() {
    let said = inspected("bad_start.wasm", &guest("bad_start"));
    assert_lines(
        &said,
        &["  start: called in each instance before its first request"],
    );
}

#[test]
fn everything_that_is_not_offered_is_named() {
    let app = App::new().handler("lost.wasm", guest("missing_import"));
    let file = app.handler_path("lost.wasm");
    let (code, said, wrong) = inspect(&file);
    assert_eq!(code, Some(1), "{wrong}");
    let missing: Vec<&str> = said
        .lines()
        .filter(|line| line.ends_with(" not offered"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(missing, ["nowhere:to/be-found", "nowhere:to/be-seen"]);
    let begin = format!("{}: imports what Waterspout does not offer", file.display());
    assert!(wrong.starts_with(&begin), "{wrong}");
}

#[test]
fn what_is_no_component_of_handlers_is_told_for_what_it_is() {
    for (bytes, words) in [
        (
            &b"\0asm\x01\0\0\0"[..],
            &["a core module, not a component", "wasm32-wasip2"][..],
        ),
        (b"fn main() {}", &["not WebAssembly"]),
        (
            &guest("other_world"),
            &[
                "not a component for Waterspout: no export `waterspout:web/handler@0.1.0`",
                "but `greet`\n",
                "hint: make one with waterspout-sdk",
            ],
        ),
        (
            &guest("trap_describe"),
            &["`describe` failed", "unreachable"],
        ),
    ] {
        let app = App::new().handler("it.wasm", bytes);
        let (code, _, wrong) = inspect(&app.handler_path("it.wasm"));
        assert_eq!(code, Some(1), "{wrong}");
        let file = app.handler_path("it.wasm");
        assert!(
            wrong.starts_with(&format!("{}: ", file.display())),
            "{wrong}"
        );
        for word in words {
            assert!(wrong.contains(word), "{wrong}");
        }
    }
    let (code, said, wrong) = inspect(Path::new("nowhere.wasm"));
    assert_eq!((code, &*said), (Some(1), ""));
    assert!(
        wrong.starts_with("nowhere.wasm: can't be read: "),
        "{wrong}"
    );
}

#[test]
fn in_an_app_its_grants_are_held_against_what_it_can_use() {
    let app = App::new()
        .handler("hello.wasm", example("hello"))
        .handler("grants.wasm", guest("grants"))
        .config("[component.'hello.wasm']\nallow = { read = ['handlers'] }\n");
    let (code, _, wrong) = inspect(&app.handler_path("hello.wasm"));
    assert_eq!(code, Some(0), "{wrong}");
    let place = app.path().join("waterspout.toml");
    let begin = format!(
        "{}:2:18: warning: `read` is granted for nothing",
        place.display()
    );
    assert!(wrong.starts_with(&begin), "{wrong}");
    let (code, _, wrong) = inspect(&app.handler_path("grants.wasm"));
    assert_eq!(code, Some(0), "{wrong}");
    assert!(wrong.contains("is granted no folder"), "{wrong}");
}
