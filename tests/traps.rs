//! What a fault of a guest costs: the request whose fault it was, those that shared its instance, and nobody else.

use std::time::{Duration, Instant};

use crate::harness::{App, Client, Running, guest, let_go, soon};
use crate::soak::attacks::with_grown_names;

/// Serves one component in a single shared instance.
async fn shared(name: &str, rules: &str) -> Running {
    serve(name, rules, "").await
}

async fn serve(name: &str, rules: &str, rest: &str) -> Running {
    let file = format!("{name}.wasm");
    App::new()
        .handler(&file, guest(name))
        .config(&format!(
            "[component.\"{file}\"]\ninstances = 1\n{rules}\n{rest}"
        ))
        .serve()
        .await
}

async fn traps(server: &Running, file: &str) -> u64 {
    server.component(file).await["traps"]
        .as_u64()
        .expect("a number")
}

impl Running {
    /// Waits until so many requests wait at the gate of a component's one instance.
    async fn until_at_gate(&self, name: &str, count: u64) {
        self.until_json(&format!("/{name}/gate"), |waiting| *waiting == count)
            .await;
    }

    async fn open_gate(&self, name: &str) {
        let line = format!("POST /{name}/gate");
        assert_eq!(self.request(&line, "", "").await.status, 200);
    }
}

async fn answer(mut client: Client) -> (u16, String) {
    let answer = soon(client.answer()).await;
    (answer.status, answer.body)
}

const DEFAULT_500: &str =
    "<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>";

#[tokio::test]
async fn a_trap_in_a_hook_is_a_500_with_the_page_of_a_new_object() {
    let server = shared("trap", "").await;
    for (line, count) in [
        ("GET /trap?in=prepare", 1),
        ("GET /trap?in=get", 2),
        ("POST /trap?in=post", 3),
    ] {
        let answer = server.request(line, "", "").await;
        assert_eq!(
            (answer.status, &*answer.body),
            (500, "page of 500: Trap"),
            "{line}"
        );
        assert_eq!(traps(&server, "trap.wasm").await, count);
    }
}

#[tokio::test]
async fn a_page_that_traps_too_is_the_default_one() {
    let server = shared("trap", "").await;
    for (hook, count) in [("initialize", 2), ("write_error", 4)] {
        let answer = server.get(&format!("/trap?in={hook}")).await;
        assert_eq!((answer.status, &*answer.body), (500, DEFAULT_500), "{hook}");
        assert_eq!(traps(&server, "trap.wasm").await, count);
    }
    assert_eq!(server.get("/trap").await.body, "unharmed");
}

#[tokio::test]
async fn a_trap_in_on_finish_comes_after_the_answer() {
    let server = shared("trap", "").await;
    assert_eq!(server.get("/trap?in=on_finish").await.body, "unharmed");
    server.until_count("trap.wasm", "traps", 1).await;
    server.until_in_flight("trap.wasm", 0).await;
    assert_eq!(server.get("/trap").await.body, "unharmed");
}

#[tokio::test]
async fn a_trap_in_on_connection_close_costs_the_others_a_replay() {
    let server = shared("trap", "").await;
    let other = server.send("GET /trap/slow?at=gate").await;
    let leaving = server
        .send("GET /trap?in=on_connection_close&at=gate")
        .await;
    server.until_at_gate("trap", 2).await;
    drop(leaving);
    server.until_count("trap.wasm", "traps", 1).await;
    server.until_at_gate("trap", 1).await;
    server.open_gate("trap").await;
    assert_eq!(answer(other).await, (200, "slow and well".to_owned()));
}

#[tokio::test]
async fn of_those_that_shared_the_instance_the_safe_are_replayed_and_the_culprit_never() {
    let server = shared("trap", "").await;
    let safe = server.send_all("GET /trap/slow?at=gate", 20).await;
    let unsafe_ = server.send_all("POST /trap/slow?at=gate", 5).await;
    server.until_at_gate("trap", 25).await;
    assert_eq!(
        answer(server.send("GET /trap?in=get&ms=50").await).await.0,
        500
    );
    for client in unsafe_ {
        assert_eq!(answer(client).await.0, 503);
    }
    server.until_at_gate("trap", 20).await;
    server.open_gate("trap").await;
    for client in safe {
        assert_eq!(answer(client).await, (200, "slow and well".to_owned()));
    }
    assert_eq!(traps(&server, "trap.wasm").await, 1);
    server.until_in_flight("trap.wasm", 0).await;
}

