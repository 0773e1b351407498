//! `waiting`: concurrent waits in one request, and requests of one instance that wait for each other. What they
//! share stays sound when one of them is given up.

use serde_json::Value;

use crate::harness::{Answer, App, Client, Running, guest, soon};

async fn serve(rules: &str) -> Running {
    App::new()
        .handler("waiting.wasm", guest("waiting"))
        .config(&format!("[component.\"waiting.wasm\"]\n{rules}"))
        .serve()
        .await
}

impl Running {
    /// Waits until so many are counted under this name by the guest itself.
    async fn until_counted(&self, name: &str, count: u64) {
        self.until_json("/counts", |counts| counts[name] == count)
            .await;
    }

    /// Sends a request that waits, and returns when it does, after `others`.
    async fn waits(&self, line: &str, others: u64) -> Client {
        let client = self.send(line).await;
        self.until_counted("waiting", others + 1).await;
        client
    }

    async fn put(&self, path: &str, item: &str) -> Answer {
        self.request(&format!("POST {path}"), "", item).await
    }
}

async fn said(mut client: Client) -> (u16, String) {
    let answer = soon(client.answer()).await;
    (answer.status, answer.body)
}

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

#[tokio::test]
async fn what_waits_together_takes_as_long_as_one() {
    let server = serve("").await;
    let sum: u64 = server
        .json("/sleeps?times=2&ms=500")
        .await
        .as_u64()
        .unwrap();
    assert!(sum >= 1000, "{sum}");
    for of in ["list", "map"] {
        let (both, _) = multi(&server, &format!("of={of}&times=2&ms=500")).await;
        assert!((500..1000).contains(&both), "{both} ms, and {sum} in turn");
        // So many that no machine is slow enough to make it look like a sum of 5 s.
        let (all, results) = multi(&server, &format!("of={of}&times=50")).await;
        assert!((100..2500).contains(&all), "{all} ms");
        assert_eq!(results, (0..50).sum::<u64>());
    }
}

async fn multi(server: &Running, query: &str) -> (u64, u64) {
    let answer = server.json(&format!("/multi?{query}")).await;
    serde_json::from_value(answer).expect("two numbers")
}

#[tokio::test]
async fn the_first_error_ends_all_that_wait_together() {
    let server = serve("").await;
    for of in ["list", "map"] {
        // The others would take a minute.
        let path = format!("/multi?of={of}&times=40&ms=60000&fails=39");
        assert_eq!(server.get(&path).await.status, 502);
    }
}

#[tokio::test]
async fn results_come_in_turn() {
    let server = serve("").await;
    assert_eq!(server.get("/turns").await.body, "[1,2,0]");
}

#[tokio::test]
async fn a_wait_may_have_an_end() {
    let server = serve("").await;
    assert_eq!(server.get("/late?ms=1").await.body, "in time");
    assert_eq!(server.get("/late?ms=60000").await.body, "Timeout");
}

/// One timer is for all of an instance: that of the first who sleeps.
#[tokio::test]
async fn those_who_sleep_wake_though_the_first_of_them_is_gone() {
    let server = serve("").await;
    let first = server.waits("GET /sleeps?times=1&ms=60000", 0).await;
    let others = server.send_all("GET /sleeps?times=2&ms=1000", 20).await;
    server.until_counted("waiting", 21).await;
    drop(first);
    for client in others {
        let (status, ms) = said(client).await;
        assert_eq!(status, 200);
        assert!(ms.parse::<u64>().unwrap() >= 2000, "{ms}");
    }
    server.until_in_flight("waiting.wasm", 0).await;
}

/// What is over is answered, and its instance is as good as new, though its timer would have run for a minute.
#[tokio::test]
async fn a_timer_that_nobody_waits_for_holds_up_nobody() {
    let server = serve("max_requests = 4\ninstances = 1").await;
    let waiting = server.send("GET /condition?ms=60000").await;
    server.until_counted("waiting", 1).await;
    server.request("POST /condition", "", "").await;
    assert_eq!(said(waiting).await, ok("notified"));
    server.until_in_flight("waiting.wasm", 0).await;
    for _ in 0..10 {
        assert_eq!(server.get("/late?ms=1").await.body, "in time");
    }
    assert_eq!(server.component("waiting.wasm").await["traps"], 0);
    assert!(soon(server.stop()).await.success());
}

