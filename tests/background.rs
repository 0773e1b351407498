//! `background`: what goes on beside requests, how it ends when its instance does, and who runs what there is once.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{App, Running, guest, renumbered, soon};

const FILE: &str = "background.wasm";

async fn serve(rules: &str) -> Running {
    App::new()
        .handler(FILE, guest("background"))
        .config(&format!(
            "[server]\ngrace = \"2s\"\n\n[component.\"{FILE}\"]\n{rules}\n"
        ))
        .serve()
        .await
}

async fn begin(server: &Running, what: &str) {
    assert_eq!(server.get(&format!("/do?what={what}")).await.body, "begun");
}

async fn swap(server: &Running, number: u8) {
    let bytes = renumbered(guest("background"), number);
    server.app.replace(FILE, &bytes);
    server.until_serving(FILE, &bytes).await;
}

#[tokio::test]
async fn what_is_spawned_goes_on_when_the_response_is_out() {
    let server = serve("instances = 1").await;
    begin(&server, "work&ms=200").await;
    server
        .until_json("/counts", |counts| counts["begun"] == 1)
        .await;
    server.until_in_flight(FILE, 0).await;
    let counts = server
        .until_json("/counts", |counts| counts["done"] == 1)
        .await;
    assert_eq!(counts["dropped"], 0);
    begin(&server, "fail").await;
    let line = server.log.line_with("it failed in the background").await;
    assert!(
        line.contains("uncaught error in the background task `"),
        "{line}"
    );
    assert!(line.contains("lib.rs:"), "{line}");
}

#[tokio::test]
async fn a_trap_in_the_background_is_named_and_costs_its_instance() {
    let server = serve("instances = 1").await;
    let mut waits = server.send("GET /do?what=wait&ms=300").await;
    server.until_in_flight(FILE, 1).await;
    begin(&server, "trap").await;
    let line = server
        .log
        .line_with("lost an instance in the background task")
        .await;
    assert!(line.contains("lib.rs:"), "{line}");
    // Who shared the instance is not to blame.
    assert_eq!(soon(waits.answer()).await.body, "begun");
    begin(&server, "spin").await;
    let line = server
        .log
        .nth_line_with(2, "lost an instance in the background task")
        .await;
    assert!(line.contains("`cpu_deadline`"), "{line}");
}

#[tokio::test]
async fn a_swap_waits_for_what_is_spawned_as_long_as_its_budget() {
    let server = serve("instances = 1\nspawn_budget = \"1s\"").await;
    begin(&server, "work&ms=300").await;
    begin(&server, "work&ms=60000").await;
    server
        .until_json("/counts", |counts| counts["begun"] == 2)
        .await;
    let began = Instant::now();
    swap(&server, 1).await;
    server.log.line_with("the work is done").await;
    let line = server.log.line_with("was cancelled after").await;
    assert!(
        line.contains("the background task `") && line.contains("lib.rs:"),
        "{line}"
    );
    assert!(began.elapsed() >= Duration::from_millis(900), "{line}");
    server.log.line_with("stopped").await;
    let log = server.logged().await;
    assert!(!log.contains("and did not"), "{log}");
}

#[tokio::test]
async fn an_instance_that_has_had_its_requests_waits_for_what_is_spawned() {
    let server = serve("instances = 1\nmax_requests = 2\nspawn_budget = \"500ms\"").await;
    begin(&server, "work&ms=100").await;
    begin(&server, "work&ms=60000").await;
    // The next one is served by another meanwhile.
    assert_eq!(server.json("/counts").await["begun"], 0);
    server.log.line_with("the work is done").await;
    server.log.line_with("was cancelled after").await;
    server.log.line_with("stopped").await;
}

#[tokio::test]
async fn a_fresh_instance_lives_as_long_as_what_it_has_spawned() {
    let server = serve("isolation = \"fresh\"\nspawn_budget = \"500ms\"").await;
    begin(&server, "work&ms=100").await;
    server.log.line_with("the work is done").await;
    begin(&server, "work&ms=60000").await;
    server.log.line_with("was cancelled after").await;
    server.until_count(FILE, "instances", 0).await;
}

