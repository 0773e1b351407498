//! `xsrf_cookies`: pages with a token, and the requests that bring it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;

use super::{app, cookie, entered, json};
use crate::harness::{Running, soon};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// A page's cookie and its token.
async fn page(server: &Running) -> (String, String) {
    let answer = server.get("/form").await;
    let token = json(&answer)["token"].as_str().expect("a token").to_owned();
    let field = format!(r#"<input type="hidden" name="_xsrf" value="{token}"/>"#);
    assert_eq!(json(&answer)["field"], field);
    (format!("Cookie: {}\r\n", cookie(&answer)), token)
}

#[tokio::test]
async fn a_form_that_brings_the_token_of_its_page_is_taken_and_its_handler_has_all_of_it() {
    let server = app("xsrf_cookies = true\n").serve().await;
    let (cookie, token) = page(&server).await;
    let quoted = token.replace('|', "%7C");
    let body = format!("field=some+text&_xsrf={quoted}");
    let head = format!("{cookie}{FORM}");
    for method in ["POST", "PUT"] {
        let answer = server
            .request(&format!("{method} /form"), &head, &body)
            .await;
        let expected = serde_json::json!({ "field": "some text", "length": body.len() });
        assert_eq!((answer.status, json(&answer)), (200, expected));
    }
    // A page for a client that has a cookie sets none, and its token counts as well.
    let again = server.request("GET /form", &cookie, "").await;
    assert_eq!(again.header("set-cookie"), None);
    let other = json(&again)["token"].as_str().unwrap().to_owned();
    assert_ne!(other, token, "it is masked anew");
    let header = format!("{cookie}{FORM}X-Xsrftoken: {other}\r\n");
    let answer = server.request("POST /form", &header, "field=a").await;
    assert_eq!(answer.status, 200);
    assert_eq!(entered(&server).await, 3);
}

#[tokio::test]
async fn what_lacks_its_token_enters_no_guest_and_the_log_says_why() {
    let server = app("xsrf_cookies = true\n").serve().await;
    let (cookie, token) = page(&server).await;
    let (_, foreign) = page(&server).await;
    for (head, body) in [
        (String::new(), "field=a"),
        (cookie.clone(), "field=a"),
        (format!("{cookie}X-Xsrftoken: {foreign}\r\n"), "field=a"),
        (format!("X-Xsrftoken: {token}\r\n"), "field=a"),
        (cookie.clone(), &format!("field=a&_xsrf={foreign}")),
    ] {
        let answer = server
            .request("POST /form", &format!("{head}{FORM}"), body)
            .await;
        assert_eq!(answer.status, 403, "{head} {body}");
        assert!(answer.body.contains("403: Forbidden"), "{}", answer.body);
    }
    assert_eq!(entered(&server).await, 0);
    let log = server.logged().await;
    assert!(log.contains("'_xsrf' argument missing from POST"), "{log}");
    assert!(
        log.contains("XSRF cookie does not match POST argument"),
        "{log}"
    );
}

#[tokio::test]
async fn a_large_body_and_one_that_is_taken_in_pieces_bring_the_token_beside_it() {
    let server = app("xsrf_cookies = true\n").serve().await;
    let (cookie, token) = page(&server).await;
    let quoted = token.replace('|', "%7C");
    let head = format!("{cookie}{FORM}");
    let large = format!("_xsrf={quoted}&field={}", "x".repeat(1 << 20));
    let answer = server.request("POST /form", &head, &large).await;
    assert_eq!(answer.status, 403, "it is longer than the host reads");
    let answer = server
        .request(&format!("POST /form?_xsrf={quoted}"), &head, &large)
        .await;
    assert_eq!(answer.status, 200);
    // In chunks, nothing says how long it will be.
    let mut client = server.connect().await;
    let begin = format!(
        "POST /form HTTP/1.1\r\nHost: localhost\r\n{head}Transfer-Encoding: chunked\r\n\r\n"
    );
    client.send(begin).await;
    client
        .send(format!("{:x}\r\n{large}\r\n", large.len()))
        .await;
    assert_eq!(soon(client.answer()).await.status, 403);
    let small = format!("_xsrf={quoted}");
    let answer = server.request("POST /pieces", &head, &small).await;
    assert_eq!(answer.status, 403, "no form is read for it");
    let answer = server
        .request(&format!("POST /pieces?_xsrf={quoted}"), &head, &small)
        .await;
    assert_eq!((answer.status, json(&answer)), (200, small.len().into()));
}

#[tokio::test]
async fn a_form_in_small_pieces_is_waited_for_and_one_that_is_late_is_its_client_s_fault() {
    let settings = "xsrf_cookies = true\n[server]\nbody_timeout = \"3s\"\n";
    let server = app(settings).serve().await;
    let (cookie, token) = page(&server).await;
    let body = format!("field=a&_xsrf={}", token.replace('|', "%7C"));
    let begin = format!(
        "POST /form HTTP/1.1\r\nHost: localhost\r\n{cookie}{FORM}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = server.connect().await;
    client.send(&begin).await;
    for byte in body.as_bytes() {
        client.send([*byte]).await;
    }
    assert_eq!(soon(client.answer()).await.status, 200);
    let mut late = server.connect().await;
    late.send(&begin).await;
    late.send("field").await;
    assert_eq!(soon(late.answer()).await.status, 408);
    // Its client may go in the middle of it, and nobody else hears of it.
    let mut gone = server.connect().await;
    gone.send(&begin).await;
    gone.send("field").await;
    drop(gone);
    assert_eq!(entered(&server).await, 1);
}

#[tokio::test]
async fn http_2_has_the_same_protection() {
    let server = app("xsrf_cookies = true\n[server]\nh2c = true\n")
        .serve()
        .await;
    let (cookie, token) = page(&server).await;
    let cookie = cookie.trim_start_matches("Cookie: ").trim_end();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (sent, status) in [(token.replace('|', "%7C"), 200), (String::new(), 403)] {
        let request = Request::post("http://localhost/form")
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        let mut client = client.clone().ready().await.unwrap();
        let request = request.body(()).unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        let form = format!("field=a&_xsrf={sent}");
        body.send_data(Bytes::from(form), true).unwrap();
        let response = tokio::time::timeout(Duration::from_secs(20), response).await;
        assert_eq!(response.unwrap().unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_route_may_be_an_exception_and_the_cookie_has_its_attributes() {
    let settings = "xsrf_cookies = true
xsrf_cookie_name = 'token'
xsrf_cookie_kwargs = { httponly = true, samesite = 'strict', path = '/form' }
cookie_secret = 'secret'

[[route]]
pattern = '/open'
handler = 'members.wasm#Form'
xsrf_cookies = false

[[route]]
pattern = '/form'
handler = 'members.wasm#Form'

[[route]]
pattern = '/login'
handler = 'members.wasm#Login'
";
    let server = app(settings).serve().await;
    assert_eq!(
        server.request("POST /open", FORM, "field=a").await.status,
        200
    );
    assert_eq!(
        server.request("POST /form", FORM, "field=a").await.status,
        403
    );
    let answer = server.get("/form").await;
    let line = answer.header("set-cookie").unwrap();
    assert!(line.starts_with("token=2|"), "{line}");
    assert!(
        line.ends_with("; HttpOnly; Path=/form; SameSite=Strict"),
        "{line}"
    );
    // Where the user is known, it stays for a month.
    let mut head = FORM.to_owned();
    let token = json(&answer)["token"].as_str().unwrap().to_owned();
    head += &format!(
        "Cookie: {}\r\nX-Csrftoken: {token}\r\n",
        super::cookie(&answer)
    );
    let login = server.request("POST /login", &head, "name=ben").await;
    assert_eq!(login.status, 302);
    let user = format!("Cookie: {}\r\n", super::cookie(&login));
    let answer = server.request("GET /login", &user, "").await;
    let line = answer.header("set-cookie").unwrap();
    assert!(line.contains("; expires="), "{line}");
}
