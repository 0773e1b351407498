//! Signed cookies and users: the secret, where it comes from, and that nothing shows it.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{SECRET, app, cookie, json as read};
use crate::harness::Running;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// Logs in, and returns the head with the cookie.
async fn log_in(server: &Running) -> String {
    let answer = server.request("POST /login", FORM, "name=ben").await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("/")));
    let line = answer.header("set-cookie").expect("a cookie").to_owned();
    assert!(line.starts_with("user=2|1:"), "{line}");
    assert!(line.contains("; expires="), "{line}");
    format!("Cookie: {}\r\n", cookie(&answer))
}

async fn user(server: &Running, head: &str) -> serde_json::Value {
    read(&server.request("GET /login", head, "").await)
}

#[tokio::test]
async fn who_is_logged_in_is_known_by_a_cookie_that_nobody_else_makes() {
    let server = app(SECRET).serve().await;
    let head = log_in(&server).await;
    assert_eq!(user(&server, &head).await, "ben");
    assert_eq!(user(&server, "").await, json!(null));
    let forged = head.replace("YmVu", "YW5u");
    assert_ne!(forged, head);
    assert_eq!(user(&server, &forged).await, json!(null));
}

#[tokio::test]
async fn a_login_leads_back_and_to_no_other_site() {
    let server = app(SECRET).serve().await;
    for (next, location) in [
        ("/account?a=b", "/account?a=b"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("http://localhost/account", "http://localhost/account"),
    ] {
        let body = format!("name=ben&next={}", next.replace('&', "%26"));
        let answer = server.request("POST /login", FORM, &body).await;
        assert_eq!(answer.header("location"), Some(location), "{next}");
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed_and_the_log_says_what_to_add() {
    let server = app("").serve().await;
    let answer = server.request("POST /login", FORM, "name=ben").await;
    assert_eq!(answer.status, 500);
    let log = server.logged().await;
    let said = "You must define the 'cookie_secret' setting";
    assert!(log.contains(said), "{log}");
}

#[tokio::test]
async fn no_secret_is_in_a_log_or_a_status() {
    let server = app(&format!("debug = true\n{SECRET}")).serve().await;
    let head = log_in(&server).await;
    user(&server, &head).await;
    let status = server.status().await.to_string();
    let everything = server.logged().await + &status + &server.metrics().await;
    assert!(!everything.contains("c2VjcmV0"), "{everything}");
}

#[tokio::test]
async fn a_secret_from_a_file_goes_with_its_file() {
    let app = app("cookie_secret = { file = \"secret\" }\n");
    let file = app.path().join("secret");
    let (code, said) = app.run("check");
    assert_eq!(code, Some(1), "{said}");
    let hint = "secret: can't be read";
    assert!(
        said.contains(hint) && said.contains("openssl rand"),
        "{said}"
    );
    std::fs::write(&file, "one\n").unwrap();
    let server = app.serve().await;
    let head = log_in(&server).await;
    assert_eq!(user(&server, &head).await, "ben");
    // As a text that is not in a file, it is the same.
    let same = super::app("cookie_secret = 'one'\n").serve().await;
    assert_eq!(user(&same, &head).await, "ben");
    let beside = file.with_extension("new");
    std::fs::write(&beside, "two\n").unwrap();
    std::fs::rename(&beside, &file).unwrap();
    server.until_generation(2).await;
    assert_eq!(user(&server, &head).await, json!(null));
    std::fs::write(&beside, "").unwrap();
    std::fs::rename(&beside, &file).unwrap();
    server.until_swap_is(false).await;
    let log = server.logged().await;
    assert!(log.contains("secret: the file is empty"), "{log}");
}

#[tokio::test]
async fn dev_makes_the_secret_that_is_missing() {
    let server = app("cookie_secret = { file = \"secret\" }\n")
        .serve_as("dev", &[])
        .await;
    let head = log_in(&server).await;
    assert_eq!(user(&server, &head).await, "ben");
    let file = server.app.path().join("secret");
    let made = std::fs::metadata(&file).expect("a file");
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    assert!(made.len() > 40);
    // Without one in the configuration, there is one for this run, and it is another one.
    let other = app("").serve_as("dev", &[]).await;
    assert_eq!(user(&other, &head).await, json!(null));
    let head = log_in(&other).await;
    assert_eq!(user(&other, &head).await, "ben");
}

#[tokio::test]
async fn values_are_signed_and_read_with_a_request_and_without_one() {
    let server = app(SECRET).serve().await;
    let asked = json!({ "sign": [["a", "1"], ["b", "\u{ff}\0|;"]] }).to_string();
    for line in ["POST /values", "PUT /values"] {
        let signed = read(&server.request(line, "", &asked).await)["signed"].clone();
        let (one, two) = (&signed[0], &signed[1]);
        let back = json!({ "read": [["a", one], ["b", two], ["b", one]] }).to_string();
        for line in ["POST /values", "PUT /values"] {
            let values = read(&server.request(line, "", &back).await)["values"].clone();
            assert_eq!(values, json!(["1", "\u{ff}\0|;", null]), "{line}");
        }
    }
}
