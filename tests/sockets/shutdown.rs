//! The end of the server, as its sockets' clients see it.

use tokio::task::JoinSet;

use super::{FILE, app, connect, logged};
use crate::harness::websocket::TEXT;
use crate::harness::{App, Frame, Running, Ws, guest, raise_descriptors, soon};

async fn serve(server: &str, rules: &str) -> Running {
    app("")
        .config(&format!(
            "[server]\n{server}\n[component.{FILE:?}]\ninstances = 1\n{rules}\n"
        ))
        .serve()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sockets_are_told_1001_and_the_server_ends_in_time() {
    raise_descriptors();
    let mut server = serve("grace = \"20s\"", "").await;
    let mut all = JoinSet::new();
    let mut connects = JoinSet::new();
    for _ in 0..1000 {
        let address = server.address;
        connects.spawn(async move { Ws::connect(address, "/events").await });
    }
    for mut ws in soon(connects.join_all()).await {
        all.spawn(async move {
            assert_eq!(ws.expect_close(1001).await, "");
            ws.send_close(1001, "").await;
            assert_eq!(ws.rest().await, b"");
        });
    }
    server.signal("TERM");
    soon(all.join_all()).await;
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", server.log.text());
}

#[tokio::test]
async fn an_event_under_way_ends_before_its_client_is_told() {
    let mut server = serve("grace = \"20s\"", "").await;
    let mut slow = connect(&server, "/events?as=slow&ms=1000").await;
    let mut quiet = connect(&server, "/events?as=quiet").await;
    slow.send_text("slow").await;
    logged(&server, "slow begin slow").await;
    server.signal("TERM");
    quiet.expect_close(1001).await;
    quiet.send_close(1001, "").await;
    assert_eq!(slow.next().await, Frame::whole(TEXT, "slow"));
    slow.expect_close(1001).await;
    slow.send_close(1001, "").await;
    assert_eq!(slow.rest().await, b"");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn clients_that_answer_nothing_hold_up_no_end() {
    let mut server = serve("grace = \"15s\"", "").await;
    let mut deaf = connect(&server, "/events").await;
    // One that reads nothing, with much that waits for it.
    let full = connect(&server, "/everyone").await;
    let text = "x".repeat(100_000);
    let answer = server
        .request("POST /everyone?times=200&ms=20", "", &text)
        .await;
    assert_eq!(answer.status, 200);
    server.signal("TERM");
    deaf.expect_close(1001).await;
    assert_eq!(
        server.ended().await.code(),
        Some(0),
        "{}",
        server.log.text()
    );
    drop((deaf, full));
}

#[tokio::test]
async fn an_event_that_never_ends_is_given_up_with_the_grace() {
    let mut server = serve("grace = \"1s\"", "").await;
    let mut ws = connect(&server, "/events?as=slow&ms=600000").await;
    ws.send_text("slow").await;
    logged(&server, "slow begin slow").await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    ws.rest().await;
}

#[tokio::test]
async fn sockets_that_moved_are_told_as_well() {
    let config = |version: &str| {
        format!("[component.\"suspends.wasm\"]\nenv = {{ VERSION = \"{version}\" }}\n")
    };
    let mut server = App::new()
        .handler("suspends.wasm", guest("suspends"))
        .config(&config("v1"))
        .serve()
        .await;
    let mut ws = connect(&server, "/suspends/a").await;
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, config("v2")).unwrap();
    std::fs::rename(aside, server.app.path().join("waterspout.toml")).unwrap();
    server.until_generation(2).await;
    ws.send_text("x").await;
    ws.next().await;
    server.signal("TERM");
    ws.expect_close(1001).await;
    ws.send_close(1001, "").await;
    assert_eq!(ws.rest().await, b"");
    assert_eq!(server.ended().await.code(), Some(0));
}