#[tokio::test]
async fn a_shutdown_ends_what_is_in_the_background_in_time_and_names_it() {
    let server = serve("instances = 2\nenv = { LOOP = \"1\" }").await;
    let log = server.log.clone();
    log.line_with("loop: begins").await;
    begin(&server, "work&ms=500").await;
    begin(&server, "work&ms=60000").await;
    let mut waits = server.send("GET /do?what=drain").await;
    server.until_in_flight(FILE, 1).await;
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(soon(waits.answer()).await.body, "drained");
    let mut server = server;
    let status = server.ended().await;
    assert!(status.success(), "{status}");
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    log.line_with("loop: ends").await;
    log.line_with("the loop `beat` leaves this instance").await;
    log.line_with("the work is done").await;
    let line = log.line_with("was cancelled after").await;
    assert!(line.contains("lib.rs:"), "{line}");
    let log = log.whole().await;
    assert!(!log.contains("did not stop"), "{log}");
}

#[tokio::test]
async fn what_a_shutdown_has_no_time_for_is_refused_and_all_else_runs_or_is_named() {
    let server = serve("instances = 1").await;
    let log = server.log.clone();
    let mut waits = server.send("GET /do?what=late&ms=20").await;
    server.until_in_flight(FILE, 1).await;
    server.signal("TERM");
    let answer = soon(waits.answer()).await.body;
    let (begun, why) = answer.split_once(" begun, then: ").expect(&answer);
    assert!(
        why.contains("no time left") && why.contains("`grace`"),
        "{why}"
    );
    let begun: usize = begun.parse().expect("a number");
    let mut server = server;
    let status = server.ended().await;
    assert!(status.success(), "{status}");
    let text = log.whole().await;
    assert!(text.contains("stopped"), "{text}");
    let told = ["the late work runs", "was given up before it began"];
    let told: usize = told.iter().map(|words| text.matches(words).count()).sum();
    assert!(begun > 0 && told == begun, "{begun} begun:\n{text}");
}

#[tokio::test]
async fn what_has_no_time_to_begin_is_named() {
    let server = serve("isolation = \"fresh\"\nspawn_budget = \"1ms\"").await;
    let words = "was given up before it began";
    // For a second after a loss no task begins. More than once, because a busy machine may let that second pass.
    for _ in 0..10 {
        for what in ["trap", "work"] {
            begin(&server, what).await;
            server.until_count(FILE, "instances", 0).await;
        }
        if server.logged().await.contains(words) {
            break;
        }
    }
    let line = server.log.line_with(words).await;
    assert!(
        line.contains("[W ") && line.contains("the background task `") && line.contains("lib.rs:"),
        "{line}"
    );
}

#[tokio::test]
async fn who_waits_for_the_drain_is_told_at_the_swap() {
    let server = serve("instances = 1").await;
    let mut waits = server.send("GET /do?what=drain").await;
    server.until_in_flight(FILE, 1).await;
    swap(&server, 1).await;
    assert_eq!(soon(waits.answer()).await.body, "drained");
}

#[tokio::test]
async fn timers_run_once_and_those_that_wait_end_with_their_instance() {
    let server = serve("instances = 1").await;
    begin(&server, "later&ms=100").await;
    let runs = json!(["now", "later"]);
    server
        .until_json("/counts", |counts| counts["runs"] == runs)
        .await;
    begin(&server, "later&ms=60000").await;
    let began = Instant::now();
    swap(&server, 1).await;
    server.log.line_with("stopped").await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    let log = server.logged().await;
    assert!(!log.contains("was cancelled"), "{log}");
    // One was cancelled, and the other never ran.
    let given_up: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("is given up"))
        .collect();
    assert_eq!(given_up.len(), 1, "{log}");
    assert!(given_up[0].starts_with("[W "), "{log}");
    assert!(
        given_up[0].contains("call_later at ") && given_up[0].contains("lib.rs:"),
        "{log}"
    );
}

#[tokio::test]
async fn a_fresh_instance_does_not_wait_for_its_timers_and_says_so() {
    let server = serve("isolation = \"fresh\"").await;
    begin(&server, "later&ms=60000").await;
    let line = server.log.line_with("is given up").await;
    assert!(line.contains("call_later at "), "{line}");
    server.until_count(FILE, "instances", 0).await;
}

#[tokio::test]
async fn a_periodic_callback_that_is_stopped_leaves_its_place() {
    let server = serve("instances = 1\nmax_tasks = 20").await;
    begin(&server, "toggle&ms=3600000").await;
}

#[tokio::test]
async fn a_periodic_callback_that_is_stopped_ends_its_run() {
    let server = serve("instances = 1").await;
    begin(&server, "stop&ms=10").await;
    let counts = server
        .until_json("/counts", |counts| counts["done"] == 1)
        .await;
    assert_eq!(
        (&counts["begun"], &counts["dropped"]),
        (&1.into(), &0.into())
    );
}

