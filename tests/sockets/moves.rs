//! Sockets that go from one object to another: at a swap, and when their instance is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::Value;

use super::{ONE, connect, until_open};
use crate::harness::{App, Client, Running, Way, Ws, guest, put, renumbered, soon};

const SUSPENDS: &str = "suspends.wasm";

fn config(version: &str, rules: &str) -> String {
    format!("[component.{SUSPENDS:?}]\nenv = {{ VERSION = \"{version}\" }}\n{rules}\n")
}

/// The guest `suspends` as version `v1`.
async fn serve(rules: &str) -> Running {
    App::new()
        .handler(SUSPENDS, guest("suspends"))
        .config(&config("v1", rules))
        .serve()
        .await
}

/// Puts another configuration in place, and waits until it serves.
async fn configure(server: &Running, text: &str) {
    let number = server.status().await["generation"].as_u64().unwrap();
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, text).unwrap();
    std::fs::rename(aside, server.app.path().join("waterspout.toml")).unwrap();
    server.until_generation(number + 1).await;
}

async fn swap(server: &Running, version: &str, rules: &str) {
    configure(server, &config(version, rules)).await;
}

/// Sends the message that is the `count`th of its socket, and expects it from this version.
async fn answered(ws: &mut Ws, version: &str, count: u64, text: &str) {
    ws.send_text(text).await;
    ws.expect_text(&format!("{version} {count} {text}")).await;
}

/// Waits until no version but the one that serves has anything.
async fn until_moved(server: &Running) -> Value {
    server
        .until(|status| {
            let all = status["components"].as_array().unwrap().iter();
            all.filter(|entry| entry["state"] == "draining").count() == 0
        })
        .await
}

async fn metric(server: &Running, name: &str) -> u64 {
    let page = soon(Client::connect(server.admin).await.get("/metrics")).await;
    let begin = format!("waterspout_{name}{{component=\"{SUSPENDS}\"}} ");
    let found = page.body.lines().find_map(|line| line.strip_prefix(&begin));
    found
        .unwrap_or_else(|| panic!("no {name}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_socket_takes_its_state_to_the_next_version() {
    let server = serve(ONE).await;
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        let mut ws = connect(&server, &format!("/suspends/{name}")).await;
        answered(&mut ws, "v1", 1, "x").await;
        all.push(ws);
    }
    answered(&mut all[1], "v1", 2, "y").await;
    for (number, version) in ["v2", "v3", "v4"].into_iter().enumerate() {
        swap(&server, version, ONE).await;
        until_moved(&server).await;
        let number = number as u64;
        for (index, ws) in all.iter_mut().enumerate() {
            let before = if index == 1 { 3 } else { 2 };
            answered(ws, version, before + number, "z").await;
        }
    }
    assert_eq!(server.component(SUSPENDS).await["sockets"], 3);
    assert_eq!(metric(&server, "sockets_moved_total").await, 9);
    assert_eq!(metric(&server, "sockets_opened_total").await, 3);
    assert_eq!(metric(&server, "sockets_closed_total").await, 0);
    for mut ws in all {
        ws.send_text("moves").await;
        ws.expect_text("3").await;
        ws.send_close(1000, "bye").await;
        ws.expect_close(1000).await;
    }
    until_open(&server, SUSPENDS, 0).await;
    // Neither `open` nor `on_close` for a move; its path's arguments come with it.
    let log = server.logged().await;
    for (line, count) in [
        ("open a", 1),
        ("open b", 1),
        ("resume a", 3),
        ("resume b", 3),
        ("close after 5 messages", 2),
        ("close after 6 messages", 1),
    ] {
        assert_eq!(log.matches(line).count(), count, "{line}:\n{log}");
    }
}

#[tokio::test]
async fn an_unchanged_component_keeps_its_sockets_and_objects() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/suspends/a").await;
    answered(&mut ws, "v1", 1, "x").await;
    let route =
        "[[route]]\npattern = '/old'\nhandler = \"builtin:redirect\"\nkwargs = { url = '/' }\n";
    configure(&server, &(config("v1", ONE) + route)).await;
    answered(&mut ws, "v1", 2, "y").await;
    ws.send_text("moves").await;
    ws.expect_text("0").await;
    assert_eq!(metric(&server, "sockets_moved_total").await, 0);
}

