//! What a swap does to static files: new ones serve, old ones stay for pages that name them, and what did not change is
//! not read again.

use super::{FOREVER, NO_CACHE, app, replace, serve, version, write};
use crate::harness::{example, renumbered};

#[tokio::test]
async fn an_old_version_has_its_old_bytes() {
    let server = serve(&[("a.css", b"version 0"), ("gone.css", b"going")]).await;
    let texts: Vec<String> = (0..10).map(|number| format!("version {number}")).collect();
    for (number, text) in texts.iter().enumerate().skip(1) {
        replace(&server.app, "static/a.css", text.as_bytes());
        server.until_generation(number as u64 + 1).await;
    }
    assert_eq!(server.get("/static/a.css").await.body, "version 9");
    for (number, text) in texts.iter().enumerate() {
        let answer = server
            .get(&format!("/static/a.css?v={}", version(text.as_bytes())))
            .await;
        let etag = format!("\"{}\"", version(answer.body.as_bytes()));
        assert_eq!(answer.header("etag"), Some(&*etag));
        // The last eight, and the one that serves.
        let (body, caching) = match number {
            0 => ("version 9", NO_CACHE),
            _ => (text.as_str(), FOREVER),
        };
        assert_eq!(
            (&*answer.body, answer.header("cache-control")),
            (body, caching)
        );
    }
    std::fs::remove_file(server.app.path().join("static/gone.css")).unwrap();
    server.until_generation(11).await;
    assert_eq!(server.get("/static/gone.css").await.status, 404);
    assert_eq!(server.get("/static/gone.css?v=1").await.status, 404);
    let old = server
        .get(&format!("/static/gone.css?v={}", version(b"going")))
        .await;
    assert_eq!(
        (&*old.body, old.header("cache-control")),
        ("going", FOREVER)
    );
}

#[tokio::test]
async fn every_way_to_change_a_file_is_noticed() {
    let server = serve(&[("a.css", b"one"), ("sub/b.css", b"one")]).await;
    let place = server.app.path().join("static");
    let mut generation = 1;
    let mut swapped = async |what: &str, path: &str, body: Option<&str>| {
        generation += 1;
        server.until_generation(generation).await;
        let answer = server.get(&format!("/static/{path}")).await;
        match body {
            Some(body) => assert_eq!((answer.status, &*answer.body), (200, body), "{what}"),
            None => assert_eq!(answer.status, 404, "{what}"),
        }
    };
    replace(&server.app, "static/a.css", b"renamed");
    swapped("renamed", "a.css", Some("renamed")).await;
    std::fs::write(place.join("a.css"), "rewritten").unwrap();
    swapped("rewritten", "a.css", Some("rewritten")).await;
    std::fs::write(server.app.path().join("aside"), "copied").unwrap();
    std::fs::copy(server.app.path().join("aside"), place.join("sub/b.css")).unwrap();
    swapped("copied", "sub/b.css", Some("copied")).await;
    std::fs::write(place.join("c.css"), "new").unwrap();
    swapped("new", "c.css", Some("new")).await;
    std::fs::remove_file(place.join("c.css")).unwrap();
    swapped("removed", "c.css", None).await;
    std::fs::rename(place.join("sub"), place.join("moved")).unwrap();
    server
        .until(|status| status["generation"].as_u64() > Some(6))
        .await;
    let moved = async || server.get("/static/moved/b.css").await.body == "copied";
    crate::harness::soon(async { while !moved().await {} }).await;
}

#[tokio::test]
async fn a_new_folder_of_files_serves_and_an_old_one_that_is_replaced_never_fails() {
    let server = serve(&[("a.css", b"one")]).await;
    let place = server.app.path().join("static");
    write(&server.app, "static.new/a.css", b"two");
    write(&server.app, "static.new/b/c.css", b"below");
    std::fs::rename(&place, server.app.path().join("static.old")).unwrap();
    assert_eq!(server.get("/static/a.css").await.body, "one");
    std::fs::rename(server.app.path().join("static.new"), &place).unwrap();
    crate::harness::soon(async {
        loop {
            let answer = server.get("/static/a.css").await;
            assert_eq!(answer.status, 200);
            if answer.body == "two" {
                break;
            }
        }
    })
    .await;
    assert_eq!(server.get("/static/b/c.css").await.body, "below");
    let again = "static/b/c.css";
    replace(&server.app, again, b"again");
    crate::harness::soon(async { while server.get("/static/b/c.css").await.body != "again" {} })
        .await;
}

#[tokio::test]
async fn a_swap_that_changes_no_static_file_keeps_all_of_them() {
    let files: Vec<(String, Vec<u8>)> = (0..2000)
        .map(|number| (format!("{}/{number}.css", number % 50), vec![b'x'; 4096]))
        .collect();
    let app = app(&[]);
    for (path, bytes) in &files {
        write(&app, &format!("static/{path}"), bytes);
    }
    let server = app.serve().await;
    for number in 0..5 {
        let hello = renumbered(example("hello"), number);
        server.app.replace("hello.wasm", &hello);
        server.until_serving("hello.wasm", &hello).await;
    }
    let status = server.status().await;
    println!(
        "a swap beside 2,000 static files: {} ms",
        status["last_swap"]["ms"]
    );
    assert_eq!(server.get("/static/7/7.css").await.body.len(), 4096);
}
