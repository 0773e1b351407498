//! Bodies that mean no good, and compressed ones. What odd forms give is in `oracle/forms.json`.

use std::io::Write;

use crate::harness::{App, Client, Running, example, guest};

const PART: &str = "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n1\r\n";

async fn server() -> Running {
    App::new()
        .handler("upload.wasm", example("upload"))
        .serve()
        .await
}

async fn status(server: &Running, content_type: &str, body: &str) -> u16 {
    let head = format!("Content-Type: {content_type}\r\n");
    server.request("POST /upload", &head, body).await.status
}

#[tokio::test]
async fn a_form_past_the_limits_is_the_client_s_fault() {
    let server = server().await;
    let long = "a".repeat(1 << 20);
    let header = format!("--x\r\nX-Long: {long}\r\n{}", &PART[5..]);
    let multipart = "multipart/form-data; boundary=x";
    for (what, body) in [
        ("10,000 parts", PART.repeat(10_000) + "--x--\r\n"),
        ("no final boundary", PART.to_owned()),
        ("a header of 1 MB", header + "--x--\r\n"),
        ("nothing but boundaries", "--x\r\n".repeat(10_000)),
        ("no boundary at all", long),
    ] {
        assert_eq!(status(&server, multipart, &body).await, 400, "{what}");
    }
    let fields = "a=1&".repeat(1_000);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(status(&server, form, &fields).await, 400);
    assert_eq!(
        status(&server, form, &fields[4..fields.len() - 1]).await,
        200
    );
    let coded = "application/x-www-form-urlencoded\r\nContent-Encoding: gzip";
    assert_eq!(status(&server, coded, "a=1").await, 400);
    assert_eq!(
        status(&server, multipart, &(PART.to_owned() + "--x--\r\n")).await,
        200
    );
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

async fn post_gzip(client: &mut Client, body: &[u8]) {
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    client.send([head, form, &length].concat()).await;
    client.send(body).await;
}

#[tokio::test]
async fn a_gzipped_body_is_read_as_what_it_was() {
    let server = App::new()
        .handler("echo.wasm", guest("echo"))
        .config("[server]\ndecompress_request = true\nmax_body_size = '1MB'\n")
        .serve()
        .await;
    let mut client = server.connect().await;
    let whole = gzip(b"a=1&b=two");
    post_gzip(&mut client, &whole).await;
    let answer = client.answer().await;
    let echo: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(echo["body"], "a=1&b=two");
    assert_eq!(
        echo["body_arguments"],
        serde_json::json!([["a", "1"], ["b", "two"]])
    );
    assert!(
        answer.body.contains("x-consumed-content-encoding"),
        "{}",
        answer.body
    );
    // A megabyte is the limit, so this bomb of 100 is found out early.
    for (body, status) in [
        (gzip(&vec![0; 100 << 20]), 413),
        (whole[..whole.len() - 1].to_vec(), 400),
        (b"a=1&b=two".to_vec(), 400),
    ] {
        let mut client = server.connect().await;
        post_gzip(&mut client, &body).await;
        assert_eq!(client.answer().await.status, status, "{} bytes", body.len());
    }
}

#[tokio::test]
async fn a_gzipped_body_stays_as_it_is_unless_told_otherwise() {
    let server = App::new().handler("echo.wasm", guest("echo")).serve().await;
    let mut client = server.connect().await;
    post_gzip(&mut client, &gzip(b"a=1")).await;
    assert_eq!(client.answer().await.status, 400, "a form that is no form");
}
