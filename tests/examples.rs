//! What the examples of `examples/` answer where Tornado's record, in `oracle.rs`, has nothing to compare.

mod background;
mod chat;
mod fetch;
mod stream;

use crate::harness::{App, example};

#[tokio::test]
async fn json_that_is_none_is_the_client_s_fault_and_it_hears_why() {
    let server = App::new()
        .handler("json.wasm", example("json"))
        .serve()
        .await;
    let json = "Content-Type: application/json\r\n";
    for method in ["POST", "PUT"] {
        let line = format!("{method} /json");
        let answer = server.request(&line, json, "{\"a\":1").await;
        let message = r#"{"error":"Invalid JSON: EOF while parsing an object at line 1 column 6"}"#;
        assert_eq!((answer.status, &*answer.body), (400, message), "{method}");
    }
}

#[tokio::test]
async fn the_demo_fetches_from_itself_one_page_or_several_at_once() {
    let names = [
        "hello",
        "stories",
        "forms",
        "errors",
        "json",
        "redirects",
        "upload",
        "allowlist",
        "fetch",
    ];
    let app = names.into_iter().fold(App::new(), |app, name| {
        app.handler(&format!("{name}.wasm"), example(name))
    });
    let app = app.config(include_str!("../examples/waterspout.toml"));
    let server = app.serve().await;
    let own = format!("http://{}", server.address);
    let one = server.get(&format!("/fetch?url={own}/")).await;
    assert_eq!(one.body, format!("{own}/: 12 bytes\n"));
    let many = format!("/fetch/many?url={own}/&url={own}/none&url=http://example.com/");
    let refused = "HTTP 599: Not granted: `allow = { http = […] }` of the component does not name this origin";
    let list = server.get(&many).await;
    assert_eq!(
        list.body,
        format!(r#"[12,"HTTP 404: Not Found","{refused}"]"#)
    );
    let map = server.get(&format!("{many}&format=map")).await;
    let pairs = format!(
        r#"{{"{own}/":12,"{own}/none":"HTTP 404: Not Found","http://example.com/":"{refused}"}}"#
    );
    assert_eq!(map.body, pairs);
    let failed = server.get("/fetch?url=http://example.com/").await;
    assert_eq!(failed.status, 502);
}
