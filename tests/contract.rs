//! The contract between host and components: which interfaces a component may have, how it describes itself and how it
//! is entered. What a version of it has released stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{App, Running, entry, guest, root, soon, versioned};

#[tokio::test]
async fn work_is_done_without_a_handler_and_no_route_leads_to_it() {
    let app = || App::new().handler("no_handler.wasm", guest("no_handler"));
    let server = app().handler("kv.wasm", guest("kv")).serve().await;
    let ran = |entry: &Value| entry["value"].as_str()?.parse::<u64>().ok();
    server
        .until_json("/kv/get?bucket=counts&key=ran", |entry| {
            ran(entry) >= Some(3)
        })
        .await;
    let status = server.status().await;
    let schedules = status["schedules"].as_array().expect("schedules");
    assert_eq!(schedules.len(), 1, "{status}");
    assert_eq!(schedules[0]["name"], "no_handler.wasm#often", "{status}");
    assert_eq!(schedules[0]["failures"], 0, "{status}");
    assert_eq!(server.get("/no_handler").await.status, 404);

    let (code, said) = app()
        .config("[[route]]\npattern = '/there'\nhandler = 'no_handler.wasm'\n")
        .run("check");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`no_handler.wasm` has no handlers"), "{said}");
}

async fn entered_once() -> Running {
    App::new()
        .handler("entered_once.wasm", guest("entered_once"))
        .serve()
        .await
}

/// What the guest says that it got, which must be in a response 200.
async fn got(server: &Running, line: &str, head: &str, body: &str) -> Value {
    let answer = server.request(line, head, body).await;
    assert_eq!(answer.status, 200, "{line}: {answer:?}");
    serde_json::from_str(&answer.body).expect("JSON")
}

#[tokio::test]
async fn a_handler_with_execute_is_entered_once_and_brought_what_it_asks_for() {
    let server = entered_once().await;
    let first = got(&server, "GET /entered_once?a=%20b", "X-Asked: yes\r\n", "").await;
    assert_eq!(
        first,
        json!({
            "by": "execute",
            "last": true,
            "kwargs": null,
            "method": 0,
            "arguments": null,
            "uri": "/entered_once?a=%20b",
            "asked": "yes",
        })
    );
    let path = "/entered_once/of/one";
    for (method, number) in [("QUERY", 1), ("POST", 2)] {
        let next = got(&server, &format!("{method} {path}"), "", "a body").await;
        assert_eq!(
            next,
            json!({
                "by": "execute",
                "last": true,
                "kwargs": "{\"from\":\"the route\"}",
                "method": number,
                "arguments": ["one", null],
                "uri": path,
                "asked": null,
            })
        );
    }
    assert_eq!(server.component("entered_once.wasm").await["traps"], 0);
}

#[tokio::test]
async fn a_method_without_a_function_of_its_own_reaches_its_handler() {
    let server = entered_once().await;
    let properties = got(&server, "PROPFIND /entered_once/properties", "", "").await;
    let expected = json!({ "by": "method", "last": true, "method": 0, "arguments": null });
    assert_eq!(properties, expected);
}

#[tokio::test]
async fn another_method_is_405_with_those_that_the_handler_names() {
    let server = entered_once().await;
    for (line, allow) in [
        ("DELETE /entered_once", "GET, QUERY, POST"),
        ("PROPFIND /entered_once", "GET, QUERY, POST"),
        ("GET /entered_once/properties", "PROPFIND"),
        ("QUERY /entered_once/properties", "PROPFIND"),
    ] {
        let answer = server.request(line, "", "").await;
        assert_eq!(answer.status, 405, "{line}: {answer:?}");
        assert_eq!(answer.header("allow"), Some(allow), "{line}: {answer:?}");
    }
}

#[tokio::test]
async fn a_handler_with_prepare_and_no_method_gets_all_of_them_and_has_to_finish() {
    let server = entered_once().await;
    for method in ["GET", "POST", "PROPFIND"] {
        let line = format!("{method} /entered_once/prepared/done");
        let prepared = got(&server, &line, "", "").await;
        let arguments = json!({ "how": "done" });
        let expected = json!({ "by": "prepare", "last": false, "arguments": arguments });
        assert_eq!(prepared, expected, "{line}");
        let line = format!("{method} /entered_once/prepared/other");
        let answer = server.request(&line, "", "").await;
        assert_eq!(answer.status, 405, "{line}: {answer:?}");
    }
    assert_eq!(server.component("entered_once.wasm").await["traps"], 0);
}

