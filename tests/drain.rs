//! The end of a server, and of a version, with everything under way that can be: who waits, listens, loads and sends is
//! answered, what is spawned ends, and the log names what was given up.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{App, Client, Running, example, guest, renumbered, soon};

const MIB: usize = 1 << 20;

/// What is open while a server or a version ends.
struct Open {
    polls: Vec<Client>,
    events: Vec<Client>,
    download: Client,
    upload: Client,
}

async fn app() -> App {
    App::new()
        .handler("chat.wasm", example("chat"))
        .handler("stream.wasm", example("stream"))
        .handler("streams.wasm", guest("streams"))
        .handler("background.wasm", guest("background"))
        .config(
            "[server]\ngrace = \"20s\"\n\
             [[route]]\npattern = '/script'\nhandler = \"streams.wasm#Script\"\n\
             [component.\"chat.wasm\"]\ndeadline = \"off\"\n\
             [component.\"background.wasm\"]\ninstances = 1\n",
        )
}

async fn open(server: &Running) -> Open {
    assert_eq!(server.get("/do?what=work&ms=300").await.body, "begun");
    let polls = server.send_all("POST /a/message/updates", 5).await;
    let mut events = server.send_all("GET /stream/clock", 5).await;
    for client in &mut events {
        client.head().await;
        soon(client.chunk()).await;
    }
    let mut download = server.send("GET /script?do=stream:16").await;
    download.head().await;
    let mut upload = server.connect().await;
    let head = format!("Host: a\r\nContent-Length: {}\r\n\r\n", 2 * MIB);
    upload
        .send(format!("PUT /stream/upload?number=1 HTTP/1.1\r\n{head}"))
        .await;
    upload.send(vec![b'x'; MIB]).await;
    server.until_in_flight("chat.wasm", 5).await;
    server.until_in_flight("stream.wasm", 6).await;
    Open {
        polls,
        events,
        download,
        upload,
    }
}

/// Reads and sends on to the end, which has to be a good one, of what was opened so many times.
async fn end(server: &Running, open: Open, times: usize) {
    for mut client in open.polls {
        let answer = soon(client.answer()).await;
        assert_eq!(
            serde_json::from_str::<Value>(&answer.body).unwrap()["messages"],
            Value::Array(Vec::new())
        );
    }
    for mut client in open.events {
        while !soon(client.chunk()).await.is_empty() {}
    }
    let mut download = open.download;
    let mut loaded = 0;
    loop {
        match soon(download.chunk_of_bytes()).await.len() {
            0 => break,
            more => loaded += more,
        }
    }
    assert_eq!(loaded, 16 * MIB);
    let mut upload = open.upload;
    soon(upload.send(vec![b'x'; MIB])).await;
    let answer = soon(upload.answer()).await;
    assert_eq!(answer.body, format!("{} bytes", 2 * MIB));
    server.log.nth_line_with(times, "the work is done").await;
}

#[tokio::test]
async fn a_shutdown_ends_all_that_is_open_in_good_order() {
    let mut server = app().await.serve().await;
    let open = open(&server).await;
    server.signal("TERM");
    end(&server, open, 1).await;
    assert!(server.ended().await.success());
    let log = server.log.whole().await;
    assert!(!log.contains("were cut"), "{log}");
}

#[tokio::test]
async fn what_does_not_end_within_grace_is_cut_and_named() {
    let app = App::new()
        .handler("slow.wasm", guest("slow"))
        .handler("background.wasm", guest("background"))
        .config("[server]\ngrace = \"500ms\"\n[component.\"slow.wasm\"]\ndeadline = \"off\"\n");
    let mut server = app.serve().await;
    let _slow = server.send_all("GET /slow?ms=600000", 3).await;
    server.until_in_flight("slow.wasm", 3).await;
    let work = server.get("/do?what=work&ms=600000").await;
    assert_eq!(work.body, "begun");
    server.signal("TERM");
    assert!(server.ended().await.success());
    server.log.line_with("3 connections were cut").await;
    server.log.line_with("background task").await;
}

/// As many as `WATERSPOUT_SWAPS` says; ten where it says nothing.
fn swaps() -> usize {
    let said = std::env::var("WATERSPOUT_SWAPS").ok();
    said.map_or(10, |said| said.parse().expect("a number of swaps"))
}

/// The chat, the clock, the upload and what works in the background are swapped again and again, with all of them open
/// each time.
#[tokio::test]
async fn swap_after_swap_ends_all_that_is_open_in_good_order() {
    let swaps = swaps();
    let server = app().await.serve().await;
    let files = ["chat", "stream", "streams", "background"];
    let bytes = files.map(|file| match file {
        "chat" | "stream" => example(file),
        _ => guest(file),
    });
    let mut before = None;
    for swap in 1..=swaps {
        let open = open(&server).await;
        for (file, bytes) in files.iter().zip(&bytes) {
            let next = renumbered(bytes.clone(), swap as u8);
            server.app.replace(&format!("{file}.wasm"), &next);
        }
        end(&server, open, swap).await;
        if swap == swaps.div_ceil(10) {
            before = Some(server.vitals());
        }
    }
    let idle = |status: &Value| {
        let components = status["components"].as_array().expect("a list");
        components
            .iter()
            .all(|component| component["state"] == "serving" && component["in_flight"] == 0)
    };
    server.until(idle).await;
    // What compiled functions may keep in memory, and what the allocator does: 120 MiB after a hundred swaps, 124 after
    // two hundred.
    server.until_as_before(before.expect("swaps"), 96).await;
    let log = server.logged().await;
    assert!(!log.contains("refused"), "{log}");
    tokio::time::timeout(Duration::from_secs(60), server.stop())
        .await
        .expect("an end");
}
