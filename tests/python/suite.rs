//! Tornado's own tests, as pip installs them: no part of them is in the repository. What needs no socket runs in a
//! component; what asks a server asks one in a component. `suite/expected.txt` says what is not asked and what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use tokio::task::spawn_blocking;

use super::is_there;
use crate::harness::{App, cache, root};

/// The modules, those that need no server first: the others change what they find.
const MODULES: [&str; 13] = [
    "template",
    "escape",
    "locale",
    "httputil",
    "queues",
    "locks",
    "gen",
    "util",
    "web",
    "httpserver",
    "routing",
    "websocket",
    "httpclient",
];

/// The list, and the page that has what came of it.
const EXPECTED: &str = include_str!("suite/expected.txt");
const PAGE: &str = include_str!("../../docs/python-suite.md");

/// The app that runs the tests and serves them.
const FILES: [(&str, &str); 4] = [
    ("app.py", include_str!("suite/app.py")),
    ("pure.py", include_str!("suite/pure.py")),
    ("served.py", include_str!("suite/served.py")),
    ("results.py", include_str!("suite/results.py")),
];

const CONFIG: &str = "[component.\"suite.py\"]\n\
    memory = \"256MB\"\n\
    deadline = \"off\"\n\
    cpu_deadline = \"off\"\n\
    block_log = \"off\"\n\
    allow = { write = [\"tmp\"] }\n";

/// One test: its name, `ok` or what else, why, and where its client is: at a `socket` or `inside`.
type Test = (String, String, String, String);

#[tokio::test]
async fn tornado_s_own_tests_pass_in_a_component() {
    if !is_there().await {
        return;
    }
    let Some(tornado) = spawn_blocking(install).await.expect("an end") else {
        return println!("Tornado's tests are not run here: the index is not reached");
    };
    let server = suite(&tornado.join("tornado/test"))
        .serve_as("serve", &["--listen", "127.0.0.1:0"])
        .await;
    let address = Regex::new(r"serving on http://127\.0\.0\.1:(\d+)").unwrap();
    let log = server.log.text();
    let ports = address.captures_iter(&log).map(|port| port[1].to_owned());
    let mut command = Command::new("python3");
    command
        .arg(root().join("tests/python/suite/outside.py"))
        .arg(&tornado)
        .arg(root().join("tests/python/suite/expected.txt"))
        .args(ports)
        .args(MODULES.map(|name| format!("{name}_test")))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // A component on a busy machine is slower than what they were written for.
        .env("ASYNC_TEST_TIMEOUT", "30");
    let output = spawn_blocking(move || command.output())
        .await
        .expect("an end");
    let output = output.expect("python3");
    let said = String::from_utf8_lossy(&output.stdout);
    let tests: Vec<Test> = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("a test"))
        .collect();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{trouble}");
    assert_as_expected(&tests);
    for (place, percent) in [("socket", 95), ("inside", 99)] {
        let [asked, passed] = counts(&tests, place, &MODULES);
        assert!(
            asked > 0 && passed * 100 >= asked * percent,
            "{passed} of {asked} pass: {place}"
        );
    }
    let page = page(&tests);
    assert!(
        PAGE.ends_with(&page),
        "docs/python-suite.md must end with:\n{page}"
    );
}

/// Tornado with its tests, in the version of the component. It is kept beside what else the tests make.
fn install() -> Option<PathBuf> {
    let sources = include_str!("../../host/src/services/python/sources.rs");
    let package = Regex::new("tornado==[0-9.]+").unwrap();
    let package = package.find(sources).expect("a version").as_str();
    let folder = cache().join(package);
    if folder.is_dir() {
        return Some(folder);
    }
    let beside = tempfile::tempdir_in(cache()).expect("a folder");
    let installed = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(beside.path())
        .arg(package)
        .status()
        .expect("pip");
    // Another process may have been faster.
    let _ = std::fs::rename(beside.path(), &folder);
    installed.success().then_some(folder)
}

/// The app, with the tests beside it.
fn suite(tests: &Path) -> App {
    let app = App::new().config(CONFIG);
    let folder = app.handler_path("suite");
    std::fs::create_dir(app.path().join("tmp")).expect("tmp/");
    copy(tests, &folder.join("installed/test"));
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    app
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in from.read_dir().expect("a folder") {
        let entry = entry.expect("a file");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
            continue;
        }
        std::fs::copy(entry.path(), &to).expect("a copy");
        // Some tests look at the file that their server has by its time.
        let modified = entry.metadata().and_then(|found| found.modified());
        let file = std::fs::File::options().append(true).open(to);
        let file = file.expect("a copy");
        file.set_modified(modified.expect("a time"))
            .expect("a time");
    }
}

