//! `waterspout new`: what it makes builds and serves as it is.

use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{App, example};

fn waterspout(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .args(arguments)
        .current_dir(folder)
        // All that it needs was fetched for the examples.
        .env("CARGO_NET_OFFLINE", "true")
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/new"),
        )
        .output()
        .expect("waterspout starts")
}

fn said(output: &Output) -> String {
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
    let server = App::new()
        .handler("my_app.wasm", read("handlers/my_app.wasm"))
        .config(&String::from_utf8(read("waterspout.toml")).expect("UTF-8"))
        .serve()
        .await;
    assert_eq!(server.get("/").await.body, "Hello, world");
    assert_eq!(server.get("/?name=you").await.body, "Hello, you");
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
