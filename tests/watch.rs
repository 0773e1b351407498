//! `generation::watch`: what of a folder's changes is noticed, and when.

mod elsewhere;

use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::harness::{App, Running, Way, entry, guest, put, versioned};

/// How long a file must be away to be gone.
const AWAY: Duration = Duration::from_secs(2);

async fn version_v1() -> Running {
    App::new()
        .handler("version.wasm", versioned("v1"))
        .serve()
        .await
}

#[tokio::test]
async fn what_changes_nothing_makes_no_generation() {
    let server = version_v1().await;
    let app = &server.app;
    put(Way::Rewritten, app, "version.wasm", &versioned("v1"));
    std::fs::write(app.handler_path("notes.txt"), "no component").expect("a file");
    std::fs::write(app.handler_path(".hidden.wasm"), "not yet").expect("a file");
    server.signal("HUP");
    server.log.line_with("nothing has changed").await;
    put(Way::Renamed, app, "version.wasm", &versioned("v2"));
    let status = server.until_serving("version.wasm", &versioned("v2")).await;
    assert_eq!(status["generation"], 2);
}

#[tokio::test]
async fn without_a_watch_only_a_signal_reloads() {
    let server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config("[server]\nwatch = false\n")
        .serve()
        .await;
    for version in ["v2", "v3"] {
        put(
            Way::Renamed,
            &server.app,
            "version.wasm",
            &versioned(version),
        );
        assert_eq!(server.get("/version").await.body, "v1");
    }
    server.signal("HUP");
    let status = server.until_serving("version.wasm", &versioned("v3")).await;
    assert_eq!(status["generation"], 2, "v2 was never looked at");
    assert_eq!(server.get("/version").await.body, "v3");
}

#[tokio::test]
async fn a_reload_by_hand_waits_for_a_file_in_the_making() {
    let server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config("[server]\nwatch = false\n")
        .serve()
        .await;
    let bytes = versioned("v2");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let place = server.app.handler_path("version.wasm");
    let mut writer = std::fs::File::create(&place).expect("truncated");
    writer.write_all(first).expect("the first half");
    server.signal("HUP");
    writer.write_all(second).expect("the second half");
    drop(writer);
    server.until_serving("version.wasm", &bytes).await;
}

#[tokio::test]
async fn a_removed_file_takes_its_route_along_when_it_stays_away_and_a_new_one_brings_it() {
    let server = version_v1().await;
    let removed = Instant::now();
    std::fs::remove_file(server.app.handler_path("version.wasm")).expect("removed");
    // What came meanwhile is not held up by it.
    put(Way::Copied, &server.app, "other.wasm", &versioned("v2"));
    server.until_serving("other.wasm", &versioned("v2")).await;
    assert_eq!(server.get("/other").await.body, "v2");
    server
        .until(|status| entry(status, "version.wasm").is_none())
        .await;
    assert!(removed.elapsed() >= AWAY);
    assert_eq!(server.get("/version").await.status, 404);
    assert_eq!(server.get("/other").await.body, "v2");
    server.log.line_with("version.wasm went").await;
}

/// A component that declares its routes takes them along to its new name.
#[tokio::test]
async fn a_component_of_another_name_takes_its_routes_over() {
    let server = App::new().handler("one.wasm", guest("kv")).serve().await;
    let routes = server.status().await["routes"].clone();
    std::fs::rename(
        server.app.handler_path("one.wasm"),
        server.app.handler_path("two.wasm"),
    )
    .expect("renamed");
    server.until_generation(2).await;
    let led_by = |status: &serde_json::Value, component: &str| {
        let routes = status["routes"].as_array().expect("routes");
        routes.iter().all(|route| route["component"] == component)
    };
    let status = server.until(|status| led_by(status, "two.wasm")).await;
    assert_eq!(
        status["routes"].as_array().map(Vec::len),
        routes.as_array().map(Vec::len)
    );
    server
        .until(|status| entry(status, "one.wasm").is_none())
        .await;
    assert!(
        !server.log.text().contains("refused"),
        "{}",
        server.log.text()
    );
}