#[tokio::test]
async fn what_was_started_goes_on_while_its_request_waits_for_something_else() {
    let server = serve("").await;
    assert_eq!(server.get("/ahead").await.body, "work done 0 2");
}

#[tokio::test]
async fn a_request_that_awaits_never_holds_up_another() {
    let server = serve("cpu_deadline = \"10s\"").await;
    let waiting = server.waits("GET /event", 0).await;
    let endless = server.send("GET /moments").await;
    let asked = async { while server.request("PUT /moments", "", "").await.body != "true" {} };
    soon(asked).await;
    let slow = server.send("GET /sleeps?times=1&ms=60000").await;
    // In the one instance that there is, beside a request that is always ready to go on.
    for _ in 0..10 {
        assert_eq!(server.get("/late?ms=1").await.body, "in time");
    }
    server.request("POST /moments", "", "").await;
    let (status, moments) = said(endless).await;
    assert_eq!(status, 200);
    assert!(moments.parse::<u64>().unwrap() > 10, "{moments}");
    server.request("POST /event", "", "").await;
    assert_eq!(said(waiting).await, ok("set"));
    drop(slow);
}

#[tokio::test]
async fn an_event_is_set_by_another_request() {
    let server = serve("").await;
    let waiting = server.send_all("GET /event", 20).await;
    server.until_counted("waiting", 20).await;
    server.request("POST /event", "", "").await;
    for client in waiting {
        assert_eq!(said(client).await, ok("set"));
    }
    assert_eq!(server.get("/event").await.body, "set");
    server.request("DELETE /event", "", "").await;
    let waiting = server.waits("GET /event", 0).await;
    server.request("POST /event", "", "").await;
    assert_eq!(said(waiting).await, ok("set"));
}

#[tokio::test]
async fn one_notification_answers_all_who_wait() {
    const WAITERS: usize = 300;
    let server = serve("deadline = \"off\"").await;
    for line in ["GET /condition", "GET /condition?ms=60000"] {
        let waiting = server.send_all(line, WAITERS).await;
        server.until_counted("waiting", WAITERS as u64).await;
        server.request("POST /condition", "", "").await;
        for client in waiting {
            assert_eq!(said(client).await, ok("notified"));
        }
        server.until_counted("waiting", 0).await;
    }
    server.until_in_flight("waiting.wasm", 0).await;
    assert_eq!(server.component("waiting.wasm").await["traps"], 0);
}

#[tokio::test]
async fn a_notification_skips_those_who_are_gone() {
    let server = serve("").await;
    let first = server.waits("GET /condition", 0).await;
    let second = server.waits("GET /condition?ms=50", 1).await;
    let third = server.waits("GET /condition", 2).await;
    assert_eq!(said(second).await.0, 500);
    drop(first);
    server.until_counted("waiting", 1).await;
    let fourth = server.waits("GET /condition", 1).await;
    server.request("POST /condition?n=1", "", "").await;
    assert_eq!(said(third).await, ok("notified"));
    server.until_counted("waiting", 1).await;
    server.request("POST /condition?n=1", "", "").await;
    assert_eq!(said(fourth).await, ok("notified"));
}

#[tokio::test]
async fn a_lock_goes_from_a_request_that_is_gone_to_the_next() {
    let server = serve("").await;
    let first = server.send("GET /lock").await;
    server.until_counted("holding", 1).await;
    let second = server.waits("GET /lock?hold=no", 0).await;
    let third = server.waits("GET /lock?hold=no", 1).await;
    let fourth = server.waits("GET /lock?hold=no", 2).await;
    drop(second);
    server.until_counted("waiting", 2).await;
    drop(first);
    assert_eq!(said(third).await, ok("held"));
    assert_eq!(said(fourth).await, ok("held"));
    let held = server.send("GET /lock").await;
    server.until_counted("holding", 1).await;
    server.request("POST /lock", "", "").await;
    assert_eq!(said(held).await, ok("held"));
    assert_eq!(server.json("/counts").await["most"], 1);
}

