//! `generation::watch`: what no event tells of is found by looking, and what can't be read or watched keeps nobody from
//! serving.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{App, Running, Way, guest, put, versioned};

/// Turns a link to what it has not led to, in one step.
fn turn(link: &Path, to: &Path) {
    let aside = link.with_file_name("turning");
    symlink(to, &aside).expect("a link");
    std::fs::rename(&aside, link).expect("turned");
}

fn config(number: u32) -> String {
    format!("[settings]\napp = {{ number = {number} }}\n")
}

/// As Kubernetes mounts them: each file is a link through `..data`, and that is what is turned.
#[tokio::test]
async fn files_behind_a_link_that_is_turned_are_taken_up_together() {
    let app = App::new();
    let handlers = app.path().join("handlers");
    let write = |folder: &Path, version: &str| {
        std::fs::create_dir(folder).expect("a folder");
        std::fs::write(folder.join("version.wasm"), versioned(version)).expect("a component");
        std::fs::write(
            folder.join("waterspout.toml"),
            config(folder.iter().count() as u32),
        )
        .expect("a configuration");
    };
    for folder in [app.path(), handlers.as_path()] {
        write(&folder.join("..1"), "v1");
        write(&folder.join("..2"), "v2");
        symlink("..1", folder.join("..data")).expect("a link");
    }
    symlink("..data/version.wasm", handlers.join("version.wasm")).expect("a link");
    symlink("..data/waterspout.toml", app.path().join("waterspout.toml")).expect("a link");
    let server = app.serve().await;
    assert_eq!(server.get("/version").await.body, "v1");
    turn(&handlers.join("..data"), Path::new("..2"));
    server.until_serving("version.wasm", &versioned("v2")).await;

    let toml = "[[route]]\npattern = '/other'\nhandler = 'version.wasm'\n";
    std::fs::write(server.app.path().join("..2/waterspout.toml"), toml).expect("written");
    turn(&server.app.path().join("..data"), Path::new("..2"));
    server
        .until(|status| status["routes"][0]["pattern"] == "/other")
        .await;
    assert_eq!(server.get("/other").await.body, "v2");
}

#[tokio::test]
async fn a_link_to_what_a_build_writes_follows_the_build() {
    let app = App::new();
    let output = app.path().join("target");
    std::fs::create_dir(&output).expect("a folder");
    let output = output.join("out.wasm");
    std::fs::write(&output, versioned("v1")).expect("built");
    symlink("../target/out.wasm", app.handler_path("version.wasm")).expect("a link");
    let server = app.serve().await;
    std::fs::write(&output, versioned("v2")).expect("built in place");
    server.until_serving("version.wasm", &versioned("v2")).await;
    std::fs::remove_file(&output).expect("removed");
    std::fs::write(&output, versioned("v3")).expect("built anew");
    server.until_serving("version.wasm", &versioned("v3")).await;
    assert_eq!(server.get("/version").await.body, "v3");
}

/// By hand as well, and the watch is where the app is from then on.
#[tokio::test]
async fn without_a_watch_a_signal_takes_up_an_app_that_was_turned() {
    let beside = tempfile::tempdir().expect("a folder");
    let current = beside.path().join("current");
    for version in ["v1", "v2"] {
        let handlers = beside.path().join(version).join("handlers");
        std::fs::create_dir_all(&handlers).expect("a folder");
        std::fs::write(handlers.join("version.wasm"), versioned(version)).expect("a component");
    }
    let toml = |folder: &str, watch: bool| {
        let text = format!("[server]\nwatch = {watch}\n");
        let path = beside.path().join(folder).join("waterspout.toml");
        std::fs::write(path, text).expect("a configuration");
    };
    toml("v1", false);
    toml("v2", true);
    symlink(beside.path().join("v1"), &current).expect("a link");
    let server = App::at(&current).serve().await;
    turn(&current, &beside.path().join("v2"));
    server.signal("HUP");
    server.until_serving("version.wasm", &versioned("v2")).await;
    put(
        Way::Rewritten,
        &server.app,
        "version.wasm",
        &versioned("v3"),
    );
    server.until_serving("version.wasm", &versioned("v3")).await;
}

#[tokio::test]
async fn a_granted_folder_that_is_replaced_is_the_one_that_guests_see() {
    let app = App::new()
        .handler("grants.wasm", guest("grants"))
        .config("[component.\"grants.wasm\"]\nallow = { read = [\"data\"] }\n");
    let folder = |name: &str, text: &str| {
        std::fs::create_dir(app.path().join(name)).expect("a folder");
        std::fs::write(app.path().join(name).join("file"), text).expect("a file");
    };
    folder("data", "old");
    folder("next", "new");
    let server = app.serve().await;
    let read = async || server.json("/grants?read=data/file&write=data/x").await["read"].clone();
    assert_eq!(read().await, json!("old"));
    let path = |name: &str| server.app.path().join(name);
    std::fs::rename(path("data"), path("before")).expect("moved away");
    assert_eq!(read().await, json!("old"));
    std::fs::rename(path("next"), path("data")).expect("moved in");
    server.until_generation(2).await;
    assert_eq!(read().await, json!("new"));
}

