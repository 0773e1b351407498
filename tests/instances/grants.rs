//! What a guest has of the host: what it was granted, and nothing else.

use serde_json::json;

use super::serve;
use crate::harness::{App, guest};

#[tokio::test]
async fn nothing_of_the_host_is_there_unless_it_is_granted() {
    let server = serve("grants", "").await;
    for path in [
        "/etc/hostname",
        "data/file",
        "../data/file",
        "handlers/grants.wasm",
        ".",
    ] {
        let found = server
            .json(&format!("/grants?read={path}&write={path}.new"))
            .await;
        assert_eq!(found["env"], json!({}));
        assert_eq!(found["read"], json!(null), "{path}");
        assert_eq!(found["written"], false, "{path}");
        assert_ne!(found["connected"], json!(null));
    }
}

#[tokio::test]
async fn what_is_granted_is_there() {
    let rules = "env = { GREETING = \"hi\" }\nallow = { read = [\"data\"], write = [\"out\"] }";
    let app = App::new()
        .handler("grants.wasm", guest("grants"))
        .config(&format!("[component.\"grants.wasm\"]\n{rules}"));
    for folder in ["data", "out"] {
        std::fs::create_dir(app.path().join(folder)).expect("a folder");
    }
    std::fs::write(app.path().join("data/file"), "granted").expect("a file");
    std::fs::write(app.path().join("secret"), "secret").expect("a file");
    let server = app.serve().await;

    let found = server.json("/grants?read=data/file&write=data/new").await;
    assert_eq!(found["env"], json!({ "GREETING": "hi" }));
    assert_eq!(
        (&found["read"], &found["written"]),
        (&json!("granted"), &json!(false))
    );
    let found = server
        .json("/grants?read=data/../secret&write=out/new")
        .await;
    assert_eq!(
        (&found["read"], &found["written"]),
        (&json!(null), &json!(true))
    );
    let written = std::fs::read_to_string(server.app.path().join("out/new"));
    assert_eq!(written.expect("a file"), "written by the guest");
}
