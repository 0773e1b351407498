//! `pubsub`: who hears what, what is dropped, and what nothing is left of.

use serde_json::{Value, json};

use crate::harness::{App, Client, Running, example, guest, raise_descriptors, soon};

async fn serve(rules: &str) -> Running {
    App::new()
        .handler("pubsub.wasm", guest("pubsub"))
        .config(&format!("[component.\"pubsub.wasm\"]\n{rules}\n"))
        .serve()
        .await
}

/// Publishes again and again until so many have heard it.
async fn until_heard_by(server: &Running, path: &str, count: u64) {
    server
        .until_json(path, |heard| *heard == json!(count))
        .await;
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {body}"))
}

async fn heard(client: &mut Client) -> Value {
    parsed(&soon(client.answer()).await.body)
}

#[tokio::test]
async fn who_publishes_without_end_and_awaits_it_holds_up_nobody() {
    let server = serve("instances = 1\ncpu_deadline = \"1s\"").await;
    let mut busy = server.send("GET /busy?topic=a&ms=2500").await;
    server.until_in_flight("pubsub.wasm", 1).await;
    // It ends when another request of its instance says so.
    assert_eq!(server.get("/busy?stop=yes").await.body, "stopped");
    let answer = soon(busy.answer()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.body, "0");
}

#[tokio::test]
async fn messages_go_to_all_instances_and_components() {
    let routes: String = [("one", "exclusive"), ("two", "fresh")]
        .map(|(name, isolation)| {
            format!(
                "[component.\"{name}.wasm\"]\nisolation = \"{isolation}\"\n\
                 [[route]]\npattern = '/{name}/listen'\nhandler = \"{name}.wasm#Listen\"\n\
                 [[route]]\npattern = '/{name}/publish'\nhandler = \"{name}.wasm#Publish\"\n"
            )
        })
        .concat();
    let server = App::new()
        .handler("one.wasm", guest("pubsub"))
        .handler("two.wasm", guest("pubsub"))
        .config(&routes)
        .serve()
        .await;
    let mut listeners = server.send_all("GET /one/listen?topic=a&from=go", 3).await;
    listeners.extend(server.send_all("GET /two/listen?topic=a&from=go", 3).await);
    let mut elsewhere = server.send("GET /two/listen?topic=b").await;
    until_heard_by(&server, "/two/publish?topic=a&message=m", 6).await;
    assert_eq!(
        server.get("/one/publish?topic=a&message=go").await.body,
        "6"
    );
    until_heard_by(&server, "/one/publish?topic=b&message=other", 1).await;
    for listener in &mut listeners {
        assert_eq!(heard(listener).await[0], json!(["go0", 0]));
    }
    assert_eq!(heard(&mut elsewhere).await[0], json!(["other0", 0]));
}

#[tokio::test]
async fn a_subscriber_of_one_generation_hears_what_the_next_publishes() {
    let server = serve("instances = 1").await;
    let mut before = server.send("GET /listen?topic=a&count=2").await;
    server
        .until_json("/waiting", |waiting| *waiting == json!(1))
        .await;
    assert_eq!(server.get("/publish?topic=a&message=old").await.body, "1");
    let toml = server.app.path().join("waterspout.toml");
    std::fs::write(toml, "[component.\"pubsub.wasm\"]\nmax_queue = 7\n").expect("written");
    server.until_generation(2).await;
    let mut after = server.send("GET /listen?topic=a").await;
    until_heard_by(&server, "/publish?topic=b&message=m", 0).await;
    assert_eq!(
        server
            .json("/waiting")
            .await
            .as_u64()
            .map(|waiting| waiting < 2),
        Some(true)
    );
    let published = server.get("/publish?topic=a&message=new").await.body;
    assert!(["1", "2"].contains(&&*published), "{published}");
    assert_eq!(heard(&mut before).await, json!([["old0", 0], ["new0", 0]]));
    if published == "1" {
        // It came too late for that one.
        until_heard_by(&server, "/publish?topic=a&message=new", 1).await;
    }
    assert_eq!(heard(&mut after).await, json!([["new0", 0]]));
}

#[tokio::test]
async fn messages_of_one_publisher_keep_their_order() {
    let server = serve("").await;
    let mut listeners = server
        .send_all("GET /listen?topic=a&count=500&capacity=1024&from=m", 20)
        .await;
    until_heard_by(&server, "/publish?topic=a&message=first", 20).await;
    assert_eq!(
        server
            .get("/publish?topic=a&message=m&times=500")
            .await
            .body,
        "20"
    );
    for listener in &mut listeners {
        let all = heard(listener).await;
        let texts = all
            .as_array()
            .expect("a list")
            .iter()
            .map(|message| &message[0]);
        let own = texts
            .filter_map(Value::as_str)
            .filter_map(|text| text.strip_prefix('m'));
        let numbers: Vec<u32> = own
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert!(numbers.iter().copied().eq(0..500), "{numbers:?}");
    }
}

