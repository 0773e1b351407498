//! Files that are not kept in memory: opened for each request, sent in pieces.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use tokio::io::AsyncReadExt;

use super::{FOREVER, NO_CACHE, app, serve, version};
use crate::harness::{Client, Running, soon};

/// Bytes that tell where they are.
fn numbered(length: usize) -> Vec<u8> {
    let numbers = (0_u32..).flat_map(u32::to_be_bytes);
    numbers.take(length).collect()
}

/// Asks, and returns the head and the body.
async fn ask(server: &Running, path: &str, head: &str) -> (String, Vec<u8>) {
    let mut client = server.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}\r\n");
    client.send(request).await;
    let head = client.head().await;
    (head, client.rest().await)
}

#[tokio::test]
async fn a_large_file_is_sent_whole_and_in_part() {
    let bytes = numbered(5_000_000);
    let server = serve(&[("large.bin", &bytes)]).await;
    let v = version(&bytes);
    let (head, body) = ask(&server, &format!("/static/large.bin?v={v}"), "").await;
    assert!(head.contains("content-length: 5000000\r\n"), "{head}");
    assert!(head.contains(&format!("etag: \"{v}\"\r\n")), "{head}");
    assert!(
        head.contains("cache-control: max-age=315360000\r\n"),
        "{head}"
    );
    assert!(body == bytes);
    for (range, from, to) in [
        ("0-0", 0, 1),
        ("131071-131072", 131_071, 131_073),
        ("1000000-", 1_000_000, 5_000_000),
        ("-3000000", 2_000_000, 5_000_000),
    ] {
        let (head, body) = ask(
            &server,
            "/static/large.bin",
            &format!("Range: bytes={range}\r\n"),
        )
        .await;
        assert!(head.starts_with("HTTP/1.1 206"), "{range}: {head}");
        assert!(body == bytes[from..to], "{range}");
    }
    let known = format!("If-None-Match: \"{v}\"\r\n");
    let (head, body) = ask(&server, "/static/large.bin", &known).await;
    assert!(
        head.starts_with("HTTP/1.1 304") && body.is_empty(),
        "{head}"
    );
    // The answer to HEAD has a length and no body.
    let mut client = server.connect().await;
    client
        .send("HEAD /static/large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(head.contains("content-length: 5000000\r\n"), "{head}");
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_large_file_that_changes_is_never_kept_under_the_version_before() {
    let bytes = numbered(2_000_000);
    let server = app(&[("large.bin", &bytes)])
        .config("[server]\nwatch = false\n")
        .serve()
        .await;
    let path = format!("/static/large.bin?v={}", version(&bytes));
    let caching = |head: &str| -> Option<String> {
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix("cache-control: "));
        line.map(str::to_owned)
    };
    assert_eq!(
        caching(&ask(&server, &path, "").await.0).as_deref(),
        FOREVER
    );
    // Nobody looks, so the generation still has the old one.
    let file = File::options()
        .write(true)
        .open(server.app.path().join("static/large.bin"));
    file.unwrap().write_all_at(b"changed", 0).unwrap();
    let (head, body) = ask(&server, &path, "").await;
    assert_eq!(caching(&head).as_deref(), NO_CACHE);
    assert!(
        !head.contains("etag: ") && body.starts_with(b"changed"),
        "{head}"
    );
    let known = format!("If-None-Match: \"{}\"\r\n", version(&bytes));
    assert!(
        ask(&server, &path, &known)
            .await
            .0
            .starts_with("HTTP/1.1 200")
    );
    std::fs::remove_file(server.app.path().join("static/large.bin")).unwrap();
    assert!(ask(&server, &path, "").await.0.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn a_file_that_becomes_shorter_meanwhile_cuts_the_connection() {
    let bytes = numbered(64_000_000);
    let server = serve(&[("large.bin", &bytes)]).await;
    let mut client = server.connect().await;
    client
        .send("GET /static/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(head.contains("content-length: 64000000\r\n"), "{head}");
    let file = File::options()
        .write(true)
        .open(server.app.path().join("static/large.bin"));
    file.unwrap().set_len(1000).unwrap();
    let rest = client.rest().await;
    assert!(rest.len() < bytes.len(), "{}", rest.len());
    assert!(bytes.starts_with(&rest));
    // The next one is served.
    assert_eq!(server.get("/hello").await.status, 200);
}

/// Reads a whole body of a sparse file, and what memory the server takes at most meanwhile, in KiB.
async fn most_memory(server: &Running, size: u64) -> u64 {
    let mut client: Client = server.connect().await;
    client
        .send("GET /static/sparse.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let head = client.head().await;
    assert!(
        head.contains(&format!("content-length: {size}\r\n")),
        "{head}"
    );
    let mut piece = vec![0; 1 << 20];
    let (mut all, mut most, mut looked) = (0, 0, 0);
    loop {
        let read = soon(client.stream.read(&mut piece)).await.unwrap();
        if read == 0 {
            break;
        }
        all += read as u64;
        if all - looked > 16 << 20 {
            looked = all;
            most = most.max(server.resident());
        }
    }
    // What came with the head is in `client`.
    let rest = client.rest().await.len() as u64;
    assert_eq!(all + rest, size);
    most
}

async fn takes_no_memory(size: u64) {
    let app = app(&[]);
    std::fs::create_dir(app.path().join("static")).unwrap();
    let mut file = File::create(app.path().join("static/sparse.bin")).unwrap();
    file.set_len(size).unwrap();
    file.seek(SeekFrom::End(-3)).unwrap();
    file.write_all(b"end").unwrap();
    drop(file);
    let server = app.serve().await;
    let before = server.resident();
    let most = most_memory(&server, size).await;
    println!(
        "{} MB of a file: {before} KiB before, at most {most} KiB meanwhile",
        size >> 20
    );
    assert!(most < before + (8 << 10), "{before} KiB, then {most} KiB");
}

#[tokio::test]
async fn a_large_file_takes_no_memory() {
    takes_no_memory(300 << 20).await;
}

#[tokio::test]
#[ignore = "2 GB: .ci/static"]
async fn two_gigabytes_take_no_memory() {
    takes_no_memory(2 << 30).await;
}