#[tokio::test]
async fn a_lock_goes_from_a_request_that_is_late_to_the_next() {
    let server = serve("deadline = \"300ms\"").await;
    let holds = server.send("GET /lock").await;
    server.until_counted("holding", 1).await;
    assert_eq!(said(holds).await.0, 504);
    assert_eq!(server.get("/lock?hold=no").await.body, "held");
}

#[tokio::test]
async fn items_go_from_request_to_request() {
    let server = serve("").await;
    let getters = [
        server.waits("GET /items", 0).await,
        server.waits("GET /items", 1).await,
        server.waits("GET /items", 2).await,
    ];
    let [gone, second, third] = getters;
    drop(gone);
    server.until_counted("waiting", 2).await;
    server.put("/items", "a").await;
    server.put("/items", "b").await;
    assert_eq!(said(second).await, ok("a"));
    assert_eq!(said(third).await, ok("b"));
    for item in ["c", "d"] {
        assert_eq!(server.put("/items?ms=0", item).await.status, 200);
    }
    let full = server.put("/items?ms=0", "e").await;
    assert_eq!((full.status, &*full.body), (500, "the queue is full"));
    let late = server.put("/items?ms=50", "e").await;
    assert_eq!((late.status, &*late.body), (500, "Timeout"));
    let mut waits = server.connect().await;
    waits
        .send("POST /items HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nf")
        .await;
    server.until_counted("waiting", 1).await;
    for item in ["c", "d", "f"] {
        assert_eq!(server.get("/items").await.body, item);
    }
    assert_eq!(said(waits).await.0, 200);
    assert_eq!(server.get("/items?ms=0").await.body, "the queue is empty");
    assert_eq!(server.get("/items?ms=50").await.body, "Timeout");
    assert_eq!(server.json("/counts").await["items"], 0);
}

#[tokio::test]
async fn a_request_waits_until_all_is_done() {
    let server = serve("").await;
    assert_eq!(server.get("/join").await.body, "all done");
    server.put("/items", "a").await;
    server.put("/items", "b").await;
    let join = server.waits("GET /join", 0).await;
    for item in ["a", "b"] {
        assert_eq!(server.get("/items").await.body, item);
        assert_eq!(server.json("/counts").await["waiting"], 1);
        assert_eq!(server.request("DELETE /items", "", "").await.status, 200);
    }
    assert_eq!(said(join).await, ok("all done"));
    let refused = server.request("DELETE /items", "", "").await;
    assert_eq!(refused.body, "task_done() called too many times");
}

/// Every one of them at once, and every client gone in the middle of it.
#[tokio::test]
async fn those_who_are_gone_leave_nothing_behind() {
    const OF_EACH: usize = 30;
    let server = serve("").await;
    let mut waiting = Vec::new();
    for line in [
        "GET /event",
        "GET /condition",
        "GET /condition?ms=60000",
        "GET /items",
        "GET /lock",
        "GET /ahead",
        "GET /multi?of=list&ms=60000&times=40",
    ] {
        waiting.extend(server.send_all(line, OF_EACH).await);
    }
    // All but the one that has the lock, and those that are not counted.
    let count = (5 * OF_EACH - 1) as u64;
    server.until_counted("waiting", count).await;
    drop(waiting);
    let nobody = |counts: &Value| counts["waiting"] == 0 && counts["holding"] == 0;
    server.until_json("/counts", nobody).await;
    server.until_in_flight("waiting.wasm", 0).await;
    server.put("/items", "a").await;
    assert_eq!(server.get("/items").await.body, "a");
    assert_eq!(server.get("/lock?hold=no").await.body, "held");
    let entry = server.component("waiting.wasm").await;
    assert_eq!(
        (&entry["traps"], &entry["instances"]),
        (&0.into(), &1.into())
    );
}
