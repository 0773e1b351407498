//! A guest that serves its streams as nobody should.

use std::time::{Duration, Instant};

use super::{Lines, place_of};
use crate::harness::{App, Running, guest, renumbered};

const FILE: &str = "raw_tcp.wasm";

async fn serve(how: &str) -> Running {
    let app = App::new()
        .handler(FILE, guest("raw_tcp"))
        .handler("version.wasm", guest("version"))
        .config(&format!(
            "[[tcp]]\nlisten = '127.0.0.1:0'\nhandler = '{FILE}'\n\
             [component.{FILE:?}]\ninstances = 1\ndrain_deadline = '100ms'\nenv = {{ HOW = '{how}' }}\n"
        ));
    app.serve().await
}

async fn open(server: &Running) -> Lines {
    Lines::connect(place_of(server, 1, FILE).await).await
}

#[tokio::test]
async fn streams_that_it_does_not_serve_are_closed() {
    for (how, word) in [("idle", ""), ("once", "hello")] {
        let server = serve(how).await;
        for _ in 0..20 {
            let mut stream = open(&server).await;
            assert_eq!(stream.line().await, word, "{how}");
            assert_eq!(stream.line().await, "", "{how}");
        }
        assert_eq!(server.component(FILE).await["traps"], 0, "{how}");
        assert_eq!(server.get("/version").await.status, 200);
    }
}

#[tokio::test]
async fn a_stream_that_it_ends_is_over_and_what_it_ends_wrongly_is_nobodys() {
    let server = serve("wrong").await;
    for _ in 0..5 {
        let mut stream = open(&server).await;
        assert_eq!(stream.line().await, "hello");
        assert_eq!(stream.line().await, "");
    }
    server.log.nth_line_with(5, "on purpose").await;
    assert_eq!(server.component(FILE).await["traps"], 0);
}

#[tokio::test]
async fn one_that_hears_nothing_is_cut_and_its_instance_goes() {
    let server = serve("deaf").await;
    let mut streams = [open(&server).await, open(&server).await];
    for stream in &mut streams {
        assert_eq!(stream.line().await, "hello");
    }
    server.app.replace(FILE, &renumbered(guest("raw_tcp"), 1));
    server.until_generation(2).await;
    let begun = Instant::now();
    for stream in &mut streams {
        assert_eq!(stream.line().await, "");
    }
    // It has 5 s for the cancelled handlers, and as many to return.
    server
        .until(|status| {
            let components = status["components"].as_array().expect("a list");
            components.iter().all(|one| one["state"] == "serving")
        })
        .await;
    let lasted = begun.elapsed();
    assert!(lasted < Duration::from_secs(20), "{lasted:?}");
}
