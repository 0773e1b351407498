//! What the examples of `examples/` answer where Tornado's record, in `oracle.rs`, has nothing to compare.

mod background;
mod chat;
mod crawler;
mod fetch;
mod stream;
mod tcp;

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