#[tokio::test]
async fn a_periodic_callback_skips_the_beats_of_a_run_that_is_too_long() {
    let server = serve("instances = 1").await;
    begin(&server, "periodic&ms=100").await;
    let began = Instant::now();
    let counts = server
        .until_json("/counts", |counts| counts["done"].as_u64() >= Some(4))
        .await;
    let elapsed = began.elapsed();
    let [begun, done] = ["begun", "done"].map(|name| counts[name].as_u64().expect("a number"));
    assert!(begun <= done + 1, "{counts}");
    // A run every 300 ms: 100 ms for the first to begin, 250 ms for the last to end. Half a beat is the timer's.
    let least = Duration::from_millis(300 * done - 50);
    assert!(elapsed >= least, "{elapsed:?}: {counts}");
    server.log.line_with("a periodic run failed").await;
}

#[tokio::test]
async fn a_loop_has_one_owner_among_all_instances_and_generations() {
    let server = serve("instances = 4\nenv = { LOOP = \"1\" }").await;
    server.log.line_with("loop: begins").await;
    for number in 1..=20 {
        // Old requests that go on don't keep the loop.
        let _waits = server.send("GET /do?what=wait&ms=60000").await;
        let swapped = Instant::now();
        swap(&server, number).await;
        server
            .log
            .nth_line_with(usize::from(number) + 1, "loop: begins")
            .await;
        assert!(
            swapped.elapsed() < Duration::from_secs(10),
            "{:?}",
            swapped.elapsed()
        );
    }
    assert_eq!(server.log.one_at_a_time("loop"), 21);
}

#[tokio::test]
async fn another_instance_takes_a_loop_over_whose_owner_traps() {
    let server = serve("instances = 2\nenv = { LOOP = \"1\" }").await;
    server.log.line_with("loop: begins").await;
    begin(&server, "trap-loop").await;
    server.log.line_with("in the background task `beat`").await;
    server.log.nth_line_with(2, "loop: begins").await;
    server.log.one_at_a_time("loop");
}

#[tokio::test]
async fn a_guest_that_registers_tasks_without_end_gets_no_more_than_may_be() {
    let server = App::new()
        .handler("hostile_jobs.wasm", guest("hostile_jobs"))
        .config("[component.\"hostile_jobs.wasm\"]\ninstances = 1\nmax_tasks = 7\nspawn_budget = \"300ms\"\n")
        .serve()
        .await;
    assert_eq!(server.get("/hostile_jobs?all").await.body, "7");
    assert_eq!(server.get("/hostile_jobs?all").await.body, "0");
    // None of them heeds `cancel`, and their instance goes all the same.
    let bytes = renumbered(guest("hostile_jobs"), 1);
    server.app.replace("hostile_jobs.wasm", &bytes);
    server.until_serving("hostile_jobs.wasm", &bytes).await;
    server
        .log
        .nth_line_with(7, "and did not: its instance is given up")
        .await;
    server
        .until(|status| {
            status["components"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
        })
        .await;
    assert_eq!(server.get("/hostile_jobs").await.body, "0");
}

#[tokio::test]
async fn who_exports_no_work_is_told_that_nothing_would_be_run() {
    let server = App::new()
        .handler("jobless.wasm", guest("jobless"))
        .serve()
        .await;
    let answer = server.get("/jobless").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let why = "exports no `work`";
    assert_eq!(answer.body.matches(why).count(), 2, "{answer:?}");
    assert!(!answer.body.contains("Ok"), "{answer:?}");
}

#[tokio::test]
async fn a_task_that_spins_on_is_given_up_also_where_runs_have_no_limit() {
    let server = App::new()
        .handler("hostile_jobs.wasm", guest("hostile_jobs"))
        .config(
            "[component.\"hostile_jobs.wasm\"]\ninstances = 1\nmax_requests = 1\nspawn_budget = \"300ms\"\n\
             cpu_deadline = \"off\"\nblock_log = \"off\"\n",
        )
        .serve()
        .await;
    assert_eq!(server.get("/hostile_jobs?spin").await.body, "1");
    assert_eq!(server.get("/hostile_jobs").await.body, "0");
    server.log.line_with("lost an instance").await;
    server
        .until_count("hostile_jobs.wasm", "in_flight", 0)
        .await;
}

#[tokio::test]
async fn the_longest_time_is_as_good_as_any() {
    let server = serve("instances = 1").await;
    begin(&server, "forever&ms=1").await;
    begin(&server, "work&ms=1").await;
    let counts = server
        .until_json("/counts", |counts| counts["done"] == 1)
        .await;
    assert_eq!(counts["runs"], json!([]), "{counts}");
    assert_eq!(server.component(FILE).await["traps"], 0);
}
