//! `executor`: functions that are called in another instance, and what that spares the one that calls.

use tokio::task::JoinSet;

use crate::harness::{App, Running, guest, soon};

const FILE: &str = "executor.wasm";

async fn serve(rules: &str) -> Running {
    App::new()
        .handler(FILE, guest("executor"))
        .config(&format!("[component.\"{FILE}\"]\n{rules}\n"))
        .serve()
        .await
}

async fn call(server: &Running, what: &str) -> String {
    server.get(&format!("/call?what={what}")).await.body
}

#[tokio::test]
async fn a_result_or_an_error_comes_back() {
    let server = serve("").await;
    assert_eq!(call(&server, "compute&n=3").await, "3");
    assert_eq!(call(&server, "pause&n=30").await, "30");
    assert_eq!(call(&server, "fail&n=2").await, "error: x failed 2 times");
    let unknown = call(&server, "unknown").await;
    assert!(
        unknown.contains("no function `unknown`") && unknown.contains("`compute`"),
        "{unknown}"
    );
    let namesake = call(&server, "namesake&n=3").await;
    assert!(
        namesake.contains("`executor::other::compute`")
            && namesake.contains("`export!` names is `executor::compute`"),
        "{namesake}"
    );
    let closure = call(&server, "closure").await;
    assert!(closure.contains("no closure"), "{closure}");
    let nested = call(&server, "nested").await;
    assert!(
        nested.contains("`compute` can't be called from here"),
        "{nested}"
    );
}

#[tokio::test]
async fn what_computes_inline_is_logged_and_what_is_offloaded_is_not() {
    // A busy machine may hold up any run, but not for so long.
    let server = serve("instances = 1\nblock_log = \"300ms\"\ncpu_deadline = \"20s\"").await;
    assert_eq!(call(&server, "compute&n=1500").await, "1500");
    let log = server.logged().await;
    assert!(!log.contains("block_log"), "{log}");
    // Its clock stands while others have the core.
    while !server.logged().await.contains("block_log") {
        assert_eq!(call(&server, "inline&n=1500").await, "1500");
    }
    let line = server.log.line_with("a run is past `block_log`").await;
    assert!(line.contains(FILE), "{line}");
}

#[tokio::test]
async fn its_own_instance_serves_on_meanwhile() {
    let server = serve("instances = 1\ncpu_deadline = \"1s\"").await;
    let spins = server.send("GET /call?what=spin").await;
    server.log.line_with("it spins").await;
    for _ in 0..20 {
        assert_eq!(call(&server, "inline&n=1").await, "1");
    }
    // Longer than any run may be.
    assert_eq!(call(&server, "compute&n=1500").await, "1500");
    server.until_in_flight(FILE, 1).await;
    drop(spins);
}

#[tokio::test]
async fn an_instance_of_the_executor_is_called_again() {
    let server = serve("instances = 1").await;
    for count in 1..=3 {
        assert_eq!(call(&server, "count").await, count.to_string());
    }
}

#[tokio::test]
async fn what_start_spawns_is_for_the_instances_that_serve() {
    let server = serve("instances = 1").await;
    // The instance has been started, and its `start` has spawned.
    assert_eq!(call(&server, "count").await, "1");
    assert_eq!(call(&server, "count").await, "2");
    let words = "it was spawned by `start`";
    server.log.line_with(words).await;
    // Nobody would run what a function spawns.
    let refused = call(&server, "spawns").await;
    assert!(
        refused.contains("runs nothing in the background"),
        "{refused}"
    );
    let text = server.logged().await;
    assert_eq!(text.matches(words).count(), 1, "{text}");
}

#[tokio::test]
async fn a_trap_is_an_error_to_the_caller_alone() {
    let server = serve("instances = 1").await;
    let mut waits = server.send("GET /call?what=pause&n=300").await;
    server.until_in_flight(FILE, 1).await;
    let error = call(&server, "trap&n=7").await;
    assert!(error.starts_with("error: `trap` trapped: "), "{error}");
    server
        .log
        .line_with("lost an instance in a call of `trap`")
        .await;
    assert_eq!(soon(waits.answer()).await.body, "300");
    assert_eq!(call(&server, "compute&n=1").await, "1");
}