/// Where nothing is left to say where to listen, the defaults would hold: that is said.
#[tokio::test]
async fn a_configuration_that_stays_away_is_removed_and_that_is_said() {
    let server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config("[[route]]\npattern = '/other'\nhandler = 'version.wasm'\n")
        .serve()
        .await;
    let removed = Instant::now();
    let toml = server.app.path().join("waterspout.toml");
    std::fs::remove_file(&toml).expect("removed");
    // Whatever else comes meanwhile.
    put(Way::Copied, &server.app, "version.wasm", &versioned("v2"));
    server.until_serving("version.wasm", &versioned("v2")).await;
    server.log.line_with("counts as removed").await;
    assert!(removed.elapsed() >= AWAY);
    server
        .until(|status| status["routes"][0]["pattern"] == "/version")
        .await;
    assert_eq!(server.get("/version").await.body, "v2");
}

#[tokio::test]
async fn an_app_that_is_gone_serves_on_and_is_taken_up_when_it_is_back() {
    let beside = tempfile::tempdir().expect("a folder");
    let (place, moved) = (beside.path().join("app"), beside.path().join("moved"));
    std::fs::create_dir_all(place.join("handlers")).expect("an app");
    let server = App::at(&place)
        .handler("version.wasm", versioned("v1"))
        .config("[[route]]\npattern = '/other'\nhandler = 'version.wasm'\n")
        .serve()
        .await;
    std::fs::rename(&place, &moved).expect("moved away");
    server.until_swap_is(false).await;
    server.log.line_with("there is no such folder").await;
    assert_eq!(server.get("/other").await.body, "v1");
    std::fs::write(moved.join("handlers/version.wasm"), versioned("v2")).expect("a component");
    std::fs::rename(&moved, &place).expect("moved back");
    server.until_serving("version.wasm", &versioned("v2")).await;
    assert_eq!(server.get("/other").await.body, "v2");
}

#[tokio::test]
async fn a_handlers_folder_may_come_later_and_be_replaced_whole() {
    let app = App::new();
    let handlers = app.path().join("handlers");
    std::fs::remove_dir(&handlers).expect("an empty folder");
    let server = app.serve().await;
    assert_eq!(server.get("/version").await.status, 404);

    std::fs::create_dir(&handlers).expect("handlers/");
    put(Way::Copied, &server.app, "version.wasm", &versioned("v1"));
    server.until_serving("version.wasm", &versioned("v1")).await;

    let next = server.app.path().join("next");
    std::fs::create_dir(&next).expect("next/");
    std::fs::write(next.join("version.wasm"), versioned("v2")).expect("a handler");
    std::fs::rename(&handlers, server.app.path().join("before")).expect("moved away");
    std::fs::rename(&next, &handlers).expect("moved in");
    server.until_serving("version.wasm", &versioned("v2")).await;

    // The new folder is watched like the first.
    put(
        Way::Rewritten,
        &server.app,
        "version.wasm",
        &versioned("v3"),
    );
    server.until_serving("version.wasm", &versioned("v3")).await;
    assert_eq!(server.get("/version").await.body, "v3");
}

#[tokio::test]
async fn links_count_too() {
    let app = App::new().handler("version.wasm", versioned("v1"));
    let releases = ["v2", "v3"].map(|version| {
        let release = app.path().join(version);
        std::fs::create_dir(&release).expect("a folder");
        std::fs::write(release.join("version.wasm"), versioned(version)).expect("a handler");
        release
    });
    let server = app.serve().await;
    let handlers = server.app.path().join("handlers");
    let [v2, v3] = &releases;

    // A link to a file, of which no writer's end is ever told.
    std::fs::hard_link(v2.join("version.wasm"), handlers.join("hard.wasm")).expect("a link");
    server.until_serving("hard.wasm", &versioned("v2")).await;
    symlink(v3.join("version.wasm"), handlers.join("soft.wasm")).expect("a link");
    server.until_serving("soft.wasm", &versioned("v3")).await;

    // A link in the folder's place, turned from one release to the next.
    std::fs::rename(&handlers, server.app.path().join("before")).expect("moved away");
    for (release, version) in [(v2, "v2"), (v3, "v3")] {
        let aside = server.app.path().join("turn");
        symlink(release, &aside).expect("a link");
        std::fs::rename(&aside, &handlers).expect("turned");
        server
            .until_serving("version.wasm", &versioned(version))
            .await;
    }
    server
        .until(|status| entry(status, "hard.wasm").is_none())
        .await;
    assert_eq!(server.get("/hard").await.status, 404);
    put(Way::Copied, &server.app, "version.wasm", &versioned("v4"));
    server.until_serving("version.wasm", &versioned("v4")).await;
}

