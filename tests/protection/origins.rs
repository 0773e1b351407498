//! `cross_origin_protection`: pages of other origins, and those that are trusted.

use super::{app, entered, json};
use crate::harness::Answer;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_unless_it_is_said() {
    let server = app("trusted_origins = ['https://friend.example']\n")
        .serve()
        .await;
    for (headers, status) in [
        ("", 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
        ("Origin: https://friend.example\r\n", 200),
        ("Origin: https://FRIEND.example\r\n", 200),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: http://localhost\r\n", 200),
    ] {
        let head = format!("{FORM}{headers}");
        let answer = server.request("POST /form", &head, "field=a").await;
        assert_eq!(answer.status, status, "{headers}");
        let answer = server.request("GET /form", headers, "").await;
        assert_eq!(answer.status, 200, "{headers}");
    }
    assert_eq!(entered(&server).await, 5);
    let log = server.logged().await;
    assert!(
        log.contains("Origin 'https://evil.example' not allowed"),
        "{log}"
    );
}

#[tokio::test]
async fn it_can_be_off_for_all_or_for_a_route_and_a_route_may_trust_others() {
    let foreign = format!("{FORM}Origin: https://other.example\r\n");
    let server = app("cross_origin_protection = false\n").serve().await;
    assert_eq!(
        server
            .request("POST /form", &foreign, "field=a")
            .await
            .status,
        200
    );
    let routes = "
[[route]]
pattern = '/open'
handler = 'members.wasm#Form'
cross_origin_protection = false

[[route]]
pattern = '/form'
handler = 'members.wasm#Form'
trusted_origins = ['https://other.example']

[[route]]
pattern = '/pieces'
handler = 'members.wasm#Pieces'
";
    let server = app(routes).serve().await;
    for (path, status) in [("/open", 200), ("/form", 200), ("/pieces", 403)] {
        let answer = server
            .request(&format!("POST {path}"), &foreign, "field=a")
            .await;
        assert_eq!(answer.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_handler_that_decides_itself_is_asked_for_each_origin_that_is_not_trusted() {
    let server = app("trusted_origins = ['https://friend']\n").serve().await;
    for (origin, status, asked) in [
        (Some("https://a.example"), 200, 1),
        (Some("https://evil"), 403, 2),
        (Some("https://friend"), 200, 2),
        (None, 200, 2),
    ] {
        let head = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        let answer = server.request("POST /decides", &head, "").await;
        assert_eq!(answer.status, status, "{origin:?}");
        assert_eq!(entered(&server).await, asked, "{origin:?}");
    }
}

#[tokio::test]
async fn security_headers_are_one_setting_and_a_handler_s_own_stay() {
    let names = [
        "x-content-type-options",
        "x-frame-options",
        "content-security-policy",
        "referrer-policy",
        "cross-origin-opener-policy",
    ];
    let has = |answer: &Answer| names.map(|name| answer.header(name).is_some());
    let server = app("security_headers = true\n").serve().await;
    for path in ["/form", "/nowhere"] {
        let answer = server.get(path).await;
        assert_eq!(has(&answer), [true; 5], "{path}");
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    let server = app("").serve().await;
    let answer = server.get("/form").await;
    assert_eq!(has(&answer), [false; 5]);
    assert!(json(&answer)["token"].is_string());
}
