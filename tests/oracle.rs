//! Many small requests, answered as Tornado answers them. Its answers are in `oracle/*.json`; the program of the same
//! name renews them.

use serde::Deserialize;
use serde_json::Value;

use crate::harness::{App, example, guest};

/// A byte is the character of its number.
#[derive(Deserialize)]
struct Recorded {
    sent: String,
    status: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[tokio::test]
async fn the_demo_app_answers_as_tornado_s() {
    let names = [
        "hello",
        "stories",
        "forms",
        "errors",
        "json",
        "redirects",
        "upload",
        "allowlist",
    ];
    let app = names.into_iter().fold(App::new(), |app, name| {
        app.handler(&format!("{name}.wasm"), example(name))
    });
    let app = app.config(include_str!("../examples/waterspout.toml"));
    compare(app, include_str!("oracle/demo.json")).await;
}

#[tokio::test]
async fn routing_is_tornado_s() {
    let app = App::new()
        .handler("oracle.wasm", guest("oracle"))
        .config(include_str!("oracle/routing.toml"));
    compare(app, include_str!("oracle/routing.json")).await;
}

/// What differs on purpose is not asked for; it stands in `docs/differences.md`.
async fn compare(app: App, record: &str) {
    let server = app.serve().await;
    let recorded: Vec<Recorded> = serde_json::from_str(record).expect("the record");
    let mut differences = Vec::new();
    for tornado in &recorded {
        let mut client = server.connect().await;
        client.send(latin1(&tornado.sent)).await;
        let answer: String = client.rest().await.into_iter().map(char::from).collect();
        differences.extend(difference(tornado, &answer));
    }
    let (count, all) = (differences.len(), recorded.len());
    assert_eq!(count, 0, "of {all}:\n\n{}", differences.join("\n\n"));
}

fn difference(tornado: &Recorded, answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let (first, lines) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = lines
        .split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let ours = Shown::of(first.trim_start_matches("HTTP/1.1 "), headers, body);
    let headers = tornado.headers.iter().cloned();
    let theirs = Shown::of(&tornado.status, headers, &tornado.body);
    (ours != theirs).then(|| format!("{}\nTornado: {theirs:?}\nours: {ours:?}", tornado.sent))
}

/// What both servers show alike.
#[derive(Debug, PartialEq)]
struct Shown {
    status: String,
    headers: Vec<(String, String)>,
    body: Result<Value, String>,
}

impl Shown {
    fn of(status: &str, headers: impl Iterator<Item = (String, String)>, body: &str) -> Self {
        // Python says `I'm a Teapot`, RFC 2324 says it in lower case.
        let rfc = |text: &str| text.replace("I'm a Teapot", "I'm a teapot");
        let mut headers: Vec<_> = headers
            .filter(|(name, _)| !["date", "server", "allow"].contains(&&**name))
            .collect();
        headers.sort();
        let is_json = headers
            .iter()
            .any(|(name, value)| name == "content-type" && value.starts_with("application/json"));
        let body = match is_json {
            // Python writes it with spaces.
            true => {
                headers.retain(|(name, _)| name != "content-length");
                serde_json::from_str(&rfc(body)).map_err(|error| format!("{error}: {body}"))
            }
            false => Err(rfc(body)),
        };
        Self {
            status: rfc(status),
            headers,
            body,
        }
    }
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|char| char as u8).collect()
}
