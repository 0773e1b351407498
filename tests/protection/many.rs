//! Thousands of random values, signed and read by real Tornado and by a component: run by `.ci/protection`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{app, json as read};
use crate::harness::{Running, root};

const COUNT: usize = 10_000;
const SECRET: &str = "a secret of both";

/// Has a program of this folder say something about what it is told, with the Tornado of the records.
fn tornado(asked: &Value) -> Value {
    let python = std::env::var("WATERSPOUT_TORNADO").unwrap_or("python3".to_owned());
    let mut program = Command::new(python)
        .arg("-B")
        .arg(root().join("tests/protection/tornado_values.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut input = program.stdin.take().expect("its input");
    let text = asked.to_string();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = program.wait_with_output().expect("its output");
    writer.join().expect("a thread").expect("it reads");
    assert!(output.status.success(), "is Tornado installed?");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

async fn ask(server: &Running, asked: &Value) -> Value {
    read(&server.request("POST /values", "", &asked.to_string()).await)
}

#[tokio::test]
#[ignore = "needs Tornado: .ci/protection"]
async fn ten_thousand_values_are_read_by_the_other_and_what_has_changed_is_not() {
    let settings = format!("cookie_secret = '{SECRET}'\n[server]\nmax_body_size = \"100MB\"\n");
    let limits = "[component.\"members.wasm\"]\nbody_memory = \"200MB\"\nmemory = \"256MB\"\ncpu_deadline = \"60s\"\n";
    let server = app(&(settings + limits)).serve().await;
    // Names, values, and what Tornado made of them.
    let made = tornado(&json!({ "secret": SECRET, "count": COUNT, "sign": [], "read": [] }));
    let pairs = made["made"].as_array().expect("pairs").clone();
    assert_eq!(pairs.len(), COUNT);
    let of = |pair: &Value, signed: &Value| json!([pair["name"], signed]);
    for part in pairs.chunks(1_000) {
        let theirs: Vec<Value> = part.iter().map(|pair| of(pair, &pair["signed"])).collect();
        let plain: Vec<Value> = part.iter().map(|pair| of(pair, &pair["value"])).collect();
        let changed: Vec<Value> = part.iter().map(|pair| of(pair, &pair["changed"])).collect();
        let ours = ask(&server, &json!({ "sign": plain, "read": theirs })).await;
        let values: Vec<Value> = part.iter().map(|pair| pair["value"].clone()).collect();
        assert_eq!(
            ours["values"],
            Value::from(values.clone()),
            "theirs are read here"
        );
        let refused = ask(&server, &json!({ "read": changed })).await;
        assert_eq!(refused["values"], json!(vec![Value::Null; part.len()]));
        let signed = ours["signed"].as_array().expect("texts");
        let back: Vec<Value> = part
            .iter()
            .zip(signed)
            .map(|(pair, signed)| of(pair, signed))
            .collect();
        let back = tornado(&json!({ "secret": SECRET, "count": 0, "read": back }));
        assert_eq!(back["values"], Value::from(values), "ours are read there");
    }
    println!("{COUNT} values each way, {COUNT} changed ones refused");
}

#[tokio::test]
#[ignore = "needs Tornado: .ci/protection"]
async fn ten_thousand_tokens_are_the_same_to_the_other() {
    let server = app("xsrf_cookies = true\n").serve().await;
    let mut client = server.connect().await;
    let mut ours = Vec::new();
    for _ in 0..COUNT {
        client
            .send("GET /form HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        let answer = client.answer().await;
        ours.push(json!([
            super::cookie(&answer).trim_start_matches("_xsrf="),
            read(&answer)["token"]
        ]));
    }
    let said = tornado(&json!({ "tokens": ours, "count_tokens": COUNT }));
    assert_eq!(said["same"], json!(COUNT), "ours are the same there");
    let theirs = said["tokens"].as_array().expect("tokens");
    assert_eq!(theirs.len(), COUNT);
    for (nth, pair) in theirs.iter().enumerate() {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let (cookie, token, other) = (text(&pair[0]), text(&pair[1]), text(&pair[2]));
        for (token, status) in [(token, 200), (other, 403)] {
            let head = format!(
                "Cookie: _xsrf={cookie}\r\nX-Xsrftoken: {token}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n"
            );
            client
                .send(format!(
                    "POST /form HTTP/1.1\r\nHost: localhost\r\n{head}\r\nfield=a"
                ))
                .await;
            assert_eq!(client.answer().await.status, status, "the {nth}th: {head}");
        }
    }
    println!("{COUNT} tokens each way, {COUNT} others refused");
}
