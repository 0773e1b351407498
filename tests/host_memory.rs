//! What the host keeps or copies for a guest has a bound. A guest that goes past it loses its own request or instance,
//! and nothing else.

use crate::harness::{App, Load, Running, guest, soon, versioned};

/// How much the process may grow, in KiB: instances have memory of their own beside what the host keeps.
const GROWTH: u64 = 160 * 1024;

/// How often each way is tried.
const TIMES: usize = 20;

async fn serve() -> Running {
    App::new()
        .handler("hoard.wasm", guest("hoard"))
        .handler("version.wasm", versioned("beside"))
        .config("[component.\"hoard.wasm\"]\ninstances = 1\nmax_concurrent = 1\n")
        .serve()
        .await
}

/// Asks for one way of hoarding again and again. Returns the status and the body of the last answer.
async fn hoard(what: &str) -> (u16, String) {
    let mut server = serve().await;
    let path = format!("/hoard?what={what}");
    server.get("/version").await;
    let before = server.resident();
    let beside = Load::start(server.address, "/version", 1, &["beside"]);
    let (mut last, mut most) = (None, before);
    for _ in 0..TIMES {
        last = Some(soon(server.get(&path)).await);
        most = most.max(server.resident());
    }
    beside.more(20).await;
    beside.end().await.assert_flawless();
    assert!(server.is_alive());
    let grown = most.saturating_sub(before);
    assert!(grown < GROWTH, "{what}: {grown} KiB more than before");
    let last = last.expect("it was asked");
    (last.status, last.body)
}

#[tokio::test]
async fn header_fields_are_charged_to_their_instance() {
    let (status, _) = hoard("fields").await;
    assert_eq!(status, 500);
}

#[tokio::test]
async fn requests_that_are_never_sent_are_charged_to_their_instance() {
    let (status, _) = hoard("requests").await;
    assert_eq!(status, 500);
}

#[tokio::test]
async fn descriptors_are_for_connections_first() {
    let app = App::new()
        .handler("hoard.wasm", guest("hoard"))
        .handler("version.wasm", versioned("beside"))
        .config("[component.\"hoard.wasm\"]\ninstances = 1\nallow = { read = ['data'] }\n")
        // The soft limit is raised to the hard one.
        .through(
            "sh",
            &["-c", "ulimit -Sn 200; ulimit -Hn 900; exec \"$0\" \"$@\""].map(str::to_owned),
        );
    let data = app.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.join("file"), "content").expect("a file");
    let mut server = app.serve().await;
    server
        .log
        .line_with("900 descriptors are granted, and `max_connections` = 10000 may need 11024")
        .await;
    let mut connected = Vec::new();
    for _ in 0..300 {
        connected.push(server.connect().await);
    }
    let answer = soon(server.get("/hoard?what=files")).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    let trap = "the instance has more than 256 open files and sockets";
    server.log.line_with(trap).await;
    for client in &mut connected {
        assert_eq!(soon(client.get("/version")).await.body, "beside");
    }
    assert!(server.is_alive());
}

#[tokio::test]
async fn a_bucket_takes_no_more_than_its_keys() {
    let server = App::new()
        .handler("hoard.wasm", guest("hoard"))
        .config("[kv]\nmax_memory = '4MB'\n[component.\"hoard.wasm\"]\ninstances = 1\n")
        .serve()
        .await;
    let before = server.resident();
    let answer = soon(server.get("/hoard?what=buckets")).await;
    let keys: u64 = answer.body.parse().expect("a number of keys");
    assert!((20_000..40_000).contains(&keys), "{answer:?}");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB for {keys} keys");
}

#[tokio::test]
async fn no_call_makes_more_random_bytes_than_a_browser_does() {
    // WASI 0.3 allows fewer than were asked for; in 0.2 it is a trap.
    assert_eq!(hoard("random").await, (200, "65536".to_owned()));
}

#[tokio::test]
async fn a_head_and_a_message_have_a_largest_size() {
    assert_eq!(hoard("headers").await.0, 500);
    assert_eq!(hoard("message").await.0, 500);
}

#[tokio::test]
async fn trailers_have_a_largest_size() {
    let mut server = serve().await;
    let before = server.resident();
    for _ in 0..TIMES {
        let mut client = server.connect().await;
        client
            .send("GET /hoard?what=trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n")
            .await;
        let whole = soon(client.rest()).await;
        let whole = String::from_utf8_lossy(&whole);
        assert!(
            whole.contains("begun") && !whole.contains("aaaa"),
            "{whole}"
        );
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < GROWTH, "{grown} KiB more than before");
    assert!(server.is_alive());
}