#[tokio::test]
async fn a_slow_subscriber_loses_the_oldest_and_is_told_how_many() {
    let server = serve("").await;
    let lagged = server
        .json("/lag?topic=a&capacity=3&times=10&count=3")
        .await;
    let expected = json!({ "heard": [["7", 7], ["8", 0], ["9", 0]], "dropped": 7 });
    assert_eq!(lagged, expected);
    let kept_up = server
        .json("/lag?topic=a&capacity=10&times=10&count=1")
        .await;
    assert_eq!(kept_up, json!({ "heard": [["0", 0]], "dropped": 0 }));
}

#[tokio::test]
async fn who_stops_to_wait_and_begins_anew_loses_nothing() {
    let server = serve("instances = 1").await;
    let mut restless = server.send("GET /restless?topic=a&count=300").await;
    server
        .until_json("/waiting", |waiting| *waiting == json!(1))
        .await;
    for _ in 0..300 {
        assert_eq!(server.get("/publish?topic=a&message=m").await.body, "1");
    }
    let all = heard(&mut restless).await;
    assert_eq!(all, json!(vec![json!(["m0", 0]); 300]));
}

#[tokio::test]
async fn what_waits_in_an_instance_is_bounded_by_message_memory() {
    let server = serve("message_memory = \"4KB\"").await;
    let lagged = server.json("/lag?topic=a&times=10&size=1000&count=3").await;
    let expected = json!({ "heard": [["7", 7], ["8", 0], ["9", 0]], "dropped": 7 });
    assert_eq!(lagged, expected);
    // One that could never be kept is handed to nobody.
    let mut waiting = server.send("GET /listen?topic=b").await;
    until_heard_by(&server, "/publish?topic=b&message=m", 1).await;
    assert_eq!(heard(&mut waiting).await, json!([["m0", 0]]));
    assert_eq!(server.get("/keep?topic=b&count=1").await.status, 200);
    assert_eq!(server.get("/publish?topic=b&size=5000").await.body, "0");
}

#[tokio::test]
async fn names_messages_and_capacities_have_limits() {
    let server = serve("").await;
    let long = "t".repeat(256);
    for (path, said) in [
        (format!("/publish?topic={long}&message=m"), "0"),
        (
            format!("/publish?topic={long}t&message=m"),
            "a topic's name has 1 to 256 bytes, not 257",
        ),
        (
            "/publish?topic=&message=m".to_owned(),
            "a topic's name has 1 to 256 bytes, not 0",
        ),
        ("/publish?topic=a&size=1048576".to_owned(), "0"),
        (
            "/publish?topic=a&size=1048577".to_owned(),
            "a message has 1048576 bytes at most",
        ),
        (
            "/listen?topic=a&capacity=0".to_owned(),
            "a subscription holds back 1 to 1024 messages",
        ),
        (
            "/listen?topic=a&capacity=1025".to_owned(),
            "a subscription holds back 1 to 1024 messages",
        ),
        (
            format!("/listen?topic={long}t"),
            "a topic's name has 1 to 256 bytes, not 257",
        ),
    ] {
        assert_eq!(server.get(&path).await.body, said, "{path}");
    }
}

#[tokio::test]
async fn an_instance_has_so_many_subscriptions_and_no_more() {
    let server = serve("instances = 1\nmax_concurrent = 1").await;
    // 128 for itself and 8 for each request that it may have at once.
    assert_eq!(server.get("/keep?topic=a&count=136").await.body, "136");
    let said = "an instance has 136 subscriptions at most";
    assert_eq!(server.get("/keep?topic=a&count=1").await.body, said);
    assert_eq!(server.get("/publish?topic=a&message=m").await.body, "136");
    assert_eq!(server.get("/keep?count=0").await.body, "none");
    assert_eq!(server.get("/publish?topic=a&message=m").await.body, "0");
    assert_eq!(server.get("/keep?topic=a&count=136").await.body, "136");
}

