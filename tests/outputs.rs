//! What leaves the server: which headers a handler may set, which it has without asking, and what never goes out.

use std::io::Read;

use crate::harness::{Answer, App, Running, guest};

/// RFC 5234, appendix B.1.
fn control_characters() -> impl Iterator<Item = u8> {
    (0..=31).chain([127])
}

/// The head of the answer to a GET on a connection of its own, which has to end with it.
async fn head(server: &Running, path: &str) -> String {
    let mut client = server.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.send(request).await;
    let answer: String = client.rest().await.into_iter().map(char::from).collect();
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
    head.to_owned()
}

#[track_caller]
fn assert_clean(head: &str, about: &str) {
    let lines = head.replace("\r\n", "");
    assert!(!lines.contains(char::is_control), "{about}: {head:?}");
}

#[tokio::test]
async fn no_control_character_of_a_guest_is_ever_sent() {
    let server = App::new()
        .handler("control.wasm", guest("control"))
        .config("[[route]]\npattern = '/control/([a-z-]+)/([0-9]+)'\nhandler = 'control.wasm'\n")
        .serve()
        .await;
    let places = [
        "reason",
        "failure",
        "name",
        "x-a",
        "location",
        "set-cookie",
        "etag",
    ];
    for place in places {
        for byte in control_characters() {
            let path = format!("/control/{place}/{byte}");
            let head = head(&server, &path).await;
            assert_clean(&head, &path);
            let status = if place == "failure" { "400" } else { "500" };
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status} ")),
                "{path}: {head}"
            );
        }
    }
}

#[tokio::test]
async fn no_call_of_the_sdk_sends_a_control_character() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .serve()
        .await;
    for call in [
        "set_header",
        "add_header",
        "name",
        "etag",
        "reason",
        "error",
        "redirect",
        "send_error",
        "cookie",
        "cookie+name",
        "cookie+domain",
        "cookie+path",
        "clear_cookie",
        "clear_cookie+domain",
        "clear_cookie+path",
    ] {
        for byte in control_characters() {
            let path = format!("/set?call={call}&value=a%{byte:02x}b");
            let head = head(&server, &path).await;
            assert_clean(&head, &path);
            // Escaped, in quotes.
            let is_sound = call == "cookie" && byte == 127;
            if call.contains("cookie") && !is_sound {
                assert!(head.starts_with("HTTP/1.1 500 "), "{path}: {head}");
            }
        }
    }
}

#[tokio::test]
async fn no_cookie_of_a_client_sends_a_control_character() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .serve()
        .await;
    for byte in control_characters() {
        // The connection refuses most of them.
        let byte = char::from(byte);
        for cookie in [format!("a{byte}b=1"), format!("a=1{byte}2; b=3")] {
            let mut client = server.connect().await;
            let head = format!("Host: a\r\nCookie: {cookie}\r\nConnection: close\r\n");
            let line = "GET /set?call=clear_all_cookies HTTP/1.1\r\n";
            client.send(format!("{line}{head}\r\n")).await;
            let answer: String = client.rest().await.into_iter().map(char::from).collect();
            let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
            assert_clean(head, &cookie.escape_debug().to_string());
        }
    }
}

#[tokio::test]
async fn cookies_go_out_with_the_page_of_whoever_makes_one() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .serve()
        .await;
    let own = server.request("GET /breaks/page", "", "").await;
    assert_eq!((own.status, &*own.body), (500, "my page"));
    assert_eq!(own.header("set-cookie"), Some("a=1; Path=/"));
    let theirs = server.request("GET /breaks", "", "").await;
    assert_eq!((theirs.status, theirs.header("set-cookie")), (500, None));
}

#[tokio::test]
async fn a_request_knows_how_long_it_has_been_there() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .serve()
        .await;
    let asked = std::time::Instant::now();
    let answer = server.request("GET /timed/50", "", "").await;
    let [before, after]: [f64; 2] = serde_json::from_str(&answer.body).expect("two numbers");
    assert!(before > 0.0 && after - before >= 0.05, "{}", answer.body);
    assert!(after < asked.elapsed().as_secs_f64(), "{}", answer.body);
    server.log.line_with("timed for").await;
}

