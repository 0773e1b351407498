//! `#[handler(base = …)]`: what a handler does not write comes from its base.

use crate::harness::{App, Running, guest};

const ROUTES: &str = "
[settings]
default_handler_class = 'base.wasm#Fallback'

[[route]]
pattern = '/middle'
handler = 'base.wasm#Middle'

[[route]]
pattern = '/leaf'
handler = 'base.wasm#Leaf'
kwargs = { loud = true }
";

async fn serve() -> Running {
    let app = App::new()
        .handler("base.wasm", guest("base"))
        .config(ROUTES);
    app.serve().await
}

#[tokio::test]
async fn what_a_handler_does_not_write_comes_from_its_base_and_from_the_base_of_that() {
    let server = serve().await;
    for (line, status, body) in [
        ("GET /middle", 200, "Root::prepare Middle::get"),
        ("POST /middle", 200, "Root::prepare Middle::post"),
        ("PUT /middle", 405, "Root: 405"),
        // Its own `get` calls that of its base; `post` and the rest are the base's.
        ("GET /leaf", 200, "Leaf::get loud Root::prepare Middle::get"),
        ("POST /leaf", 200, "loud Root::prepare Middle::post"),
        ("QUERY /leaf", 200, "Middle::query"),
        ("PUT /leaf", 500, "Root: 500"),
        ("DELETE /leaf", 405, "Root: 405"),
    ] {
        let answer = server.request(line, "", "").await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{line}");
        assert_eq!(answer.header("x-base"), Some("Root"), "{line}");
    }
    let refused = server.request("DELETE /leaf", "", "").await;
    assert_eq!(refused.header("allow"), Some("GET, PUT, POST, QUERY"));
}

#[tokio::test]
async fn a_handler_with_prepare_and_no_method_answers_every_method() {
    let server = serve().await;
    for method in ["GET", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
        let answer = server.request(&format!("{method} /nowhere"), "", "").await;
        let body = format!("nothing at /nowhere for {method}");
        assert_eq!((answer.status, answer.body), (404, body));
        // Where `prepare` does not finish, there is nothing that could.
        let answer = server
            .request(&format!("{method} /unfinished"), "", "")
            .await;
        assert_eq!(
            (answer.status, &*answer.body),
            (405, "Root: 405"),
            "{method}"
        );
        assert_eq!(answer.header("allow"), Some(""), "{method}");
    }
}

#[test]
fn inspect_shows_what_comes_from_a_base() {
    let app = App::new().handler("base.wasm", guest("base"));
    let file = app.handler_path("base.wasm");
    let shown = std::process::Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .arg("inspect")
        .arg(file)
        .output()
        .expect("waterspout starts");
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    let leaf = shown
        .lines()
        .find(|line| line.contains("Leaf"))
        .expect("the handler");
    for name in ["get", "put", "post", "QUERY", "prepare", "write_error"] {
        assert!(leaf.contains(name), "{name}: {shown}");
    }
}
