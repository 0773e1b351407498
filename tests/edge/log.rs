//! What is in the logs, and what is not.

use serde_json::Value;

use crate::harness::{App, Running, example, guest, renumbered};

/// More than the log keeps of one text.
const LENGTH: usize = 20_000;

/// What the log says when it has lost lines, before their number.
const TOO_SLOW: &str = "the log was too slow: ";

/// What a line says, whatever its format.
fn message(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(line) => line["message"].as_str().expect("text").to_owned(),
        Err(_) => line.split_once("] ").expect("a prefix").1.to_owned(),
    }
}

#[tokio::test]
async fn a_long_text_is_cut_in_either_format() {
    for format in ["text", "json"] {
        let server = App::new()
            .serve_as("serve", &["--log-format", format])
            .await;
        let path = format!("/{}", "x".repeat(LENGTH));
        assert_eq!(server.get(&path).await.status, 404);
        let message = message(&server.log.line_with("404 GET /x").await);
        assert!(message.ends_with("x…"), "{format}: {message}");
        assert!(message.len() < LENGTH / 2, "{format}: {}", message.len());
    }
}

#[tokio::test]
async fn a_line_of_json_says_which_log_it_is_of_and_what_happened() {
    let server = App::new()
        .serve_as("serve", &["--log-format", "json"])
        .await;
    assert_eq!(server.get("/nothing").await.status, 404);
    let line = server.log.line_with("/nothing").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(
        (&line["log"], &line["level"]),
        (&"access".into(), &"warn".into())
    );
    let message = line["message"].as_str().expect("text");
    assert!(
        message.starts_with("404 GET /nothing (127.0.0.1) "),
        "{message}"
    );
    let time = line["time"].as_str().expect("text");
    assert!(time.ends_with('Z') && time.contains('T'), "{time}");
}

/// An app of one handler, behind a proxy on this machine.
async fn behind_a_proxy(command: &[&str], log: &str) -> Running {
    App::new()
        .handler("chatty.wasm", guest("chatty"))
        .handler("trap.wasm", guest("trap"))
        .config(&format!("[server]\nxheaders = true\n{log}"))
        .serve_as("serve", command)
        .await
}

async fn json_with(server: &Running, words: &str) -> Value {
    serde_json::from_str(&server.log.line_with(words).await).expect("JSON")
}