/// How many folders the system watches for a process.
fn watches(server: &Running) -> usize {
    let folder = format!("/proc/{}/fdinfo", server.pid());
    let all = std::fs::read_dir(folder)
        .expect("its descriptors")
        .flatten();
    let texts = all.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    texts.map(|text| text.matches("inotify wd:").count()).sum()
}

#[tokio::test]
async fn nothing_is_watched_through_a_link_that_the_app_does_not_use() {
    let app = App::new().handler("version.wasm", versioned("v1"));
    let (many, folder) = (
        tempfile::tempdir().expect("a folder"),
        app.path().join("static"),
    );
    for number in 0..100 {
        std::fs::create_dir(many.path().join(number.to_string())).expect("a folder");
    }
    std::fs::create_dir(&folder).expect("static/");
    symlink(many.path(), folder.join("many")).expect("a link");
    let server = app.serve().await;
    assert!((1..10).contains(&watches(&server)), "{}", watches(&server));
}

/// A shell in a namespace of its own where this was done first; `None` where the system grants none.
fn namespace(done: &str) -> Option<[String; 4]> {
    let script = format!("{done}\nexec \"$0\" \"$@\"");
    let command = ["unshare", "-Urm", "sh", "-ec"];
    let ran = Command::new(command[0])
        .args(&command[1..])
        .args([&script, "true"])
        .output();
    match ran {
        Ok(ran) if ran.status.success() => {
            Some([command[1], command[2], command[3], &script].map(str::to_owned))
        }
        ran => {
            println!("not on this system: {ran:?}");
            None
        }
    }
}

#[tokio::test]
async fn a_file_that_is_mounted_and_written_elsewhere_is_taken_up() {
    let app = App::new().handler("version.wasm", "a place");
    let source = app.path().join("source.wasm");
    std::fs::write(&source, versioned("v1")).expect("a component");
    let place = app.handler_path("version.wasm");
    let mount = format!("mount --bind {} {}", source.display(), place.display());
    let Some(namespace) = namespace(&mount) else {
        return;
    };
    let server = app.through("unshare", &namespace).serve().await;
    assert_eq!(server.get("/version").await.body, "v1");
    std::fs::write(&source, versioned("v2")).expect("written");
    server.until_serving("version.wasm", &versioned("v2")).await;
    assert_eq!(server.get("/version").await.body, "v2");
}

#[tokio::test]
async fn without_anything_to_watch_with_changes_are_found_by_looking() {
    for (limit, most) in [("instances", 0), ("watches", 1)] {
        let lower = format!("echo {most} > /proc/sys/user/max_inotify_{limit}");
        let Some(namespace) = namespace(&lower) else {
            return;
        };
        let server = App::new()
            .handler("version.wasm", versioned("v1"))
            .through("unshare", &namespace)
            .serve()
            .await;
        server.log.line_with("files can't be watched").await;
        for (way, version) in [(Way::Renamed, "v2"), (Way::Rewritten, "v3")] {
            put(way, &server.app, "version.wasm", &versioned(version));
            server
                .until_serving("version.wasm", &versioned(version))
                .await;
        }
        let log = server.log.text();
        assert_eq!(log.matches("can't be watched").count(), 1, "{log}");
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_one_failed_component() {
    let app = App::new().handler("version.wasm", versioned("v1"));
    symlink("nowhere", app.handler_path("link.wasm")).expect("a link");
    std::fs::create_dir(app.handler_path("folder.wasm")).expect("a folder");
    let pipe = Command::new("mkfifo")
        .arg(app.handler_path("pipe.wasm"))
        .status();
    assert!(pipe.expect("mkfifo").success());
    let server = app.serve().await;
    for (path, said) in [
        ("link", "No such file"),
        ("folder", "it is a folder"),
        ("pipe", "it is a named pipe"),
    ] {
        let entry = server.component(&format!("{path}.wasm")).await;
        assert_eq!(entry["state"], "failed", "{entry}");
        let error = entry["error"].as_str().expect("an error");
        assert!(error.contains(said), "{error}");
        assert_eq!(server.get(&format!("/{path}")).await.status, 503);
    }
    put(Way::Copied, &server.app, "version.wasm", &versioned("v2"));
    let status = server.until_serving("version.wasm", &versioned("v2")).await;
    assert_eq!(status["last_swap"]["ok"], true, "{status}");

    // Whatever can be read in the end serves.
    let target = server.app.handler_path("nowhere");
    std::fs::write(&target, versioned("v3")).expect("a component");
    server.until_serving("link.wasm", &versioned("v3")).await;
    assert_eq!(server.get("/link").await.body, "v3");
}