#[tokio::test]
async fn default_headers_are_in_every_answer_of_a_handler() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .serve()
        .await;
    for (line, status, own) in [
        ("GET /defaults/ok", 200, true),
        ("GET /defaults/cleared", 200, false),
        ("GET /defaults/error", 403, false),
        ("POST /defaults/ok", 405, false),
    ] {
        let answer = server.request(line, "", "").await;
        let has = |name: &str| answer.header(name).is_some();
        assert_eq!(answer.status, status, "{line}");
        assert_eq!((has("x-default"), has("x-own")), (true, own), "{line}");
        assert_eq!(answer.header("content-type"), Some("text/plain"), "{line}");
    }
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .serve()
        .await;
    // SHA-1 of `set`, as Tornado's `compute_etag` says it.
    const ETAG: &str = "\"65c10dc3549fe07424148a8a4790a3341ecbc253\"";
    let ask = async |query: &str, known: &str| -> Answer {
        let line = format!("GET /set?{query}");
        let known = match known {
            "" => String::new(),
            known => format!("If-None-Match: {known}\r\n"),
        };
        server.request(&line, &known, "").await
    };
    let plain = "call=set_header&value=1";
    let first = ask(plain, "").await;
    assert_eq!((first.status, first.header("etag")), (200, Some(ETAG)));
    for known in [ETAG, "*", &format!("W/{ETAG}"), &format!("\"a,b\", {ETAG}")] {
        let again = ask(plain, known).await;
        assert_eq!((again.status, &*again.body), (304, ""), "{known}");
        assert_eq!(again.header("etag"), Some(ETAG), "{known}");
        assert_eq!(again.header("x-a"), Some("1"), "{known}");
        assert_eq!(again.header("content-type"), None, "{known}");
    }
    for known in ["\"other\"", "other", "\"\""] {
        assert_eq!(ask(plain, known).await.status, 200, "{known}");
    }
    let own = ask("call=etag&value=%22own%22", "").await;
    assert_eq!(own.header("etag"), Some("\"own\""));
    let own = ask("call=etag&value=%22own%22", "\"own\"").await;
    assert_eq!(own.status, 304);
    let none = ask("call=no+etag", ETAG).await;
    assert_eq!((none.status, none.header("etag")), (200, None));
    let error = ask("call=error&value=no", "*").await;
    assert_eq!((error.status, error.header("etag")), (400, None));
}

#[tokio::test]
async fn bodies_are_compressed_in_what_the_client_likes_best() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .config("[settings]\ncompress_response = true\n")
        .serve()
        .await;
    let ask = async |path: &str, accepted: &str| -> (String, Vec<u8>) {
        let mut client = server.connect().await;
        let accepted = format!("Accept-Encoding: {accepted}\r\nConnection: close\r\n");
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{accepted}\r\n"))
            .await;
        let answer = client.rest().await;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.expect("a head") + 4);
        (String::from_utf8_lossy(head).into_owned(), body.to_vec())
    };
    // On the event loop, and beside it.
    for length in [1024, 100_000] {
        let path = format!("/long/{length}/text/plain;charset=UTF-8");
        let plain = "x".repeat(length).into_bytes();
        for (accepted, coding) in [
            ("gzip, deflate", Some("gzip")),
            ("gzip, br", Some("br")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, br;q=0.5", Some("gzip")),
            ("identity", None),
        ] {
            let (head, body) = ask(&path, accepted).await;
            let header = coding.map(|coding| format!("content-encoding: {coding}\r\n"));
            let decoded = decode(coding, &body);
            assert_eq!(decoded, plain, "{accepted}: {head}");
            assert!(head.contains("vary: Accept-Encoding\r\n"), "{head}");
            assert!(
                head.contains(&format!("content-length: {}\r\n", body.len())),
                "{head}"
            );
            match header {
                Some(header) => assert!(head.contains(&header) && body.len() < 200, "{head}"),
                None => assert!(!head.contains("content-encoding"), "{head}"),
            }
        }
    }
    for path in ["/long/1023/text/plain", "/long/2000/image/png", "/nowhere"] {
        let (head, _) = ask(path, "gzip").await;
        assert!(!head.contains("content-encoding"), "{path}: {head}");
        assert!(head.contains("vary: Accept-Encoding\r\n"), "{path}: {head}");
    }
}

fn decode(coding: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let read = match coding {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut decoded),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut decoded),
        Some("zstd") => {
            zstd::Decoder::new(body).and_then(|mut zstd| zstd.read_to_end(&mut decoded))
        }
        _ => return body.to_vec(),
    };
    read.expect("what was said to be that");
    decoded
}

#[tokio::test]
async fn a_length_that_is_not_the_body_s_is_logged_and_the_body_s_goes_out() {
    let server = App::new()
        .handler("outputs.wasm", guest("outputs"))
        .serve()
        .await;
    for (said, sent) in [
        ("3", "hello"),
        ("50", "hello"),
        ("five", "hello"),
        ("1", ""),
    ] {
        let answer = server.get(&format!("/said/{said}/{sent}")).await;
        let length = sent.len().to_string();
        assert_eq!(answer.header("content-length"), Some(&*length), "{said}");
        assert_eq!(answer.body, sent, "{said}");
        let line = server
            .log
            .line_with(&format!("GET /said/{said}/{sent} "))
            .await;
        assert!(
            line.contains("outputs.wasm#Said: the handler set"),
            "{line}"
        );
        assert!(line.contains(said) && line.starts_with("[W"), "{line}");
    }
    let right = server.get("/said/5/hello").await;
    assert_eq!(right.body, "hello");
    server.get("/said/9/x?status=304").await;
    // A response to HEAD says what the body would be.
    let mut client = server.connect().await;
    client
        .send("HEAD /said/7/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let head = String::from_utf8(client.rest().await).unwrap();
    assert!(head.contains("content-length: 7\r\n"), "{head}");
    let log = server.log.clone();
    server.end().await;
    assert_eq!(
        log.text().matches("the handler set").count(),
        4,
        "{}",
        log.text()
    );
}