#[tokio::test]
async fn a_call_without_its_client_takes_its_instance_along() {
    let server = serve("instances = 1\nexecutor_queue = 0").await;
    let client = server.send("GET /call?what=spin").await;
    server.log.line_with("it spins").await;
    drop(client);
    server.until_in_flight(FILE, 0).await;
    // No core is lost to it.
    let cores = std::thread::available_parallelism()
        .expect("the cores")
        .get();
    let calls = server.send_all("GET /call?what=pause&n=50", cores).await;
    for mut client in calls {
        assert_eq!(soon(client.answer()).await.body, "50");
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up() {
    let server = serve("instances = 1\nexecutor_deadline = \"300ms\"").await;
    let error = call(&server, "spin").await;
    assert_eq!(
        error,
        "error: `spin` did not end within `executor_deadline`"
    );
    server
        .log
        .line_with("the call of `spin` was given up")
        .await;
    assert_eq!(call(&server, "compute&n=1").await, "1");
}

#[tokio::test]
async fn as_many_calls_wait_as_may_and_no_more() {
    let server = serve("instances = 1\nexecutor_queue = 1").await;
    let cores = std::thread::available_parallelism()
        .expect("the cores")
        .get();
    let calls = server
        .send_all("GET /call?what=pause&n=1000", cores + 1)
        .await;
    server.until_in_flight(FILE, cores as u64 + 1).await;
    let refused = async {
        loop {
            let error = call(&server, "compute&n=1").await;
            if error != "1" {
                return error;
            }
        }
    };
    assert!(soon(refused).await.contains("(`executor_queue`)"));
    for mut client in calls {
        assert_eq!(soon(client.answer()).await.body, "1000");
    }
}

#[tokio::test]
async fn calls_that_spin_hold_up_no_other_component_and_no_schedule() {
    const OTHER: &str = "other.wasm";
    let server = App::new()
        .handler(FILE, guest("executor"))
        .handler(OTHER, guest("executor"))
        .config(&format!(
            "[[route]]\npattern = '/call'\nhandler = '{FILE}'\n\
             [[route]]\npattern = '/other'\nhandler = '{OTHER}'\n\
             [[schedule]]\nname = 'due'\nevery = '100ms'\nfunction = '{FILE}#count'\n\
             [component.'{FILE}']\ninstances = 1\nexecutor_deadline = 'off'\n"
        ))
        .serve()
        .await;
    // More than there are threads, and none of them ever ends.
    let _spinning = server.send_all("GET /call?what=spin", 20).await;
    server.until_in_flight(FILE, 20).await;
    let answer = soon(server.get("/other?what=compute&n=1")).await;
    assert_eq!(answer.body, "1");
    let runs = |status: &serde_json::Value| status["schedules"][0]["runs"].as_u64();
    let before = runs(&server.status().await).expect("a schedule");
    server.until(|status| runs(status) > Some(before + 2)).await;
    server.until_in_flight(FILE, 20).await;
}

#[tokio::test]
async fn the_arguments_of_all_calls_take_no_more_than_the_memory_of_an_instance() {
    // Each caller has an instance of its own, or they would run out of memory themselves.
    let server = serve("isolation = \"exclusive\"\ncpu_deadline = \"20s\"").await;
    // While all cores are taken, none of them comes to its end.
    let cores = std::thread::available_parallelism()
        .expect("the cores")
        .get();
    let pauses = server.send_all("GET /call?what=pause&n=60000", cores).await;
    server.log.nth_line_with(cores, "it pauses").await;
    let mut calls = JoinSet::new();
    for mut client in server.send_all("GET /call?what=large&n=14000000", 6).await {
        calls.spawn(async move { soon(client.answer()).await.body });
    }
    let first = soon(calls.join_next()).await.expect("six");
    drop(pauses);
    let mut bodies = soon(calls.join_all()).await;
    bodies.push(first.expect("an answer"));
    let refused = bodies
        .iter()
        .filter(|body| body.contains("more than `memory`"))
        .count();
    let done = bodies.iter().filter(|body| *body == "14000000").count();
    assert!(refused > 0 && done > 0 && refused + done == 6, "{bodies:?}");
    assert_eq!(call(&server, "large&n=14000000").await, "14000000");
}