#[tokio::test]
async fn a_handler_with_execute_and_no_method_makes_its_error_page_with_the_object_that_it_has() {
    let server = entered_once().await;
    let done = got(&server, "QUERY /entered_once/gate/done", "", "").await;
    let arguments = json!({ "how": "done" });
    assert_eq!(done, json!({ "by": "execute", "arguments": arguments }));
    let answer = server.get("/entered_once/gate/other").await;
    assert_eq!((answer.status, &*answer.body), (405, "a page of its own"));
    assert_eq!(server.component("entered_once.wasm").await["traps"], 0);
}

#[tokio::test]
async fn a_component_that_exports_what_the_host_does_not_know_serves() {
    let server = App::new()
        .handler("from_the_future.wasm", guest("from_the_future"))
        .serve()
        .await;
    assert_eq!(server.get("/from_the_future").await.body, "served");
}

#[tokio::test]
async fn a_component_that_names_what_the_host_does_not_know_needs_a_newer_one() {
    let app = App::new().handler("unknown_name.wasm", guest("unknown_name"));
    let (code, said) = app.run("check");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("on-dream") && said.contains("newer"),
        "{said}"
    );

    let good = versioned("v1");
    let server = App::new().handler("version.wasm", &good).serve().await;
    server.app.replace("version.wasm", &guest("unknown_name"));
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].to_string();
    assert!(
        error.contains("on-dream") && error.contains("newer"),
        "{error}"
    );
    assert_eq!(server.get("/version").await.body, "v1");
}

#[tokio::test]
async fn settings_that_start_has_read_make_new_instances_and_others_make_none() {
    let config = |title: &str| {
        format!(
            "[settings.app]\ntitle = \"{title}\"\n\n[component.\"lifecycle.wasm\"]\ninstances = 1\n"
        )
    };
    let server = App::new()
        .handler("asks_at_start.wasm", guest("asks_at_start"))
        .handler("lifecycle.wasm", guest("lifecycle"))
        .config(&config("one"))
        .serve()
        .await;
    let both = |title: &str| format!("{{\"title\":\"{title}\"}} {{\"title\":\"{title}\"}}");
    assert_eq!(server.get("/asks_at_start").await.body, both("one"));
    assert_eq!(server.json("/lifecycle/log").await, json!(["start"]));
    assert_eq!(server.get("/lifecycle?as=a").await.body, "get of a");
    let notes = |log: &Value| log.as_array().map_or(0, Vec::len);
    server
        .until_json("/lifecycle/log", |log| notes(log) == 5)
        .await;

    let place = server.app.path().join("waterspout.toml");
    std::fs::write(place.with_extension("new"), config("two")).expect("a file");
    std::fs::rename(place.with_extension("new"), &place).expect("a rename");
    let status = server.until_generation(2).await;
    assert_eq!(server.get("/asks_at_start").await.body, both("two"));
    let since = |file: &str| entry(&status, file).expect("it serves")["generation"].clone();
    assert_eq!(since("asks_at_start.wasm"), 2, "{status}");
    // Its `start` has asked for nothing, and the notes of its one instance are still there.
    assert_eq!(since("lifecycle.wasm"), 1, "{status}");
    assert_eq!(notes(&server.json("/lifecycle/log").await), 5);
}

#[tokio::test]
async fn what_was_built_for_version_0_1_0_serves() {
    let server = App::new()
        .handler("snapshot.wasm", guest("snapshot"))
        .serve()
        .await;
    let first = server.json("/snapshot").await;
    assert_eq!(
        first,
        json!({
            "started": 1,
            "ran": first["ran"],
            "spawned": true,
            "called": "cba",
            "stored": true,
            "published": 0,
            "settings": "{}",
            "reversed": "/snapshot",
            "method": "GET",
        })
    );
    server
        .until_json("/snapshot", |answer| answer["ran"].as_u64() >= Some(1))
        .await;
    let answer = server.request("POST /snapshot", "", "a body").await;
    assert_eq!((answer.status, &*answer.body), (200, "a body"));
    let log = server.log.clone();
    assert!(soon(server.stop()).await.success());
    let log = log.whole().await;
    assert!(log.contains("the snapshot stops"), "{log}");
}

/// Packages by their names with versions, and the text of each file of theirs by its place.
type Packages = BTreeMap<String, BTreeMap<PathBuf, String>>;