/// A file counts when its writer has closed it, however long that takes and whatever else is dropped meanwhile.
#[tokio::test]
async fn a_file_in_the_making_holds_nobody_up_and_is_not_looked_at() {
    let server = App::new()
        .handler("slow.wasm", versioned("v1"))
        .handler("quick.wasm", versioned("v1"))
        .serve()
        .await;
    let bytes = versioned("v2");
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut writer =
        std::fs::File::create(server.app.handler_path("slow.wasm")).expect("truncated");
    writer.write_all(first).expect("the first half");
    let mut newcomer =
        std::fs::File::create(server.app.handler_path("new.wasm")).expect("a new file");
    newcomer.write_all(first).expect("the first half");
    let _empty = std::fs::File::create(server.app.handler_path("empty.wasm")).expect("a new file");

    // Far longer than a file has to be quiet for where the system does not tell of its closing.
    let began = Instant::now();
    for version in ["v2", "v3"].iter().cycle() {
        if began.elapsed() > Duration::from_millis(500) {
            break;
        }
        let quick = versioned(version);
        put(Way::Copied, &server.app, "quick.wasm", &quick);
        let status = server.until_serving("quick.wasm", &quick).await;
        assert_eq!(status["last_swap"]["ok"], true, "{status}");
        assert_eq!(server.get("/slow").await.body, "v1");
        assert_eq!(server.get("/new").await.status, 404);
    }
    writer.write_all(second).expect("the second half");
    drop(writer);
    server.until_serving("slow.wasm", &bytes).await;
    newcomer.write_all(second).expect("the second half");
    drop(newcomer);
    server.until_serving("new.wasm", &bytes).await;
    assert_eq!(
        (
            server.get("/slow").await.body,
            server.get("/new").await.body
        ),
        ("v2".into(), "v2".into())
    );
    let log = server.logged().await;
    assert!(!log.contains("refused"), "{log}");
}

/// What was left alone for long is not read again, so what the system tells of it has to be enough.
#[tokio::test]
async fn a_change_that_shows_in_neither_size_nor_time_is_noticed() {
    /// From then on a file's age counts (`generation::mark`).
    const SETTLED: Duration = Duration::from_secs(2);
    let config = |queue| format!("[component.\"quick.wasm\"]\nmax_queue = {queue}\n");
    let server = App::new()
        .handler("quick.wasm", versioned("v1"))
        .handler("version.wasm", versioned("v1"))
        .config(&config(4))
        .serve()
        .await;
    let (place, toml) = (
        server.app.handler_path("version.wasm"),
        server.app.path().join("waterspout.toml"),
    );
    let written = std::fs::metadata(&place).and_then(|file| file.modified());
    let written = written.expect("a time");
    tokio::time::sleep(SETTLED.saturating_sub(written.elapsed().unwrap_or_default())).await;
    put(Way::Renamed, &server.app, "quick.wasm", &versioned("v2"));
    server.until_generation(2).await;

    let mut file = std::fs::File::create(&place).expect("truncated");
    file.write_all(&versioned("v2")).expect("all of it");
    file.set_modified(written).expect("the time of before");
    drop(file);
    server.until_serving("version.wasm", &versioned("v2")).await;
    assert_eq!(server.get("/version").await.body, "v2");

    std::fs::write(&toml, config(5)).expect("written");
    server.until_generation(4).await;
    assert_eq!(server.component("quick.wasm").await["generation"], 4);
    assert_eq!(server.component("version.wasm").await["generation"], 3);
}
