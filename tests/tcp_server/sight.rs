//! What is seen of streams: the status, the metrics, the access log, and the commands.

use super::{FILE, LINES, Lines, app, lines};

#[tokio::test]
async fn streams_are_in_the_status_the_metrics_and_the_access_log() {
    let server = app(LINES, "").serve().await;
    let mut stream = lines(&server).await;
    assert_eq!(stream.ask("hello").await, "You sent: hello");
    let status = server.status().await;
    let tcp = serde_json::json!([{
        "listen": ["127.0.0.1:0"],
        "handler": "tcp_server.wasm#Lines",
        "component": FILE,
        "tls": false,
    }]);
    assert_eq!(status["tcp"], tcp);
    assert_eq!(server.component(FILE).await["streams"], 1);
    assert_eq!(
        server.component(FILE).await["in_flight"],
        0,
        "it is no request"
    );
    stream.say("bye").await;
    assert_eq!(stream.rest().await, b"bye\n");
    let line = server.log.line_with("TCP 127.0.0.1:0 (127.0.0.1)").await;
    assert!(line.contains(" access] end TCP "), "{line}");
    assert!(line.ends_with("ms: 10 bytes came, 20 went"), "{line}");
    let metrics = server.metrics().await;
    for (name, count) in [
        ("streams", 0),
        ("streams_opened_total", 1),
        ("streams_closed_total", 1),
        ("stream_bytes_received_total", 10),
        ("stream_bytes_sent_total", 20),
    ] {
        let line = format!("waterspout_{name}{{component=\"{FILE}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn the_commands_name_listeners_and_handlers() {
    let app = app(
        &LINES.replace("'127.0.0.1:0'", "[':7000', 'unix:a.sock']"),
        "",
    );
    let (code, said) = app.run("routes");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a.sock  tcp_server.wasm#Lines"), "{said}");
    let (code, said) = app.run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 routes, 1 TCP listener)"), "{said}");
    let file = app.handler_path(FILE);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .arg("inspect")
        .arg(file)
        .output()
        .expect("waterspout starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let words = "handlers of streams, which a [[tcp]] has to name\n  Lines\n  StartTls\n";
    assert!(said.contains(words), "{said}");
}

#[tokio::test]
async fn in_json_the_end_of_a_stream_has_its_bytes() {
    let server = app(&format!("{LINES}\n[log]\nformat = 'json'\n"), "")
        .serve()
        .await;
    let line = server.log.line_with("streams on ").await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let message = line["message"].as_str().expect("a message");
    let address = message.split(' ').nth(2).expect("an address");
    let mut stream = Lines::connect(address.parse().expect("an address")).await;
    assert_eq!(stream.ask("bye").await, "bye");
    let line = server.log.line_with("\"method\":\"TCP\"").await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["received"], &line["sent"]), (&4.into(), &4.into()));
    assert_eq!(line["handler"], "tcp_server.wasm#Lines");
    assert_eq!(line["uri"], "127.0.0.1:0");
}

#[tokio::test]
async fn handlers_that_get_no_streams_are_warned_of() {
    let (code, said) = app("", "").run("check");
    assert_eq!(code, Some(0), "{said}");
    let words = "has handlers of streams, and no [[tcp]] leads to one";
    let hint = "`handler = \"tcp_server.wasm#Lines\"`";
    assert!(said.contains(words) && said.contains(hint), "{said}");
    let server = app("", "").serve().await;
    server.log.line_with(words).await;
}
