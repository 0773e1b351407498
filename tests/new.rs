//! `waterspout new` and `waterspout add`: what they make builds, serves and passes its test as it is.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{App, example};

/// Runs the command in this folder.
pub fn waterspout(arguments: &[&str], folder: &Path) -> Output {
    run(env!("CARGO_BIN_EXE_waterspout"), arguments, folder, &[])
}

/// `cargo test` in an app, as its author runs it.
fn cargo_test(app: &Path) -> Output {
    let more = [
        ("WATERSPOUT", env!("CARGO_BIN_EXE_waterspout")),
        // Nothing but the linker of this machine knows it: a component that it reached would not build.
        ("RUSTFLAGS", "-Clink-arg=-pthread"),
        ("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")),
        // Other tests want the cores, too.
        ("ASYNC_TEST_TIMEOUT", "30"),
    ];
    run(env!("CARGO"), &["test"], app, &more)
}

fn run(program: &str, arguments: &[&str], folder: &Path, more: &[(&str, &str)]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        // All that it needs was fetched for the examples and for the tests.
        .env("CARGO_NET_OFFLINE", "true")
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/new"),
        )
        .envs(more.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// All that it has printed.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn a_new_app_builds_and_serves_as_it_is() {
    example("hello");
    let folder = tempfile::tempdir().expect("a folder");
    let made = waterspout(&["new", "my-app"], folder.path());
    assert!(made.status.success(), "{}", said(&made));
    let built = waterspout(&["build", "my-app"], folder.path());
    assert!(built.status.success(), "{}", said(&built));
    let read = |path: &str| std::fs::read(folder.path().join("my-app").join(path)).expect(path);
    let app = App::new()
        .handler("my_app.wasm", read("handlers/my_app.wasm"))
        .config(&String::from_utf8(read("waterspout.toml")).expect("UTF-8"));
    // The configuration names it.
    std::fs::write(app.path().join("cookie_secret"), read("cookie_secret")).expect("a file");
    let server = app.serve().await;
    assert_eq!(server.get("/").await.body, "Hello, world");
    assert_eq!(server.get("/?name=you").await.body, "Hello, you");
    let escaped = server.get("/?name=%3Cb%3E%27").await.body;
    assert_eq!(escaped, "Hello, &lt;b&gt;&#x27;");
}

#[test]
fn a_new_app_passes_its_test_as_it_is() {
    example("hello");
    let folder = tempfile::tempdir().expect("a folder");
    let made = waterspout(&["new", "my-tested-app"], folder.path());
    assert!(made.status.success(), "{}", said(&made));
    let app = folder.path().join("my-tested-app");
    let passed = cargo_test(&app);
    let output = said(&passed);
    assert!(passed.status.success(), "{output}");
    assert!(output.contains("test it_greets ... ok"), "{output}");

    // What fails shows the log of its own server; what is built is built once for both.
    let tests = app.join("tests/app.rs");
    let fails = "#[test]\nfn it_fails() {\n    assert_eq!(App::serve().fetch(\"/nowhere\").code(), 200);\n}\n";
    let greets = std::fs::read_to_string(&tests).expect("the test");
    std::fs::write(&tests, format!("{greets}\n{fails}")).expect("a test");
    let output = said(&cargo_test(&app));
    assert!(output.contains("test it_greets ... ok"), "{output}");
    assert!(output.contains("test it_fails ... FAILED"), "{output}");
    assert_eq!(output.matches("   Component ").count(), 1, "{output}");
    let (_, log) = output.split_once("--- log of the server\n").expect("a log");
    assert!(log.contains("404 GET /nowhere"), "{output}");
    assert!(!log.contains("GET /?name=you"), "{output}");
}

#[test]
fn what_is_there_stays_and_a_name_has_to_be_one() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("there")).expect("a folder");
    for (name, why) in [
        ("there", "there: is there already"),
        ("1st", "`1st` can't be the name of a crate"),
        ("a b", "`a b` can't be the name of a crate"),
        ("..", "the app needs a name"),
    ] {
        let refused = waterspout(&["new", name], folder.path());
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(said(&refused).starts_with(why), "{}", said(&refused));
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a folder").count(),
        1
    );
}

#[tokio::test]
async fn an_added_component_is_built_and_served_beside_the_first() {
    example("hello");
    let folder = tempfile::tempdir().expect("a folder");
    let made = waterspout(&["new", "my-site"], folder.path());
    assert!(made.status.success(), "{}", said(&made));
    let app = folder.path().join("my-site");
    let added = waterspout(&["add", "back-office"], &app);
    assert!(added.status.success(), "{}", said(&added));
    assert!(said(&added).contains("back-office is there, and serves /back-office"));
    // What stood in the files stays.
    let manifest = std::fs::read_to_string(app.join("Cargo.toml")).expect("the manifest");
    assert!(
        manifest.contains("# Its own, wherever the folder is."),
        "{manifest}"
    );
    assert!(
        manifest.contains("members = [\"back-office\"]"),
        "{manifest}"
    );

    let built = waterspout(&["build"], &app);
    assert!(built.status.success(), "{}", said(&built));
    let read = |path: &str| std::fs::read(app.join(path)).expect(path);
    let app_elsewhere = App::new()
        .handler("my_site.wasm", read("handlers/my_site.wasm"))
        .handler("back_office.wasm", read("handlers/back_office.wasm"))
        .config(&String::from_utf8(read("waterspout.toml")).expect("UTF-8"));
    let secret = app_elsewhere.path().join("cookie_secret");
    std::fs::write(secret, read("cookie_secret")).expect("a file");
    let server = app_elsewhere.serve().await;
    assert_eq!(server.get("/").await.body, "Hello, world");
    assert_eq!(
        server.get("/back-office").await.body,
        "Hello from back-office"
    );

    for (name, why) in [
        ("back-office", "is there already"),
        ("src", "is there already"),
        ("a b", "can't be the name of a crate"),
    ] {
        let refused = waterspout(&["add", name], &app);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(said(&refused).contains(why), "{}", said(&refused));
    }
    let refused = waterspout(&["add", "other"], folder.path());
    assert!(
        said(&refused).contains("`waterspout new` makes an app"),
        "{}",
        said(&refused)
    );
}
