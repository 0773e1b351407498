//! `[[schedule]]` and what components declare: runs begin in time and never overlap, and missed ones are reported.

use serde_json::{Value, json};

use crate::harness::{App, Running, guest};

const FILE: &str = "schedule.wasm";

fn app(config: &str) -> App {
    App::new()
        .handler(FILE, guest("schedule"))
        .config(&format!("[server]\ngrace = \"2s\"\n{config}"))
}

fn every(period: &str, ms: u32) -> String {
    format!(
        "\n[[schedule]]\nname = \"often\"\nevery = \"{period}\"\nfunction = \"{FILE}#job\"\n\
         arguments = {{ name = \"often\", ms = {ms} }}\n"
    )
}

/// Writes another configuration for a server that runs.
fn reconfigure(server: &Running, config: &str) {
    let path = server.app.path().join("waterspout.toml");
    let text = format!("[server]\ngrace = \"2s\"\n{config}");
    std::fs::write(path.with_extension("new"), text).expect("a file");
    std::fs::rename(path.with_extension("new"), &path).expect("a rename");
}

/// The status' entry of a schedule.
fn record(status: &Value, name: &str) -> Value {
    let schedules = status["schedules"].as_array().expect("schedules");
    let found = schedules.iter().find(|schedule| schedule["name"] == name);
    found.cloned().unwrap_or(json!({}))
}

#[tokio::test]
async fn what_a_component_declares_is_run_when_it_is_due() {
    let server = app("").serve().await;
    server
        .until(|status| record(status, "schedule.wasm#declared")["runs"].as_u64() >= Some(5))
        .await;
    server.log.nth_line_with(5, "declared: begins").await;
    server.log.one_at_a_time("declared");
    server
        .log
        .line_with("the scheduled run `schedule.wasm#fail` failed: it failed on time")
        .await;
    let status = server.status().await;
    assert_eq!(
        record(&status, "schedule.wasm#fail")["when"],
        "cron * * * * * *"
    );
    assert!(record(&status, "schedule.wasm#fail")["failures"].as_u64() >= Some(1));
}

#[tokio::test]
async fn runs_that_take_too_long_are_missed_and_never_two_at_once() {
    let server = app(&every("50ms", 180)).serve().await;
    let line = server
        .log
        .line_with("the schedule `often` has missed")
        .await;
    assert!(line.contains(" runs: "), "{line}");
    let status = server
        .until(|status| record(status, "often")["runs"].as_u64() >= Some(5))
        .await;
    let often = record(&status, "often");
    // Three or so for each run.
    assert!(often["missed"].as_u64() >= Some(10), "{often}");
    assert_eq!(often["failures"], 0);
    server.log.nth_line_with(5, "often: begins").await;
    server.log.one_at_a_time("often");
    // The component's own don't count where the configuration has some.
    assert_eq!(
        status["schedules"].as_array().map(Vec::len),
        Some(1),
        "{status}"
    );
}

#[tokio::test]
async fn a_swap_changes_a_schedule_and_never_makes_two_of_it() {
    let server = app(&every("50ms", 120)).serve().await;
    for (number, period) in (2..).zip(["60ms", "70ms", "50ms", "40ms"]) {
        server.log.nth_line_with(number * 2, "often: begins").await;
        reconfigure(&server, &every(period, 120));
        let when = format!("every {period}");
        server
            .until(|status| record(status, "often")["when"] == *when)
            .await;
    }
    server.log.nth_line_with(12, "often: begins").await;
    server.log.one_at_a_time("often");
}

#[tokio::test]
async fn a_schedule_that_goes_and_comes_back_waits_for_its_run() {
    // Longer than the test.
    let config = every("50ms", 600_000);
    let server = app(&config).serve().await;
    server.log.line_with("often: begins").await;
    reconfigure(&server, "");
    server
        .until(|status| record(status, "often")["runs"].is_null())
        .await;
    reconfigure(&server, &config);
    let begins = || server.log.text().matches("often: begins").count();
    let status = server
        .until(|status| begins() > 1 || record(status, "often")["missed"].as_u64() >= Some(5))
        .await;
    let log = server.logged().await;
    assert_eq!(begins(), 1, "two at once:\n{log}");
    assert_eq!(record(&status, "often")["running"], true, "{status}");
}

#[tokio::test]
async fn a_shutdown_names_the_run_that_it_cuts() {
    let server = app(&every("50ms", 60_000)).serve().await;
    let log = server.log.clone();
    log.line_with("often: begins").await;
    assert!(server.stop().await.success());
    let line = log
        .line_with("the scheduled run `often` was cancelled after")
        .await;
    assert!(line.contains(FILE), "{line}");
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_told_with_its_place() {
    let config = format!(
        "\n[[schedule]]\nname = \"a\"\ncron = \"61 * * * *\"\nfunction = \"{FILE}#job\"\n\
         [[schedule]]\nname = \"a\"\nevery = \"0s\"\nfunction = \"{FILE}\"\n\
         [[schedule]]\nname = \"c\"\nevery = \"1s\"\ncron = \"* * * * *\"\nfunction = \"{FILE}#job\"\n\
         [[schedule]]\nname = \"d\"\nevery = \"1s\"\ntime_zone = \"Nowhere/City\"\nfunction = \"{FILE}#job\"\n\
         [[schedule]]\nname = \"e\"\nfunction = \"{FILE}#job\"\n"
    );
    let (code, text) = app(&config).run("check");
    assert_eq!(code, Some(1), "{text}");
    for (place, words) in [
        (":6:8", "`61 * * * *` is no time of cron"),
        (":9:8", "two schedules are named `a`"),
        (":10:9", "`every` leaves no time at all"),
        (":11:12", "a component's file name and a function"),
        (":15:8", "`cron` and `every` exclude each other"),
        (":20:13", "there is no time zone `Nowhere/City` here"),
        (":22:1", "`every` is missing in [[schedule]]"),
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
        assert!(
            text.contains(&format!("waterspout.toml{place}")),
            "{place}:\n{text}"
        );
    }
    let (code, text) = app(&every("1s", 1).replace("#job", "#jobs")).run("check");
    assert_eq!(code, Some(1), "{text}");
    for words in [
        "`schedule.wasm` has no function `jobs`",
        "`job`, `fail`",
        "waterspout.toml:7:12",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
}

#[tokio::test]
async fn check_and_inspect_know_functions_and_schedules() {
    let app = app("");
    let (code, text) = app.run("check");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 component, 1 route, 2 schedules"), "{text}");
    let path = app.handler_path(FILE);
    let output = crate::harness::command("inspect", &path)
        .output()
        .expect("waterspout starts");
    let text = String::from_utf8_lossy(&output.stdout);
    for words in [
        "functions that are called by name\n  job",
        "declared  every 50ms",
        "cron * * * * * *",
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
}