#[tokio::test]
async fn a_line_of_json_has_each_field_by_itself() {
    let server = behind_a_proxy(&["--log-format", "json"], "").await;
    let sent = "X-Request-Id: from-a-proxy\r\nX-Real-Ip: 192.0.2.7\r\n";
    let answer = server.request("GET /chatty?lines=1", sent, "").await;
    assert_eq!(answer.header("x-request-id"), Some("from-a-proxy"));
    let line = json_with(&server, "/chatty?lines=1").await;
    let ms = line["ms"].as_f64().expect("a number");
    assert!(ms > 0.0, "{line}");
    let mut rest = line.clone();
    for differs in ["time", "ms", "message"] {
        rest.as_object_mut().unwrap().remove(differs).unwrap();
    }
    let expected = serde_json::json!({
        "level": "info",
        "log": "access",
        "status": 200,
        "method": "GET",
        "uri": "/chatty?lines=1",
        "remote_ip": "192.0.2.7",
        "request_id": "from-a-proxy",
        "generation": 1,
        "handler": "chatty.wasm#Chatty",
    });
    assert_eq!(rest, expected);
    // Where no handler is asked, none is named; a head that can't be read asks for nothing.
    server.get("/nothing").await;
    let line = json_with(&server, "/nothing").await;
    assert_eq!(
        (&line["handler"], &line["generation"]),
        (&Value::Null, &1.into())
    );
    let mut client = server.connect().await;
    client.send("G@T / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.answer().await;
    let line = json_with(&server, "400 - -").await;
    assert_eq!(
        (&line["method"], &line["status"]),
        (&Value::Null, &400.into())
    );
    assert_eq!(
        line["request_id"].as_str().map(str::len),
        Some(32),
        "{line}"
    );
}

#[tokio::test]
async fn what_is_said_in_a_request_has_its_id() {
    let server = behind_a_proxy(&["--log-format", "json"], "").await;
    let sent = |id| format!("X-Request-Id: {id}\r\n");
    server
        .request("GET /chatty?lines=1", &sent("mine"), "")
        .await;
    let said = json_with(&server, "line 0 of the log").await;
    assert_eq!(
        (&said["request_id"], &said["component"], &said["log"]),
        (&"mine".into(), &"chatty.wasm".into(), &"app".into())
    );
    let answer = server.request("GET /trap?in=get", &sent("fatal"), "").await;
    assert_eq!(answer.status, 500);
    let lost = json_with(&server, "lost an instance").await;
    assert_eq!(lost["request_id"], "fatal", "{lost}");
    // One that is not sound is replaced by another, which handler, app log and access log agree on.
    let made = server
        .request("GET /chatty?lines=1&again", &sent("a b"), "")
        .await;
    let made = made.header("x-request-id").expect("an id").to_owned();
    assert_eq!(made.len(), 32);
    let line = json_with(&server, "lines=1&again").await;
    assert_eq!(line["request_id"], *made);
    let said = server.log.nth_line_with(2, "line 0 of the log").await;
    assert!(said.contains(&made), "{said}");
}

#[tokio::test]
async fn only_a_trusted_proxy_says_which_id_a_request_has() {
    let app = App::new().handler("chatty.wasm", guest("chatty"));
    let server = app.serve().await;
    let sent = "X-Request-Id: forged\r\n";
    let mut made = Vec::new();
    for _ in 0..2 {
        let answer = server.request("GET /chatty?lines=0", sent, "").await;
        made.push(answer.header("x-request-id").expect("an id").to_owned());
    }
    assert!(made.iter().all(|id| id.len() == 32), "{made:?}");
    assert_ne!(made[0], made[1]);
}

#[tokio::test]
async fn the_access_log_looks_as_the_app_wants_it() {
    let wanted = "[log]\naccess = \"{request_id} {status} {handler} {method} {{{uri}}} {ms}!\"\n";
    let server = behind_a_proxy(&[], wanted).await;
    let sent = "X-Request-Id: mine\r\n";
    server.request("GET /chatty?lines=1", sent, "").await;
    let line = server.log.line_with("?lines=1").await;
    let start = "mine 200 chatty.wasm#Chatty GET {/chatty?lines=1} ";
    let (_, ms) = line.split_once(start).unwrap_or_else(|| panic!("{line}"));
    assert!(ms.ends_with('!') && ms.contains('.'), "{line}");
    // Where the access log has the ids, what is said in a request has its id, too.
    let said = server.log.line_with("line 0 of the log").await;
    assert!(said.ends_with("of the log request_id=mine"), "{said}");
    server.get("/a\u{1b}").await;
    let refused = server.log.line_with(" 400 - ").await;
    assert!(refused.ends_with(" 400 - - {-} 0.00!"), "{refused}");
}

#[tokio::test]
async fn each_log_has_a_level_of_its_own_and_a_reload_changes_it() {
    let app = App::new()
        .handler("chatty.wasm", guest("chatty"))
        .config("[log]\nlevel = \"access=off\"\n");
    // The command line comes first, for the logs that it names.
    let server = app.serve_as("serve", &["--log-level", "app=off"]).await;
    assert_eq!(server.get("/chatty?lines=1").await.status, 200);
    let config = server.app.path().join("waterspout.toml");
    std::fs::write(config, "[log]\nlevel = \"debug\"\n").unwrap();
    server.log.line_with("generation 2 serves").await;
    assert_eq!(server.get("/chatty?lines=2").await.status, 200);
    server.log.line_with("200 GET /chatty?lines=2").await;
    let text = server.log.text();
    assert!(!text.contains("lines=1"), "{text}");
    assert!(!text.contains(" app "), "{text}");
}

#[tokio::test]
async fn lines_that_found_no_room_are_counted() {
    for format in ["text", "json"] {
        // So many lines are one run, and its time is not what this is about.
        let app = App::new()
            .handler("chatty.wasm", guest("chatty"))
            .config("[component.'chatty.wasm']\ncpu_deadline = '30s'\n");
        let server = app.serve_as("serve", &["--log-format", format]).await;
        server.log.stop();
        assert_eq!(server.get("/chatty?lines=10000").await.status, 200);
        server.log.go_on();
        server.log.line_with(TOO_SLOW).await;
        assert_eq!(server.get("/chatty?lines=1&last").await.status, 200);
        server.log.line_with("lines=1&last").await;
        let said = server.log.text();
        let lost: usize = said.lines().filter_map(lost).sum();
        let there = said.lines().filter(|line| line.contains("line ")).count();
        // Each line of the guest is there or counted; a few of the server's own may have been lost with them.
        assert!(lost > 0, "{format}");
        let all = 30_003..30_010;
        assert!(all.contains(&(there + lost)), "{format}: {there} + {lost}");
    }
}

/// How many lines this one says are lost.
fn lost(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once(TOO_SLOW)?;
    rest.split(' ').next()?.parse().ok()
}

#[tokio::test]
async fn what_the_connection_refuses_is_in_the_access_log() {
    let server = App::new()
        .handler("echo.wasm", guest("echo"))
        .config("[server]\nbody_timeout = \"100ms\"\n")
        .serve()
        .await;
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length";
    let long = "x".repeat(70_000);
    for (request, logged) in [
        (
            "GET /a HTTP/1.1\r\n\r\n".to_owned(),
            "400 GET /a (127.0.0.1) 0.00ms",
        ),
        (
            format!("{post}: 99999999999\r\n\r\n"),
            "413 POST /echo (127.0.0.1) 0.00ms",
        ),
        (
            "G@T / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            "400 - - (127.0.0.1) 0.00ms",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\n"),
            "414 - - (127.0.0.1) 0.00ms",
        ),
        (
            format!("GET / HTTP/1.1\r\nX: {long}\r\n"),
            "431 - - (127.0.0.1) 0.00ms",
        ),
        (
            format!("{post}: 9\r\n\r\nlate"),
            "408 POST /echo (127.0.0.1)",
        ),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert!(
            logged.starts_with(&answer.status.to_string()),
            "{logged}: {}",
            answer.head
        );
        let line = server.log.line_with(&format!(" access] {logged}")).await;
        assert!(line.starts_with("[W "), "{line}");
    }
    let text = server.log.text();
    let lines = text.lines().filter(|line| line.contains(" access] "));
    assert_eq!(lines.count(), 6, "one line for each answer");
}

