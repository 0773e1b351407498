//! The end of streams: a swap, and the end of the server.

use std::time::{Duration, Instant};

use super::{FILE, LINES, app, lines};
use crate::harness::{guest, renumbered};

#[tokio::test]
async fn the_streams_of_an_unchanged_component_go_on_and_those_of_a_changed_one_stay_with_it() {
    let server = app(LINES, "drain_deadline = '1s'").handler("version.wasm", guest("version"));
    let server = server.serve().await;
    let mut early = lines(&server).await;
    assert_eq!(early.ask("hello").await, "You sent: hello");
    // Another one changes.
    server
        .app
        .replace("version.wasm", &renumbered(guest("version"), 1));
    server.until_generation(2).await;
    assert_eq!(early.ask("hello").await, "You sent: hello");
    server.until_now("1 of 1").await;

    server
        .app
        .replace(FILE, &renumbered(guest("tcp_server"), 1));
    server.until_generation(3).await;
    let begun = Instant::now();
    let mut late = lines(&server).await;
    assert_eq!(late.ask("hello").await, "You sent: hello");
    server.until_now("1 of 1").await;
    // The early one is where it was, until its time is over. What it says in the end is answered.
    let mut answers = 0;
    loop {
        early.say("still").await;
        match early.line().await.as_str() {
            "You sent: still" => answers += 1,
            "" => break,
            other => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lasted = begun.elapsed();
    assert!(answers > 10, "{answers} answers");
    assert!(lasted > Duration::from_millis(900), "{lasted:?}");
    assert_eq!(late.ask("hello").await, "You sent: hello");
    server
        .until(|status| {
            let components = status["components"].as_array().expect("a list");
            components.iter().all(|one| one["state"] == "serving")
        })
        .await;
}

#[tokio::test]
async fn a_handler_that_ignores_the_end_of_its_time_is_cancelled() {
    let server = app(LINES, "drain_deadline = '100ms'").serve().await;
    let mut stream = lines(&server).await;
    assert_eq!(stream.ask("tick").await, "tick");
    server
        .app
        .replace(FILE, &renumbered(guest("tcp_server"), 1));
    server.until_generation(2).await;
    let begun = Instant::now();
    while stream.line().await == "tick" {}
    let lasted = begun.elapsed();
    assert!(lasted > Duration::from_secs(4), "{lasted:?}");
}

#[tokio::test]
async fn when_the_server_ends_streams_are_told_and_what_was_said_is_answered() {
    let mut server = app(LINES, "").serve().await;
    let mut streams = Vec::new();
    for at in 0..100 {
        let mut stream = lines(&server).await;
        let word = ["hello", "sleep 300", "forever", "keep"][at % 4];
        stream.say(word).await;
        match at % 4 {
            0 => assert_eq!(stream.line().await, "You sent: hello"),
            2 => assert_eq!(stream.line().await, "waits"),
            _ => {}
        }
        streams.push(stream);
    }
    server.until_now("75 of 100").await;
    let begun = Instant::now();
    server.signal("TERM");
    for (at, stream) in streams.iter_mut().enumerate() {
        let rest = String::from_utf8(stream.rest().await).expect("text");
        let expected = match at % 4 {
            1 => "slept\n",
            _ => "",
        };
        assert_eq!(rest, expected, "{at}");
    }
    let status = server.ended().await;
    assert!(status.success(), "{}", server.log.text());
    let lasted = begun.elapsed();
    assert!(lasted < Duration::from_secs(10), "{lasted:?}");
    assert!(
        !server.log.text().contains("were cut"),
        "{}",
        server.log.text()
    );
}
