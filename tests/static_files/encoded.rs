//! Files that are there in another coding, too, and bodies that are compressed on the way.

use std::io::{Read, Write};

use super::{FOREVER, app, serve, version};
use crate::harness::Running;

const TEXT: &str = "body { color: red } ";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &str) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.into_inner()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).unwrap()
}

/// Head and body of an answer.
async fn ask(server: &Running, path: &str, head: &str) -> (String, Vec<u8>) {
    let mut client = server.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}\r\n");
    client.send(request).await;
    let head = client.head().await;
    (head, client.rest().await)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let mut fields = lines.filter(|(other, _)| *other == name);
    fields.next().map(|(_, value)| value)
}

#[tokio::test]
async fn a_client_gets_the_coding_that_it_prefers_among_those_that_are_there() {
    let text = TEXT.repeat(100);
    let (gz, br, zst) = (gzip(&text), brotli(&text), zstd(&text));
    let files: [(&str, &[u8]); 6] = [
        ("a.css", text.as_bytes()),
        ("a.css.gz", &gz),
        ("a.css.br", &br),
        ("a.css.zst", &zst),
        ("b.css", text.as_bytes()),
        ("b.css.gz", &gz),
    ];
    let server = serve(&files).await;
    let v = version(text.as_bytes());
    for (path, accepted, coding, bytes) in [
        ("a.css", "", None, text.as_bytes()),
        ("a.css", "gzip, br, zstd", Some("zstd"), &zst),
        ("a.css", "gzip, br", Some("br"), &br),
        ("a.css", "gzip;q=1, br;q=0.5", Some("gzip"), &gz),
        ("a.css", "identity", None, text.as_bytes()),
        ("b.css", "gzip, br, zstd", Some("gzip"), &gz),
        ("b.css", "br", None, text.as_bytes()),
    ] {
        let accept = format!("Accept-Encoding: {accepted}\r\n");
        let (head, body) = ask(&server, &format!("/static/{path}?v={v}"), &accept).await;
        assert_eq!(
            field(&head, "content-encoding"),
            coding,
            "{path} {accepted}"
        );
        assert_eq!(field(&head, "content-type"), Some("text/css"));
        assert_eq!(field(&head, "vary"), Some("Accept-Encoding"));
        assert_eq!(field(&head, "cache-control"), FOREVER);
        assert_eq!(
            field(&head, "etag"),
            Some(&*format!("\"{}\"", version(bytes)))
        );
        assert_eq!(body, bytes);
        // The tag of one coding is not that of another.
        let known = format!("{accept}If-None-Match: \"{}\"\r\n", version(bytes));
        let (head, _) = ask(&server, &format!("/static/{path}"), &known).await;
        assert!(head.starts_with("HTTP/1.1 304"), "{head}");
    }
    // As a file of its own it has its own type.
    let (head, body) = ask(&server, "/static/a.css.gz", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(field(&head, "content-type"), Some("application/gzip"));
    assert_eq!((field(&head, "content-encoding"), body), (None, gz));
}

#[tokio::test]
async fn what_is_left_over_from_another_version_is_not_used() {
    let (text, old) = (TEXT.repeat(100), "body { color: blue } ".repeat(100));
    let files: [(&str, &[u8]); 4] = [
        ("a.css", text.as_bytes()),
        ("a.css.gz", &gzip(&old)),
        ("a.css.br", b"not brotli"),
        ("a.css.zst", &zstd(&TEXT.repeat(101))),
    ];
    let server = serve(&files).await;
    let (head, body) = ask(
        &server,
        "/static/a.css",
        "Accept-Encoding: gzip, br, zstd\r\n",
    )
    .await;
    assert_eq!(
        (field(&head, "content-encoding"), body),
        (None, text.into_bytes())
    );
}

#[tokio::test]
async fn what_is_a_part_or_encoded_already_is_not_compressed_again() {
    let text = TEXT.repeat(1000);
    let large = TEXT.repeat(100_000);
    let gz = gzip(&text);
    let files: [(&str, &[u8]); 4] = [
        ("a.css", text.as_bytes()),
        ("a.css.gz", &gz),
        ("b.css", text.as_bytes()),
        ("large.css", large.as_bytes()),
    ];
    let app = app(&files).config("[settings]\ncompress_response = true\n");
    let server = app.serve().await;
    let accept = "Accept-Encoding: gzip\r\n";
    let (head, body) = ask(&server, "/static/a.css", accept).await;
    assert_eq!((field(&head, "content-encoding"), body), (Some("gzip"), gz));
    assert_eq!(head.matches("vary: ").count(), 1, "{head}");
    let (head, body) = ask(&server, "/static/b.css", accept).await;
    assert_eq!(field(&head, "content-encoding"), Some("gzip"));
    let mut decoded = String::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_string(&mut decoded)
        .unwrap();
    assert_eq!(decoded, text);
    let part = format!("{accept}Range: bytes=5-4999\r\n");
    let (head, body) = ask(&server, "/static/b.css", &part).await;
    assert_eq!(field(&head, "content-encoding"), None);
    assert_eq!(body, text.as_bytes()[5..5000]);
    let (head, body) = ask(&server, "/static/large.css", accept).await;
    assert_eq!(field(&head, "content-encoding"), None);
    assert_eq!(body, large.as_bytes());
}