/// Everything that a guest has begun to say, each half once, when its instance has ended in this way.
async fn halves(end: &str, then: impl AsyncFnOnce(Running) -> Option<Running>) {
    let app = App::new().handler("chatty.wasm", guest("chatty"));
    let rules = "[server]\ngrace = \"2s\"\n[component.\"chatty.wasm\"]\ninstances = 1\n";
    let server = app.config(rules).serve().await;
    let log = server.log.clone();
    server.get(&format!("/half?end={end}")).await;
    let server = then(server).await;
    for (output, level) in [("stderr", "[W"), ("stdout", "[I")] {
        let line = log.line_with(&format!("half a line on {output}")).await;
        assert!(
            line.starts_with(level) && line.ends_with(output),
            "{end}: {line}"
        );
    }
    drop(server);
}

#[tokio::test]
async fn a_line_without_its_end_is_logged_when_its_instance_ends() {
    let lives = async |server: Running| Some(server);
    halves("trap", lives).await;
    halves("panic", lives).await;
    halves("swap", async |server: Running| {
        let bytes = renumbered(guest("chatty"), 1);
        server.app.replace("chatty.wasm", &bytes);
        server.until_serving("chatty.wasm", &bytes).await;
        Some(server)
    })
    .await;
    halves("SIGTERM", async |server: Running| {
        assert_eq!(server.stop().await.code(), Some(0));
        None
    })
    .await;
}

#[tokio::test]
async fn a_client_that_its_proxy_names_in_no_readable_way_is_on_no_list() {
    let server = App::new()
        .handler("allowlist.wasm", example("allowlist"))
        .config(
            "[server]\nxheaders = true\n[settings]\napp = { allowed = [\"127.0.0.1\"] }\n\
             [[route]]\npattern = '/staff'\nhandler = \"allowlist.wasm\"\n",
        )
        .serve()
        .await;
    for (sent, status, client) in [
        ("", 200, "127.0.0.1"),
        ("X-Forwarded-For: 127.0.0.1:9\r\n", 200, "127.0.0.1"),
        ("X-Forwarded-For: 203.0.113.7:52110\r\n", 403, "203.0.113.7"),
        ("X-Forwarded-For: [2001:db8::7]\r\n", 403, "2001:db8::7"),
        ("X-Forwarded-For: 127.0.0.1, _hidden\r\n", 403, "unknown"),
        ("X-Real-Ip: nobody\r\n", 403, "unknown"),
    ] {
        let answer = server.request("GET /staff", sent, "").await;
        assert_eq!(answer.status, status, "{sent}");
        server
            .log
            .line_with(&format!("GET /staff ({client})"))
            .await;
    }
}

#[tokio::test]
async fn what_can_not_be_seen_is_escaped_in_either_format() {
    // A client's path, which may be of any letters; directions, lines, joiners and C1.
    let hidden = "\u{202e}\u{2066}\u{2028}\u{2029}\u{200b}\u{feff}\u{9b}";
    let path = format!("/ü{hidden}end");
    for (format, escaped) in [
        (
            "text",
            "/ü\\u{202e}\\u{2066}\\u{2028}\\u{2029}\\u{200b}\\u{feff}\\u{9b}end",
        ),
        (
            "json",
            "/ü\\u202e\\u2066\\u2028\\u2029\\u200b\\ufeff\\u009bend",
        ),
    ] {
        let server = App::new()
            .handler("chatty.wasm", guest("chatty"))
            .serve_as("serve", &["--log-format", format])
            .await;
        assert_eq!(server.get(&path).await.status, 404);
        let line = server.log.line_with("404 GET /").await;
        assert!(line.contains(escaped), "{line}");
        assert!(!line.contains(|c| hidden.contains(c)), "{line}");
        if format == "json" {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!(line["uri"], path);
        }
    }
}
