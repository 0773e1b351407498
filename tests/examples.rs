//! The demo app of `examples/`, built by `waterspout build`, answers as the same app in Tornado does. Tornado's
//! answers are in `oracle/demo.json`; `oracle/demo.py` renews them.

use serde::Deserialize;

use crate::harness::{App, example};

#[derive(Deserialize)]
struct Recorded {
    method: String,
    path: String,
    sent: Option<String>,
    status: u16,
    reason: String,
    content_type: String,
    content_length: String,
    body: String,
}

#[tokio::test]
async fn the_demo_app_answers_as_tornado_s_does() {
    let app = ["hello", "stories", "forms", "errors"]
        .into_iter()
        .fold(App::new(), |app, name| {
            app.handler(&format!("{name}.wasm"), example(name))
        });
    let server = app
        .config(include_str!("../examples/waterspout.toml"))
        .serve()
        .await;
    let recorded: Vec<Recorded> =
        serde_json::from_str(include_str!("oracle/demo.json")).expect("the record");
    assert!(recorded.len() > 20);
    for tornado in recorded {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let Recorded { method, path, .. } = &tornado;
        let sent = tornado.sent.as_deref().unwrap_or_default();
        let line = format!("{method} {path}");
        let mut client = server.connect().await;
        client
            .send(format!(
                "{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{form}Content-Length: {}\r\n\r\n{sent}",
                sent.len()
            ))
            .await;
        let answer = String::from_utf8(client.rest().await).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let first = format!("HTTP/1.1 {} {}", tornado.status, tornado.reason);
        // Python says `I'm a Teapot`, RFC 2324 says it in lower case.
        let said = head.lines().next().map(str::to_lowercase);
        assert_eq!(said, Some(first.to_lowercase()), "{line}");
        assert_eq!(
            body.to_lowercase(),
            tornado.body.to_lowercase(),
            "{line} {sent}"
        );
        assert_eq!(
            header(head, "content-type"),
            Some(&*tornado.content_type),
            "{line}"
        );
        assert_eq!(
            header(head, "content-length"),
            Some(&*tornado.content_length),
            "{line}"
        );
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    lines
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}