#[test]
fn a_version_that_was_released_never_changes() {
    let wit = root().join("wit");
    let released = root().join("tests/contract");
    let packages = packages_in(&wit);
    // The world has all the others, so its version is that of the contract.
    let version = packages
        .keys()
        .find_map(|package| package.strip_prefix("waterspout:component@"))
        .expect("the package of the worlds");
    let newest = released.join(version);
    if std::env::var_os("WATERSPOUT_RECORD").is_some() {
        record(&packages, &wit, &newest);
        return;
    }
    let mut faults = Vec::new();
    for folder in std::fs::read_dir(&released).expect("tests/contract") {
        let folder = folder.expect("an entry").path();
        let snapshot = packages_in(&folder);
        for (package, files) in &packages {
            match snapshot.get(package) {
                Some(then) if then == files => {}
                Some(then) => faults.push(format!(
                    "{package} is not what {} has: {}",
                    folder.display(),
                    differing(files, then).join(", ")
                )),
                // Older ones don't have what is newer.
                None if folder != newest => {}
                None => faults.push(format!("{package} is not in {}", folder.display())),
            }
        }
        let gone = snapshot.keys().filter(|name| !packages.contains_key(*name));
        if folder == newest {
            faults.extend(gone.map(|package| format!("{package} is gone")));
        }
        let name = folder.file_name().expect("a name").to_string_lossy();
        if !guests_are_built_for(&name) {
            faults.push(format!("no guest is built for version {name}"));
        }
    }
    if !newest.is_dir() {
        faults.push(format!("version {version} has no snapshot"));
    }
    assert!(
        faults.is_empty(),
        "{}\nA version that was released never changes: what changes gets a new one. Until the tag of its release, a \
         change is recorded by `WATERSPOUT_RECORD=1 cargo test contract`, and CHANGELOG.md says why in the same commit.",
        faults.join("\n")
    );
}

/// Puts a copy of these packages in the place of what is there.
fn record(packages: &Packages, wit: &Path, place: &Path) {
    if place.is_dir() {
        std::fs::remove_dir_all(place).expect("the old snapshot goes");
    }
    for file in packages.values().flat_map(BTreeMap::keys) {
        let copy = place.join(file);
        std::fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
        std::fs::copy(wit.join(file), copy).expect("a copy");
    }
}

/// Our packages in a folder of WIT; those of others are left out.
fn packages_in(folder: &Path) -> Packages {
    let mut packages = Packages::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let mut texts = Vec::new();
        for file in std::fs::read_dir(&next).expect("a folder") {
            let path = file.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let text = std::fs::read_to_string(&path).expect("a text");
                    texts.push((path, bare(&text)));
                }
            }
        }
        // One file of a package has to name it, and the others in its folder need not.
        let named = texts.iter().find_map(|(_, text)| package_of(text));
        let named = named.map(str::to_owned);
        for (path, text) in texts {
            let package = package_of(&text).or(named.as_deref()).expect("a package");
            if package.starts_with("waterspout:") {
                let place = path.strip_prefix(folder).expect("inside").to_owned();
                let files = packages.entry(package.to_owned()).or_default();
                files.insert(place, text);
            }
        }
    }
    packages
}

/// The package that a file names, with its version.
fn package_of(text: &str) -> Option<&str> {
    let (package, _) = text.strip_prefix("package")?.split_once(';')?;
    Some(package)
}

/// The text without comments and blank space.
fn bare(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split("//").next());
    lines
        .flat_map(str::chars)
        .filter(|sign| !sign.is_whitespace())
        .collect()
}

/// The files that only one of them has, or that have another text in each.
fn differing(files: &BTreeMap<PathBuf, String>, then: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let mut names: Vec<_> = files.keys().chain(then.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| files.get(*name) != then.get(*name));
    names
        .iter()
        .map(|name| name.display().to_string())
        .collect()
}

/// Whether a guest has its bindings from the snapshot of this version.
fn guests_are_built_for(version: &str) -> bool {
    let path = format!("path: \"../../contract/{version}\"");
    let guests = std::fs::read_dir(root().join("tests/guests")).expect("the guests");
    guests
        .map(|guest| guest.expect("an entry").path().join("src/lib.rs"))
        .filter_map(|source| std::fs::read_to_string(source).ok())
        .any(|text| text.contains(&path))
}

#[test]
fn a_component_that_describes_too_much_is_refused_with_the_limit() {
    for (what, words) in [
        ("", "fine"),
        ("handlers", "describes 2000 handlers; it may describe 1000"),
        ("routes", "describes 20000 routes; it may describe 10000"),
        (
            "patterns",
            "all patterns together are too large once compiled",
        ),
        (
            "schedules",
            "describes 30000 schedules; it may describe 1000",
        ),
        ("text", "describes itself in more than 4 MB of text"),
    ] {
        let app = App::new()
            .handler("boasts.wasm", guest("boasts"))
            .config(&format!(
                "[component.'boasts.wasm']\nenv = {{ WHAT = '{what}' }}\n"
            ));
        let (_, said) = app.run("check");
        assert!(said.contains(words), "{what}: {said}");
    }
}