/// The names under the headings of one kind, each with its reason.
fn listed(kind: &str) -> BTreeMap<&'static str, &'static str> {
    let mut names = BTreeMap::new();
    let mut reason = None;
    for line in EXPECTED.lines().map(str::trim) {
        if let Some(heading) = line.strip_prefix("## ") {
            let (of, text) = heading.split_once(": ").expect("a reason");
            reason = (of == kind).then_some(text);
        } else if let Some(reason) = reason.filter(|_| !line.is_empty() && !line.starts_with('#')) {
            names.insert(line, reason);
        }
    }
    names
}

/// The name under which a test is listed: its own or that of its class.
fn listing<'a>(names: &BTreeMap<&'a str, &'a str>, test: &str) -> Option<(&'a str, &'a str)> {
    let class = test.rsplit_once('.').map_or(test, |(class, _)| class);
    let found = names.get_key_value(test).or(names.get_key_value(class));
    found.map(|(name, reason)| (*name, *reason))
}

/// What is listed as different fails, and nothing else does. Nothing is listed that does not exist.
fn assert_as_expected(tests: &[Test]) {
    let differs = listed("differs");
    let mut faults = String::new();
    for (name, outcome, why, _) in tests {
        let is_listed = listing(&differs, name).is_some();
        match outcome.as_str() {
            "ok" if is_listed => writeln!(faults, "{name} passes, and is listed as different"),
            "failure" | "error" if !is_listed => writeln!(faults, "{name}: {outcome}\n{why}"),
            _ => Ok(()),
        }
        .unwrap();
    }
    for kind in ["unasked", "host", "differs"] {
        let names = listed(kind);
        let found: BTreeSet<_> = tests
            .iter()
            .filter_map(|(name, ..)| Some(listing(&names, name)?.0))
            .collect();
        for name in names.keys().filter(|name| !found.contains(*name)) {
            writeln!(faults, "{name} is listed, and there is no such test").unwrap();
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// How many tests of some modules are asked in one way, and how many of them pass.
fn counts(tests: &[Test], way: &str, modules: &[&str]) -> [usize; 2] {
    let mut counts = [0; 2];
    for (name, outcome, _, place) in tests {
        let module = name.split_once("_test.").map_or("", |(module, _)| module);
        let is_asked = !matches!(outcome.as_str(), "unasked" | "skipped");
        if is_asked && place == way && modules.contains(&module) {
            counts[0] += 1;
            counts[1] += usize::from(outcome == "ok");
        }
    }
    counts
}

/// The end of the page: a row for each module, and each reason with the number of its tests.
fn page(tests: &[Test]) -> String {
    let mut page = String::from(
        "| tests of | over a socket | pass | inside | pass |\n|---|---|---|---|---|\n",
    );
    let rows = MODULES.iter().map(|module| (*module, vec![*module]));
    for (title, modules) in rows.chain([("all", MODULES.to_vec())]) {
        let [asked, passed] = counts(tests, "socket", &modules);
        let [run, well] = counts(tests, "inside", &modules);
        writeln!(page, "| {title} | {asked} | {passed} | {run} | {well} |").unwrap();
    }
    let (differs, unasked) = (listed("differs"), listed("unasked"));
    let mut reasons = [BTreeMap::new(), BTreeMap::new()];
    for (name, outcome, why, _) in tests {
        let (kind, reason) = match outcome.as_str() {
            "failure" | "error" => (0, listing(&differs, name).map(|(_, reason)| reason)),
            "unasked" => (1, listing(&unasked, name).map(|(_, reason)| reason)),
            "skipped" if why.contains("asks nothing") => (1, Some("it asks nothing of its server")),
            "skipped" => (1, Some("Tornado leaves it out on such a system")),
            _ => continue,
        };
        *reasons[kind].entry(reason.unwrap_or(why)).or_insert(0) += 1;
    }
    for (title, reasons) in ["differs", "not asked"].iter().zip(&reasons) {
        writeln!(page, "\n| {title} | tests |\n|---|---|").unwrap();
        for (reason, count) in reasons {
            writeln!(page, "| {reason} | {count} |").unwrap();
        }
    }
    page
}
