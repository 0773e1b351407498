//! `request_body`: bodies that are taken as they arrive, within limits that each handler has for itself.

use std::time::Duration;

use serde_json::{Value, json};

use tokio::io::AsyncReadExt;

use crate::harness::{Answer, App, Client, Running, guest, mebibytes, soon};

async fn serve(config: &str) -> Running {
    App::new()
        .handler("bodies.wasm", guest("bodies"))
        .handler("echo.wasm", guest("echo"))
        .config(&format!("# Its limits.\n{config}"))
        .serve()
        .await
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

#[tokio::test]
async fn data_is_received_between_prepare_and_the_method() {
    let server = serve("").await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = server.request("PUT /received", form, "a=1&b=2").await;
    assert_eq!(
        parsed(&answer.body),
        json!({
            "notes": ["initialize", "prepare", "data_received", "put"],
            "bytes": 7, "body": 0, "arguments": 0,
        })
    );
    let none = server.get("/received").await;
    let notes = &parsed(&none.body)["notes"];
    assert_eq!(*notes, json!(["initialize", "prepare", "get"]));
}

#[tokio::test]
async fn each_piece_is_received_before_the_next_is_sent() {
    let server = serve("").await;
    let mut client = server.connect().await;
    let head = "PUT /received?in=data_received HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
    client.send(format!("{head}some of it")).await;
    // The rest never comes.
    let answer = soon(client.answer()).await;
    assert_eq!((answer.status, &*answer.body), (200, "enough"));
}

#[tokio::test]
async fn what_ends_the_request_skips_the_rest() {
    let server = serve("").await;
    for (query, status, body) in [
        ("in=prepare", 302, ""),
        ("in=data_received", 200, "enough"),
        (
            "in=error",
            418,
            "418: initialize prepare data_received write_error",
        ),
        ("max=5", 413, "413: initialize prepare write_error"),
    ] {
        let line = format!("PUT /received?{query}");
        let answer = server.request(&line, "", "0123456789").await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{query}");
    }
}

const LIMITS: &str = "[server]\nmax_body_size = \"1KB\"\nbody_timeout = \"30s\"\n\
    [component.\"bodies.wasm\"]\nmax_body_size = \"100KB\"\nbody_timeout = \"400ms\"\n";

#[tokio::test]
async fn each_handler_has_its_own_limit_on_bodies() {
    let server = serve(LIMITS).await;
    let ask = async |line: &str, length: usize| -> u16 {
        let body = "x".repeat(length);
        server.request(line, "", &body).await.status
    };
    assert_eq!(ask("PUT /counted", 100 * 1024).await, 200);
    assert_eq!(ask("PUT /counted", 100 * 1024 + 1).await, 413);
    assert_eq!(ask("POST /echo", 1024).await, 200);
    assert_eq!(ask("POST /echo", 1025).await, 413);
    let component = server.component("echo.wasm").await;
    assert_eq!(component["requests"], 1, "{component}");
    // Nobody else is waked for it.
    assert_eq!(ask("POST /nowhere", 2000).await, 404);
    // In chunks, nobody knows before.
    let chunked = async |path: &str, length: usize| -> u16 {
        let mut client = server.connect().await;
        let head = "HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = "x".repeat(length);
        client
            .send(format!(
                "PUT {path} {head}{length:x}\r\n{body}\r\n0\r\n\r\n"
            ))
            .await;
        soon(client.answer()).await.status
    };
    assert_eq!(chunked("/counted", 100 * 1024).await, 200);
    assert_eq!(chunked("/counted", 100 * 1024 + 1).await, 413);
    assert_eq!(chunked("/echo", 1025).await, 413);
    // A request may have less, and never more.
    assert_eq!(ask("PUT /counted?max=10", 10).await, 200);
    assert_eq!(ask("PUT /counted?max=10", 11).await, 413);
    assert_eq!(chunked("/counted?max=1000000", 100 * 1024 + 1).await, 413);
}

#[tokio::test]
async fn each_handler_has_its_own_time_for_bodies() {
    let server = serve(LIMITS).await;
    for query in ["", "?ms=100", "?ms=3600000"] {
        let mut client = server.connect().await;
        let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome of it";
        client.send(format!("PUT /counted{query} {head}")).await;
        // Long before the server's own.
        assert_eq!(soon(client.answer()).await.status, 408, "{query}");
    }
}

#[tokio::test]
async fn want_of_room_is_a_503_and_lateness_a_408() {
    let server =
        serve("[component.\"bodies.wasm\"]\ninstances = 1\nbody_memory = \"64KB\"\n").await;
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n";
    let most = "x".repeat(39_999);
    let begin = async |query: &str, sent: &str| {
        let mut client = server.connect().await;
        client
            .send(format!("PUT /counted?read=whole{query} {head}{sent}"))
            .await;
        client
    };
    let mut held = Vec::new();
    for count in 1..=2 {
        held.push(begin("", &most).await);
        server.until_in_flight("bodies.wasm", count).await;
    }
    let mut without_room = begin("&ms=300", &format!("{most}x")).await;
    let answer = soon(without_room.answer()).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let mut late = begin("&ms=300", "some").await;
    assert_eq!(soon(late.answer()).await.status, 408);
    for mut client in held {
        client.send("x").await;
        assert_eq!(soon(client.answer()).await.status, 200);
    }
}

#[tokio::test]
async fn the_deadline_does_not_count_the_upload() {
    let server = serve(
        "[component.\"bodies.wasm\"]\ndeadline = \"300ms\"\nbody_timeout = \"30s\"\n\
         [component.\"echo.wasm\"]\ndeadline = \"200ms\"\nbody_timeout = \"700ms\"\n",
    )
    .await;
    for read in ["whole", "chunks"] {
        let mut client = server.connect().await;
        let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n";
        client
            .send(format!("PUT /counted?read={read} {head}"))
            .await;
        for _ in 0..6 {
            // The time that is to pass.
            tokio::time::sleep(Duration::from_millis(120)).await;
            client.send("x").await;
        }
        let answer = soon(client.answer()).await;
        assert_eq!(answer.status, 200, "{read}: {answer:?}");
    }
    // One that is late is so by its own clock.
    for path in ["/echo", "/echo?read=chunks"] {
        let mut client = server.connect().await;
        let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n";
        client.send(format!("POST {path} {head}abc")).await;
        assert_eq!(soon(client.answer()).await.status, 408, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_its_body_is_abandoned_and_no_error() {
    let server = serve("").await;
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
    let paths = ["/counted", "/counted?read=whole", "/received", "/late"];
    for path in paths {
        let mut client = server.connect().await;
        client.send(format!("PUT {path} {head}some")).await;
        server.until_in_flight("bodies.wasm", 1).await;
        drop(client);
        server.until_in_flight("bodies.wasm", 0).await;
    }
    let metrics = async || {
        let mut admin = Client::connect(server.admin).await;
        soon(admin.get("/metrics")).await.body
    };
    let count = |metrics: &str, name: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    let abandoned = "waterspout_http_requests_abandoned_total";
    let counted = soon(async {
        loop {
            let metrics = metrics().await;
            if count(&metrics, abandoned) >= paths.len() as f64 {
                return metrics;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(count(&counted, "waterspout_http_requests_total"), 0.0);
    let log = server.log.text();
    assert!(
        !log.contains("uncaught error") && !log.contains("500 PUT"),
        "{log}"
    );
}

#[tokio::test]
async fn trailers_are_there_when_the_body_has_ended() {
    let server = serve("").await;
    for read in ["chunks", "whole"] {
        let mut client = server.connect().await;
        let head = "HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-a\r\n\r\n";
        let body = "3\r\nabc\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n";
        client
            .send(format!("PUT /counted?read={read} {head}{body}"))
            .await;
        let answer = soon(client.answer()).await;
        assert_eq!(
            parsed(&answer.body),
            json!({ "bytes": 3, "before": 0, "trailers": [["x-a", "1"], ["x-b", "2"]] })
        );
    }
}

#[tokio::test]
async fn a_read_that_is_dropped_loses_nothing() {
    let server = serve("").await;
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
    let mut client = server.connect().await;
    client.send(format!("PUT /late {head}")).await;
    for (nth, piece) in ["01", "23", "45", "67", "89"].into_iter().enumerate() {
        server.log.nth_line_with(nth + 1, "a read waits").await;
        client.send(piece).await;
    }
    assert_eq!(soon(client.answer()).await.body, "0123456789");
}

#[tokio::test]
async fn the_whole_body_is_there_after_a_read_that_was_dropped() {
    let server = serve("").await;
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
    let mut client = server.connect().await;
    client.send(format!("PUT /late?then=body {head}")).await;
    server.log.line_with("a read waits").await;
    client.send("01234").await;
    client.send("56789").await;
    assert_eq!(soon(client.answer()).await.body, "0123456789");
}

#[tokio::test]
async fn a_body_that_was_read_in_pieces_is_not_whole_any_more() {
    let server = serve("").await;
    let whole = server.request("PUT /counted?read=both", "", "abc").await;
    assert!(
        whole.body.starts_with("Err(the body was read in pieces"),
        "{whole:?}"
    );
    let none = server.request("PUT /counted?read=both", "", "").await;
    assert_eq!(none.body, "Ok(0)");
}

/// A body of ten bytes is read by these steps; of each wait the log tells, and then a piece is sent.
async fn stepped(server: &Running, told: &mut usize, query: &str, pieces: &[&str]) -> Answer {
    let mut client = server.connect().await;
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
    client.send(format!("POST /steps?{query} {head}")).await;
    for piece in pieces {
        *told += 1;
        server.log.nth_line_with(*told, "a read waits").await;
        client.send(piece).await;
    }
    soon(client.answer()).await
}

#[tokio::test]
async fn what_comes_for_a_read_that_is_dropped_is_there_for_the_next() {
    let server = serve("").await;
    let mut told = 0;
    for (query, pieces) in [
        ("prepare=leave_chunk&do=body", &["0123456789"][..]),
        ("prepare=leave_chunk&do=chunks", &["0123456789"]),
        ("prepare=leave_body&do=body", &["0123456789"]),
        ("do=leave_body,leave_body,body", &["01234", "56789"]),
        ("do=leave_chunk,leave_body,body", &["01234", "56789"]),
        (
            "prepare=leave_chunk&do=leave_body,leave_body,body",
            &["012", "345", "6789"],
        ),
        (
            "do=leave_body,leave_chunk,leave_body,chunks",
            &["012", "345", "6789"],
        ),
    ] {
        let answer = stepped(&server, &mut told, query, pieces).await;
        let told = (answer.status, &*answer.body);
        assert_eq!(told, (200, "0123456789"), "{query}");
    }
}

#[tokio::test]
async fn a_body_may_be_asked_for_side_by_side() {
    let server = serve("").await;
    let mut told = 0;
    let both = stepped(
        &server,
        &mut told,
        "prepare=leave_chunk&do=two_bodies",
        &["0123456789"],
    )
    .await;
    assert_eq!(both.body, "0123456789 0123456789");
    let pieces = stepped(
        &server,
        &mut told,
        "do=two_chunks,chunks",
        &["01234", "56789"],
    )
    .await;
    assert_eq!(pieces.body, "0123456789");
    let query = "do=beside_one_that_stands_still";
    let whole = stepped(&server, &mut told, query, &["0123456789"]).await;
    assert_eq!((whole.status, &*whole.body), (200, "0123456789"));
}

#[tokio::test]
async fn arguments_of_a_form_may_be_asked_for_side_by_side() {
    let server = serve("").await;
    for late in [false, true] {
        let mut client = server.connect().await;
        let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7";
        let head = format!("POST /steps?do=two_arguments HTTP/1.1\r\nHost: a\r\n{form}\r\n\r\n");
        match late {
            // The handler waits for it, as a rule.
            true => {
                client.send(head).await;
                server.get("/received").await;
                client.send("a=1&b=2").await;
            }
            false => client.send(head + "a=1&b=2").await,
        }
        let answer = soon(client.answer()).await;
        assert_eq!((answer.status, &*answer.body), (200, "1 2"), "{late}");
    }
}

#[tokio::test]
async fn limits_hold_for_a_read_that_is_under_way() {
    let server = serve("").await;
    let mut told = 0;
    for (query, status) in [("do=then_less_time", 408), ("do=then_less_room", 413)] {
        let answer = stepped(&server, &mut told, query, &[]).await;
        assert_eq!(answer.status, status, "{query}");
    }
    // Of what is here already, too.
    for (prepare, pieces) in [
        ("leave_chunk", &["0123456789"][..]),
        ("leave_body", &["01234"]),
    ] {
        let query = format!("prepare={prepare},less_room&do=chunks");
        let answer = stepped(&server, &mut told, &query, pieces).await;
        assert_eq!(answer.status, 413, "{query}");
    }
}

#[tokio::test]
async fn a_body_that_failed_fails_whoever_asks() {
    let server = serve("").await;
    let mut told = 0;
    let answer = stepped(
        &server,
        &mut told,
        "do=less_room,as_error,as_error,chunks",
        &[],
    )
    .await;
    assert_eq!(answer.status, 413);
    let query = "do=less_room,as_error,as_error";
    let twice = stepped(&server, &mut told, query, &[]).await.body;
    assert_eq!(twice.matches("the body is too large").count(), 2, "{twice}");
}

async fn send_form(server: &Running, path: &str, pieces: &[&[u8]]) -> Client {
    let mut client = server.connect().await;
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let head = "Content-Type: multipart/form-data; boundary=x\r\n";
    client
        .send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {length}\r\n\r\n"
        ))
        .await;
    for piece in pieces {
        client.send(piece).await;
        client.stream.set_nodelay(true).expect("a socket");
    }
    client
}

#[tokio::test]
async fn parts_of_a_form_are_read_one_after_the_other() {
    let server = serve("").await;
    let file = vec![b'1'; 3_000_000];
    let head = concat!(
        "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n",
        "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../b.txt\"\r\n",
        "Content-Type: text/plain\r\nX-A: 1\r\n\r\n"
    );
    let tail = "\r\n--x\r\nContent-Disposition: form-data; name=\"e\"; filename=\"..\"\r\n\r\n\r\n--x--\r\n";
    for (query, bytes) in [("", 3_000_000u64), ("?read=names", 0)] {
        let pieces = [head.as_bytes(), &file, tail.as_bytes()];
        let mut client = send_form(&server, &format!("/parts{query}"), &pieces).await;
        let answer = soon(client.answer()).await;
        let one = if bytes > 0 { 3 } else { 0 };
        let sum = if bytes > 0 { 322 } else { 0 };
        assert_eq!(
            parsed(&answer.body),
            json!([
                {
                    "name": "a", "filename": null, "base_name": null,
                    "content_type": "application/unknown", "x": false, "bytes": one, "sum": sum,
                },
                {
                    "name": "f", "filename": "../../b.txt", "base_name": "b.txt",
                    "content_type": "text/plain", "x": true, "bytes": bytes, "sum": bytes * 49,
                },
                {
                    "name": "e", "filename": "..", "base_name": null,
                    "content_type": "application/unknown", "x": false, "bytes": 0, "sum": 0,
                },
            ])
        );
    }
    // A byte at a time.
    let whole = [head, "two\r\nlines", tail].concat();
    let bytes: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
    let mut client = send_form(&server, "/parts", &bytes).await;
    let answer = soon(client.answer()).await;
    assert_eq!(parsed(&answer.body)[1]["bytes"], 10, "{}", answer.body);
}

#[tokio::test]
async fn parts_that_are_none_or_too_many_are_refused() {
    let server = serve("").await;
    let part = |headers: &str, body: &str| format!("--x\r\n{headers}\r\n\r\n{body}\r\n");
    let a = "Content-Disposition: form-data; name=\"a\"";
    let end = "--x--\r\n";
    for (body, status) in [
        (part(a, "1").repeat(100) + end, 200),
        (part(a, "1").repeat(101) + end, 400),
        (part("Content-Disposition: form-data", "1") + end, 400),
        (
            part(&format!("{a}\r\nX-A: {}", "a".repeat(11_000)), "1") + end,
            400,
        ),
        (part(a, "1"), 400),
        ("no form".to_owned(), 400),
        // A head without an end is not kept until the memory is full.
        (format!("--x\r\nX-A: {}", "a".repeat(8 << 20)), 400),
    ] {
        let mut client = send_form(&server, "/parts", &[body.as_bytes()]).await;
        assert_eq!(soon(client.answer()).await.status, status, "{:.100}", body);
    }
    let other = server.request("POST /parts", "", "a=1").await;
    assert_eq!(other.status, 400);
}

#[tokio::test]
async fn an_upload_takes_no_memory_however_long_it_is() {
    let server =
        serve("[component.\"bodies.wasm\"]\nmax_body_size = \"3GB\"\nbody_timeout = \"10m\"\n")
            .await;
    let mebibytes = mebibytes();
    let piece = vec![b'x'; 1 << 20];
    let form = [
        "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n",
        "\r\n--b--\r\n",
    ];
    for (method, path, [head, tail]) in [
        ("PUT", "/counted", [""; 2]),
        ("PUT", "/received", [""; 2]),
        ("POST", "/parts", form),
    ] {
        let mut client = server.connect().await;
        let bytes = mebibytes << 20;
        let length = bytes + head.len() as u64 + tail.len() as u64;
        client
            .send(format!(
                "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n\
                 Content-Length: {length}\r\n\r\n{head}"
            ))
            .await;
        client.send(&piece).await;
        let before = server.resident();
        let mut most = before;
        for sent in 1..mebibytes {
            soon(client.send(&piece)).await;
            if sent % 16 == 0 {
                most = most.max(server.resident());
            }
        }
        client.send(tail).await;
        let told = parsed(&soon(client.answer()).await.body);
        let told = if told.is_array() { &told[0] } else { &told };
        assert_eq!(told["bytes"], bytes, "{told}");
        assert!(most - before <= 32 << 10, "{} KiB more", most - before);
    }
}

/// Whoever answers, it costs no later request on the connection; also where the body comes behind the answer.
#[tokio::test]
async fn an_answer_without_its_body_costs_no_request() {
    let server = App::new()
        .handler("bodies.wasm", guest("bodies"))
        .handler("echo.wasm", guest("echo"))
        .handler("slow.wasm", guest("slow"))
        .config(
            "[[route]]\npattern = '/moved'\nhandler = 'builtin:redirect'\nkwargs = { url = '/echo' }\n\
             [component.\"slow.wasm\"]\nmax_body_size = \"1KB\"\n",
        )
        .serve()
        .await;
    let mut client = server.connect().await;
    for (line, status) in [
        ("POST /echo?read=nothing", 200),
        ("PUT /received?in=prepare", 302),
        ("GET /slow?ms=0", 413),
        ("POST /nowhere", 404),
        ("POST /moved", 405),
        ("GET /moved", 301),
        ("POST /slow", 405),
        ("DELETE /echo?read=nothing", 200),
    ] {
        for length in [5, 20_000, 60_000] {
            let framing = format!("Content-Length: {length}");
            client
                .send(format!("{line} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"))
                .await;
            let status = match length {
                5 if status == 413 => 200,
                _ => status,
            };
            let answer = client.answer().await;
            assert_eq!(answer.status, status, "{line}, {length}");
            assert_eq!(answer.header("connection"), None, "{line}, {length}");
            client.send("x".repeat(length)).await;
            assert_eq!(client.get("/echo").await.status, 200, "{line}, {length}");
        }
        let mut client = server.connect().await;
        let framing = "Content-Length: 1000000";
        client
            .send(format!("{line} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.header("connection"), Some("close"), "{line}");
        client.send("x".repeat(1_000_000)).await;
        let mut rest = Vec::new();
        soon(client.stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"", "{line}");
    }
    // Each was answered, and no client has left.
    let log = server.logged().await;
    assert!(!log.contains("the client left"), "{log}");
    let answered = log.matches("200 POST /echo?read=nothing").count();
    assert_eq!(answered, 4, "{log}");
}

#[tokio::test]
async fn the_server_says_what_it_can_and_makes_no_tunnel() {
    let server = serve("").await;
    let mut client = server.connect().await;
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 204);
    let allow = answer.header("allow");
    assert_eq!(allow, Some("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"));
    client
        .send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (501, Some("close"))
    );
}

/// At the level that is there without any configuration, with the client's address.
#[tokio::test]
async fn the_log_says_why_a_head_was_refused() {
    let server = serve("[server]\nheader_timeout = \"300ms\"\nmax_header_size = \"8KB\"\n").await;
    let long = "x".repeat(10_000);
    for (request, line) in [
        (
            "GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
            "400 GET / (127.0.0.1) 0.00ms: `Host`",
        ),
        (
            "GET / HTTP/1.1\r\nA : b\r\n\r\n".to_owned(),
            "400 - - (127.0.0.1) 0.00ms: invalid HTTP header",
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "400 - - (127.0.0.1) 0.00ms: `Content-Length` beside `Transfer-Encoding`",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\n"),
            "414 - - (127.0.0.1) 0.00ms: the request line is longer",
        ),
        (
            format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n"),
            "431 - - (127.0.0.1) 0.00ms: message head is too large",
        ),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n".to_owned(),
            "413 POST /echo (127.0.0.1) 0.00ms: the body is larger than `max_body_size`",
        ),
        (
            "GET / HT".to_owned(),
            "closed (127.0.0.1): the head of a request took longer",
        ),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        server.log.line_with(line).await;
    }
}
