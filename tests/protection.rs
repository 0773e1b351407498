//! Signed cookies, users, and what is refused before a guest is entered. What Tornado answers is in `oracle`.

mod many;
mod origins;
mod signed;
mod tokens;

use serde_json::Value;

use crate::harness::{Answer, App, Running, guest};

const SECRET: &str = "cookie_secret = 'c2VjcmV0IG9mIHRoZSB0ZXN0cw'\n";

/// The guest with these settings.
fn app(settings: &str) -> App {
    App::new()
        .handler("members.wasm", guest("members"))
        .config(&format!("[settings]\n{settings}"))
}

/// How often the guest was entered for something that changes.
async fn entered(server: &Running) -> u64 {
    let answer = server.get("/entered").await;
    answer.body.parse().expect("a number")
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// The name and the value of the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let line = answer.header("set-cookie").expect("a cookie");
    let pair = line.split(';').next().unwrap_or(line);
    pair.to_owned()
}
