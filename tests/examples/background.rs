//! The examples `minute-loop` and `blocking`: what goes on without a request, or beside one.

use crate::harness::{App, example, soon};

#[tokio::test]
async fn the_loops_beat_once_in_a_period_and_in_a_period_and_its_work() {
    // Built by Cargo, whose files have no dashes.
    let file = "minute-loop".replace('-', "_");
    let server = App::new()
        .handler(&format!("{file}.wasm"), example(&file))
        .config(&format!(
            "[[route]]\npattern = '/'\nhandler = \"{file}.wasm\"\nkwargs = {{ period = 0.2, work = 0.2 }}\n"
        ))
        .serve()
        .await;
    let beats = |page: &str, name: &str| -> Vec<u64> {
        let (_, rest) = page.split_once(&format!("<p>{name}:")).expect("the loop");
        let (beats, _) = rest.split_once("</p>").expect("its end");
        let beats = beats.split_whitespace();
        beats.map(|beat| beat.parse().expect("a number")).collect()
    };
    let page = soon(async {
        loop {
            let page = server.get("/").await.body;
            if beats(&page, "minute").len() >= 5 && beats(&page, "exact minute").len() >= 5 {
                return page;
            }
        }
    })
    .await;
    let [both, exact] = ["minute", "exact minute"].map(|name| {
        let beats = beats(&page, name);
        let gaps = beats.windows(2).map(|two| two[1] - two[0]);
        gaps.min().expect("five beats")
    });
    assert!(both >= 399, "{page}");
    // A machine may hold up some of them, but not all.
    assert!((199..399).contains(&exact), "{page}");
}

#[tokio::test]
async fn inline_work_shows_in_the_log_and_offloaded_does_not() {
    let server = App::new()
        .handler("blocking.wasm", example("blocking"))
        .config(
            "[[route]]\npattern = '/(inline|offloaded)'\nhandler = \"blocking.wasm\"\n\
             [component.\"blocking.wasm\"]\ncpu_deadline = \"20s\"\nblock_log = \"400ms\"\n",
        )
        .serve()
        .await;
    let expected = "348513 primes below 5000000";
    assert_eq!(server.get("/offloaded?below=5000000").await.body, expected);
    let log = server.logged().await;
    assert!(!log.contains("block_log"), "{log}");
    assert_eq!(server.get("/inline?below=5000000").await.body, expected);
    server.log.line_with("a run is past `block_log`").await;
}