#[tokio::test]
async fn a_safe_request_with_a_body_is_not_replayed() {
    let server = shared("trap", "").await;
    let mut other = server.connect().await;
    other
        .send("GET /trap/slow?at=gate HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        .await;
    server.until_at_gate("trap", 1).await;
    assert_eq!(server.get("/trap?in=get").await.status, 500);
    assert_eq!(answer(other).await.0, 503);
}

#[tokio::test]
async fn a_request_is_replayed_once() {
    let server = shared("trap", "").await;
    let unlucky = server.send("GET /trap/slow?at=gate").await;
    for _ in 0..2 {
        server.until_at_gate("trap", 1).await;
        assert_eq!(server.get("/trap?in=get").await.status, 500);
    }
    assert_eq!(answer(unlucky).await.0, 503);
}

#[tokio::test]
async fn a_replay_keeps_its_first_deadline() {
    const DEADLINE: Duration = Duration::from_secs(3);
    let server = shared("trap", "deadline = \"3s\"").await;
    let late = server.send("GET /trap/slow?at=gate").await;
    server.until_at_gate("trap", 1).await;
    let inside = Instant::now();
    assert_eq!(server.get("/trap?in=get&ms=2000").await.status, 500);
    let replayed = Instant::now();
    assert_eq!(answer(late).await.0, 504);
    assert!(inside.elapsed() < replayed - inside + DEADLINE);
}

#[tokio::test]
async fn other_instances_and_components_are_not_touched() {
    let server = App::new()
        .handler("trap.wasm", guest("trap"))
        .handler("slow.wasm", guest("slow"))
        .serve()
        .await;
    let mut other = server.hold("GET /slow?for=body", 1).await;
    server.until_in_flight("slow.wasm", 1).await;
    assert_eq!(server.get("/trap?in=get").await.status, 500);
    let_go(&mut other).await;
    assert_eq!(soon(other[0].answer()).await.body, "slow");
    assert_eq!(traps(&server, "slow.wasm").await, 0);
}

#[tokio::test]
async fn the_limits_of_a_call_trap_the_guest_that_crosses_them() {
    for (name, rules) in [
        ("fuel", ""),
        ("handles", "max_concurrent = 1"),
        ("recurse", ""),
        ("panic", ""),
        ("grow", "memory = \"4MB\""),
    ] {
        // Not that of a run, which a busy machine reaches as well.
        let rules = format!("cpu_deadline = 'off'\n{rules}");
        let server = shared(name, &rules).await;
        let file = format!("{name}.wasm");
        for count in 1..=2 {
            let answer = server.get(&format!("/{name}")).await;
            assert_eq!((answer.status, &*answer.body), (500, DEFAULT_500), "{name}");
            assert_eq!(traps(&server, &file).await, count, "{name}");
        }
    }
}

#[tokio::test]
async fn only_debug_shows_the_guest_s_stack_and_nothing_shows_the_host_s() {
    for name in ["panic", "recurse", "fuel", "handles"] {
        let rules = "max_concurrent = 1\ncpu_deadline = 'off'";
        let server = serve(name, rules, "[settings]\ndebug = true").await;
        let answer = server.get(&format!("/{name}")).await;
        assert_eq!(answer.status, 500);
        assert!(
            answer.body.contains(&format!("{name}.wasm!")),
            "{}",
            answer.body
        );
        for of_the_host in [
            "/work",
            "/root",
            "/home",
            ".cargo",
            "wasmtime",
            "::instances::",
            "tokio",
        ] {
            assert!(
                !answer.body.contains(of_the_host),
                "{of_the_host} in {}",
                answer.body
            );
        }
        let server = serve(name, rules, "").await;
        assert_eq!(server.get(&format!("/{name}")).await.body, DEFAULT_500);
        server.log.line_with("lost an instance in GET").await;
    }
}

#[tokio::test]
async fn a_run_past_cpu_deadline_is_a_503_and_the_others_are_replayed() {
    let server = shared("spin", "cpu_deadline = \"300ms\"").await;
    for spin in ["GET /spin", "GET /spin?ms=20"] {
        let others = server.send_all("GET /spin/slow?at=gate", 20).await;
        server.until_at_gate("spin", 20).await;
        assert_eq!(answer(server.send(spin).await).await.0, 503);
        // In another instance.
        server.until_at_gate("spin", 20).await;
        server.open_gate("spin").await;
        for client in others {
            assert_eq!(answer(client).await, (200, "slow and well".to_owned()));
        }
    }
    assert_eq!(traps(&server, "spin.wasm").await, 2);
}

#[tokio::test]
async fn a_blocking_call_past_cpu_deadline_is_a_503_and_the_others_are_replayed() {
    let server = shared("blocking", "cpu_deadline = \"300ms\"").await;
    let others = server.send_all("GET /blocking/slow?at=gate", 20).await;
    server.until_at_gate("blocking", 20).await;
    assert_eq!(
        answer(server.send("GET /blocking?ms=60000").await).await.0,
        503
    );
    server.until_at_gate("blocking", 20).await;
    server.open_gate("blocking").await;
    for client in others {
        assert_eq!(answer(client).await, (200, "slow and well".to_owned()));
    }
    // One that comes back by itself is ended as it does.
    assert_eq!(server.get("/blocking?ms=3000").await.status, 503);
    assert_eq!(server.get("/blocking?ms=1").await.body, "blocked");
}

/// They have no task that could wait, and are called while others of their instance do.
#[tokio::test]
async fn initialize_and_on_finish_may_block_wake_others_and_drop_what_waits() {
    let server = shared("blocking", "").await;
    for nth in 1..=3 {
        let waiting = server.send("GET /blocking/slow?at=gate").await;
        server.until_at_gate("blocking", 1).await;
        assert_eq!(server.get("/blocking/brief").await.body, "brief");
        server.log.nth_line_with(nth, "brief to its end").await;
        assert_eq!(answer(waiting).await, (200, "slow and well".to_owned()));
    }
    assert_eq!(traps(&server, "blocking.wasm").await, 0);
}

#[tokio::test]
async fn what_must_wait_in_on_finish_traps() {
    let server = shared("blocking", "").await;
    assert_eq!(server.get("/blocking/brief?look=1").await.body, "brief");
    server.log.line_with("task.is_null()").await;
    assert_eq!(server.get("/blocking/brief").await.body, "brief");
    server.log.line_with("brief to its end").await;
    assert_eq!(traps(&server, "blocking.wasm").await, 1);
}

/// All that another component is asked for has its timers and its deadline, and no core is free.
#[tokio::test]
async fn a_component_that_spins_on_every_core_delays_no_other() {
    let spinning = "cpu_deadline = \"off\"\nblock_log = \"off\"\ndeadline = \"off\"";
    let server = App::new()
        .handler("spin.wasm", guest("spin"))
        .handler("slow.wasm", guest("slow"))
        .config(&format!(
            "[component.\"spin.wasm\"]\n{spinning}\n[component.\"slow.wasm\"]\ndeadline = \"1s\""
        ))
        .serve()
        .await;
    let cores = std::thread::available_parallelism().unwrap().get();
    // One in each instance, of which there is one for each core.
    let spins = server.send_all("GET /spin", 8 * cores).await;
    server.until_in_flight("spin.wasm", 8 * cores as u64).await;
    for _ in 0..10 {
        let clients = server.send_all("GET /slow?ms=100", 20).await;
        for mut client in clients {
            assert_eq!(soon(client.answer()).await.status, 200);
        }
    }
    let census = server.component("spin.wasm").await;
    assert_eq!(census["in_flight"], 8 * cores, "they spin on: {census}");
    drop(spins);
}

#[tokio::test]
async fn a_wait_is_no_run() {
    let limits = "cpu_deadline = \"500ms\"\nblock_log = \"300ms\"";
    let server = shared("blocking", limits).await;
    assert_eq!(server.get("/blocking/slow?ms=2000").await.status, 200);
    assert_eq!(traps(&server, "blocking.wasm").await, 0);
    let text = server.logged().await;
    assert!(!text.contains("block_log"), "{text}");
}

#[tokio::test]
async fn a_run_past_block_log_is_logged_once_with_the_guest_s_stack() {
    let limits = "block_log = \"100ms\"\ncpu_deadline = \"20s\"";
    let server = shared("blocking", limits).await;
    assert_eq!(server.get("/blocking?ms=1000").await.body, "blocked");
    server.log.line_with("past `block_log`").await;
    server.log.line_with("blocking.wasm!").await;
    let server = shared("spin", "block_log = \"100ms\"\ncpu_deadline = \"1s\"").await;
    assert_eq!(server.get("/spin").await.status, 503);
    let text = server.logged().await;
    assert_eq!(text.matches("past `block_log`").count(), 1, "{text}");
    assert!(text.contains("spin.wasm!"), "{text}");
}

/// Read to their end, these names would be a megabyte each.
#[tokio::test]
async fn the_names_of_functions_are_cut_in_the_stack_of_a_trap() {
    let server = App::new()
        .handler("trap.wasm", with_grown_names(guest("trap")))
        .serve()
        .await;
    assert_eq!(server.get("/trap?in=get").await.status, 500);
    server.log.line_with("lost an instance").await;
    let log = server.logged().await;
    let frames: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("trap.wasm!<"))
        .collect();
    assert!(frames.len() > 3, "{log}");
    for frame in frames {
        assert!(frame.chars().count() < 220, "{frame}");
    }
}