#[tokio::test]
async fn a_subscription_ends_with_its_handler_and_with_its_instance() {
    let server = serve("instances = 1").await;
    let listeners = server.send_all("GET /listen?topic=a", 10).await;
    server
        .until_json("/waiting", |waiting| *waiting == json!(10))
        .await;
    // Clients that leave: their handlers end at their await, and drop what they hold.
    drop(listeners);
    server
        .until_json("/waiting", |waiting| *waiting == json!(0))
        .await;
    assert_eq!(server.get("/publish?topic=a&message=m").await.body, "0");

    // What is kept beyond its request lasts as long as the instance.
    assert_eq!(server.get("/keep?topic=a&count=5").await.body, "5");
    assert_eq!(server.get("/publish?topic=a&message=m").await.body, "5");
    let toml = server.app.path().join("waterspout.toml");
    std::fs::write(toml, "[component.\"pubsub.wasm\"]\nmax_queue = 7\n").expect("written");
    server.until_generation(2).await;
    until_heard_by(&server, "/publish?topic=a&message=m", 0).await;
}

#[tokio::test]
async fn ten_thousand_long_polls_in_one_instance_are_answered_by_one_publish() {
    // Each has a descriptor here and one in the server; a third is left to what other tests open.
    let most = raise_descriptors();
    let clients = (most / 3 * 2).min(10_000);
    assert!(
        clients >= 1000,
        "a process may open {most} files, which is too few to try {clients} long polls"
    );
    let server = App::new()
        .handler("pubsub.wasm", guest("pubsub"))
        .config(
            "[server]\nmax_connections = 20000\n\n\
             [component.\"pubsub.wasm\"]\ninstances = 1\nmax_concurrent = 20000\n\
             deadline = \"off\"",
        )
        .serve()
        .await;
    let mut polls = server.send_all("GET /listen?topic=a", clients).await;
    server
        .until_json("/waiting", |waiting| *waiting == json!(clients))
        .await;
    let published = server.get("/publish?topic=a&message=m").await.body;
    assert_eq!(published, clients.to_string());
    for poll in &mut polls {
        assert_eq!(heard(poll).await, json!([["m0", 0]]), "of {clients}");
    }
}

#[tokio::test]
async fn ten_thousand_subscriptions_leave_nothing_behind() {
    let server = serve("instances = 1\ncpu_deadline = \"off\"\nblock_log = \"off\"").await;
    for _ in 0..3 {
        assert_eq!(server.get("/burst?topic=a&count=2000").await.body, "done");
    }
    let before = server.vitals();
    assert_eq!(server.get("/burst?topic=a&count=10000").await.body, "done");
    server.until_as_before(before, 4).await;
    assert_eq!(server.get("/publish?topic=a&message=m").await.body, "0");
}

#[test]
fn who_uses_neither_messages_nor_state_has_nothing_of_them() {
    let has = |bytes: &[u8], word: &str| {
        let word = word.as_bytes();
        bytes.windows(word.len()).any(|window| window == word)
    };
    let (plain, both) = (example("hello"), [guest("pubsub"), guest("kv")].concat());
    for word in ["pubsub/pubsub", "kv/kv", "subscription", "bucket"] {
        assert!(has(&both, word), "{word}");
        assert!(!has(&plain, word), "{word}");
    }
}

#[tokio::test]
async fn a_read_that_one_request_began_another_may_end() {
    let server = serve("isolation = \"shared\"\ninstances = 1").await;
    for count in 1..=3 {
        assert_eq!(server.get("/keep?topic=a&count=1").await.status, 200);
        for _ in 0..2 {
            assert_eq!(server.get("/late?ms=1").await.body, "none");
        }
        let published = server.get("/publish?topic=a&message=m").await;
        assert_eq!(published.body, count.to_string());
        assert_eq!(server.json("/late?ms=10000").await, json!(["m0", 0]));
        let mut waiting = server.send("GET /late?ms=10000").await;
        server.get("/publish?topic=a&message=n").await;
        assert_eq!(heard(&mut waiting).await, json!(["n0", 0]));
        assert_eq!(server.get("/late?ms=1").await.body, "none");
    }
    // What is still under way holds up neither the instance nor the end.
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn reads_that_nobody_waits_for_leave_nothing_behind() {
    // As few handles as an instance can have: 1,152.
    let server = serve("instances = 1\nmax_concurrent = 1\nmax_tasks = 1").await;
    assert_eq!(server.get("/keep?topic=a&count=1").await.status, 200);
    let mut client = server.connect().await;
    for _ in 0..1_500 {
        assert_eq!(client.get("/late?ms=0").await.body, "none");
    }
    assert_eq!(server.component("pubsub.wasm").await["traps"], 0);
}