/// Sends numbered messages without a pause, and checks that each is answered once and in its order. Returns how many.
async fn numbers(mut ws: Ws, ended: Arc<AtomicBool>) -> u64 {
    /// How many are under way.
    const AHEAD: u64 = 8;
    let (mut sent, mut heard) = (0, 0);
    loop {
        let is_over = ended.load(SeqCst);
        while !is_over && sent < heard + AHEAD {
            sent += 1;
            ws.send_text(&format!("m{sent}")).await;
        }
        if heard == sent {
            return sent;
        }
        heard += 1;
        let frame = ws.next().await;
        let text = String::from_utf8(frame.payload).unwrap();
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, format!("{heard} m{heard}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_is_lost_doubled_or_reordered_while_versions_follow_each_other() {
    let rules = "instances = 2\ncpu_deadline = \"30s\"";
    let server = serve(rules).await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let ws = connect(&server, "/suspends/a").await;
        all.spawn(numbers(ws, ended.clone()));
    }
    let before = server.resident();
    for number in 2..30_u8 {
        if number % 2 == 0 {
            swap(&server, &format!("v{number}"), rules).await;
        } else {
            let bytes = renumbered(guest("suspends"), number);
            put(Way::Renamed, &server.app, SUSPENDS, &bytes);
            server.until_serving(SUSPENDS, &bytes).await;
        }
    }
    until_moved(&server).await;
    ended.store(true, SeqCst);
    let counts = soon(all.join_all()).await;
    println!(
        "{counts:?} messages, {before} then {} KiB",
        server.resident()
    );
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    until_open(&server, SUSPENDS, 0).await;
    // One that was busy may have left out a version that was replaced already.
    let moved = metric(&server, "sockets_moved_total").await;
    assert!((50..=50 * 28).contains(&moved), "{moved}");
    server.until_in_flight(SUSPENDS, 0).await;
}

/// The guest `sockets`, which has no `suspend`, with a `drain_deadline`.
async fn serve_without(rules: &str) -> (Running, String) {
    let app = |version: &str| {
        format!("[component.\"sockets.wasm\"]\nenv = {{ V = \"{version}\" }}\n{rules}\n")
    };
    let server = App::new()
        .handler("sockets.wasm", guest("sockets"))
        .config(&app("1"))
        .serve()
        .await;
    (server, app("2"))
}

#[tokio::test]
async fn without_suspend_a_socket_is_closed_with_1012_after_drain_deadline_exactly_once() {
    let (server, next) = serve_without("instances = 1\ndrain_deadline = \"1s\"").await;
    let mut all = Vec::new();
    for _ in 0..10 {
        all.push(connect(&server, "/events").await);
    }
    configure(&server, &next).await;
    // Until then they go on, and new ones are with the new version.
    for ws in &mut all {
        ws.send_text("still here").await;
        ws.expect_text("still here").await;
    }
    let mut new = connect(&server, "/events").await;
    for ws in &mut all {
        ws.expect_close(1012).await;
        ws.send_close(1012, "").await;
        assert_eq!(ws.rest().await, b"");
    }
    until_moved(&server).await;
    until_open(&server, "sockets.wasm", 1).await;
    // A client that comes back is served.
    let mut back = connect(&server, "/events").await;
    for ws in [&mut new, &mut back] {
        ws.send_text("next").await;
        ws.expect_text("next").await;
    }
}

#[tokio::test]
async fn an_event_under_way_ends_before_the_move() {
    let (server, next) = serve_without("instances = 1\ndrain_deadline = \"500ms\"").await;
    let mut ws = connect(&server, "/events?ms=2000").await;
    ws.send_text("slow").await;
    super::logged(&server, "- begin slow").await;
    configure(&server, &next).await;
    // There is nothing to be said after a close frame: what the event writes is lost, and the socket has an end.
    ws.expect_close(1012).await;
    ws.send_close(1012, "").await;
    assert_eq!(ws.rest().await, b"");
    until_moved(&server).await;
}

#[tokio::test]
async fn a_resume_that_fails_or_traps_costs_its_socket_alone() {
    for way in ["fail", "trap"] {
        let server = serve(ONE).await;
        let mut good = Vec::new();
        for _ in 0..5 {
            let mut ws = connect(&server, "/suspends/good").await;
            answered(&mut ws, "v1", 1, "x").await;
            good.push(ws);
        }
        let mut bad = connect(&server, &format!("/suspends/bad?resume={way}")).await;
        answered(&mut bad, "v1", 1, "x").await;
        for _ in 0..5 {
            let mut ws = connect(&server, "/suspends/good").await;
            answered(&mut ws, "v1", 1, "x").await;
            good.push(ws);
        }
        swap(&server, "v2", ONE).await;
        bad.expect_close(1011).await;
        bad.send_close(1011, "").await;
        assert_eq!(bad.rest().await, b"", "{way}");
        for ws in &mut good {
            answered(ws, "v2", 2, "y").await;
        }
        until_open(&server, SUSPENDS, 10).await;
        until_moved(&server).await;
        let mut new = connect(&server, "/suspends/new").await;
        answered(&mut new, "v2", 1, "x").await;
        server.until_in_flight(SUSPENDS, 0).await;
    }
}

#[tokio::test]
async fn a_suspend_that_fails_costs_its_socket_alone() {
    let server = serve(ONE).await;
    let mut good = connect(&server, "/suspends/good").await;
    let mut bad = connect(&server, "/suspends/bad?suspend=fail").await;
    answered(&mut good, "v1", 1, "x").await;
    answered(&mut bad, "v1", 1, "x").await;
    swap(&server, "v2", ONE).await;
    bad.expect_close(1011).await;
    bad.send_close(1011, "").await;
    assert_eq!(bad.rest().await, b"");
    answered(&mut good, "v2", 2, "y").await;
    server.log.line_with("suspend fails as it was told").await;
    until_open(&server, SUSPENDS, 1).await;
    until_moved(&server).await;
}

#[tokio::test]
async fn a_trap_in_suspend_ends_what_is_left_in_its_instance_and_nothing_else() {
    let server = serve(ONE).await;
    let mut bad = connect(&server, "/suspends/bad?suspend=trap").await;
    answered(&mut bad, "v1", 1, "x").await;
    swap(&server, "v2", ONE).await;
    bad.expect_close(1011).await;
    bad.send_close(1011, "").await;
    assert_eq!(bad.rest().await, b"");
    until_open(&server, SUSPENDS, 0).await;
    until_moved(&server).await;
    let mut new = connect(&server, "/suspends/new").await;
    answered(&mut new, "v2", 1, "x").await;
}

#[tokio::test]
async fn a_state_past_max_socket_state_costs_its_socket() {
    let rules = "instances = 1\nmax_socket_state = \"1KB\"";
    let server = serve(rules).await;
    let mut small = connect(&server, "/suspends/small?bytes=900").await;
    let mut large = connect(&server, "/suspends/large?bytes=1024").await;
    answered(&mut small, "v1", 1, "x").await;
    answered(&mut large, "v1", 1, "x").await;
    swap(&server, "v2", rules).await;
    large.expect_close(1011).await;
    answered(&mut small, "v2", 2, "y").await;
    let line = server.log.line_with("`max_socket_state` is 1024").await;
    assert!(line.contains("/suspends/large"), "{line}");
}

#[tokio::test]
async fn a_socket_whose_route_is_gone_stays_until_drain_deadline() {
    let rules = "instances = 1\ndrain_deadline = \"1s\"";
    let server = serve(rules).await;
    let mut ws = connect(&server, "/suspends/a").await;
    answered(&mut ws, "v1", 1, "x").await;
    let elsewhere = format!(
        "[[route]]\npattern = '/elsewhere/([a-z]+)'\nhandler = \"{SUSPENDS}#Suspends\"\n{}",
        config("v2", rules)
    );
    configure(&server, &elsewhere).await;
    answered(&mut ws, "v1", 2, "y").await;
    ws.expect_close(1012).await;
    ws.send_close(1012, "").await;
    assert_eq!(ws.rest().await, b"");
    until_moved(&server).await;
    let mut new = connect(&server, "/elsewhere/a").await;
    answered(&mut new, "v2", 1, "x").await;
}

#[tokio::test]
async fn a_socket_of_a_component_that_is_gone_ends_after_drain_deadline() {
    let rules = "instances = 1\ndrain_deadline = \"500ms\"";
    let server = App::new()
        .handler(SUSPENDS, guest("suspends"))
        .handler("other.wasm", guest("sockets"))
        .config(&config("v1", rules))
        .serve()
        .await;
    let mut ws = connect(&server, "/suspends/a").await;
    answered(&mut ws, "v1", 1, "x").await;
    // As long as its table stands it can't go, and without the table it would have another `drain_deadline`.
    std::fs::remove_file(server.app.handler_path(SUSPENDS)).unwrap();
    server.until_swap_is(false).await;
    configure(&server, "[settings]\ndebug = true\n").await;
    ws.expect_close(1012).await;
}

#[tokio::test]
async fn new_kwargs_come_to_initialize_of_the_object_that_takes_over() {
    let route = |version: &str| {
        format!(
            "[[route]]\npattern = '/suspends/([a-z]+)'\nhandler = \"{SUSPENDS}#Suspends\"\n\
             kwargs = {{ version = \"{version}\" }}\n[component.{SUSPENDS:?}]\n{ONE}\n\
             env = {{ V = \"{version}\" }}\n"
        )
    };
    let server = App::new()
        .handler(SUSPENDS, guest("suspends"))
        .config(&route("k1"))
        .serve()
        .await;
    let mut ws = connect(&server, "/suspends/a").await;
    answered(&mut ws, "k1", 1, "x").await;
    configure(&server, &route("k2")).await;
    until_moved(&server).await;
    answered(&mut ws, "k2", 2, "y").await;
}

#[tokio::test]
async fn an_instance_that_is_replaced_after_max_requests_moves_its_sockets() {
    let server = serve("instances = 1\nmax_requests = 5").await;
    let mut all = Vec::new();
    for number in 0..23 {
        let mut ws = connect(&server, "/suspends/a").await;
        answered(&mut ws, "v1", 1, &format!("x{number}")).await;
        all.push(ws);
    }
    for ws in &mut all {
        answered(ws, "v1", 2, "y").await;
    }
    assert_eq!(server.component(SUSPENDS).await["sockets"], 23);
    let moved = metric(&server, "sockets_moved_total").await;
    assert!(moved >= 20, "{moved}");
}

#[tokio::test]
async fn sockets_of_exclusive_and_fresh_instances_move_too() {
    for isolation in ["exclusive", "fresh"] {
        let rules = format!("isolation = \"{isolation}\"\nmax_concurrent = 4");
        let server = serve(&rules).await;
        let mut all = Vec::new();
        for _ in 0..3 {
            let mut ws = connect(&server, "/suspends/a").await;
            answered(&mut ws, "v1", 1, "x").await;
            all.push(ws);
        }
        // Each owns its instance.
        assert_eq!(server.component(SUSPENDS).await["instances"], 3);
        for version in ["v2", "v3"] {
            swap(&server, version, &rules).await;
            until_moved(&server).await;
        }
        for ws in &mut all {
            answered(ws, "v3", 2, "y").await;
        }
        for mut ws in all {
            ws.send_close(1000, "").await;
            ws.expect_close(1000).await;
        }
        until_open(&server, SUSPENDS, 0).await;
        let mut next = connect(&server, "/suspends/a").await;
        answered(&mut next, "v3", 1, "x").await;
    }
}

#[tokio::test]
async fn a_client_that_vanishes_during_swaps_has_its_on_close_once() {
    let server = serve(ONE).await;
    const ALL: usize = 60;
    let mut all = Vec::new();
    for _ in 0..ALL {
        let mut ws = connect(&server, "/suspends/a").await;
        answered(&mut ws, "v1", 1, "x").await;
        all.push(ws);
    }
    for version in 2..8 {
        let swaps = swap(&server, if version % 2 == 0 { "v2" } else { "v1" }, ONE);
        let leaves = async {
            for _ in 0..10 {
                drop(all.pop());
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(swaps, leaves);
    }
    until_open(&server, SUSPENDS, 0).await;
    until_moved(&server).await;
    let log = server.logged().await;
    assert_eq!(log.matches("close after 1 messages").count(), ALL);
}

#[tokio::test]
async fn a_refused_version_leaves_the_sockets_where_they_are() {
    let server = serve(ONE).await;
    let mut ws = connect(&server, "/suspends/a").await;
    answered(&mut ws, "v1", 1, "x").await;
    server.app.replace(SUSPENDS, b"no component");
    server.until_swap_is(false).await;
    answered(&mut ws, "v1", 2, "y").await;
    ws.send_text("moves").await;
    ws.expect_text("0").await;
}
