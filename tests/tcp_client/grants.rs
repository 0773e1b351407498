//! Which servers are reached, and which names are looked up: by the SDK, and by a guest's own stack, WASI 0.2 and 0.3.

use serde_json::json;

use super::{WAYS, app, dial, dialled, echo, serve, talk, told};
use crate::harness::soon;

#[tokio::test]
async fn what_is_granted_is_reached_by_name_and_by_address() {
    let server = serve(echo).await;
    let port = server.port();
    for grant in ["127.0.0.1", "localhost"] {
        let app = app(&[format!("{grant}:{port}")], "").serve().await;
        for by in WAYS {
            let answer = dialled(&app, by, grant, port).await;
            assert_eq!(answer, json!({ "told": "hello\n" }), "{grant} by {by}");
        }
        let answer = told(&app, &talk(grant, port, "", &["write:x\n", "until:\n"])).await;
        assert_eq!(answer["done"], json!(["ok", "x\n"]));
        assert_eq!(answer["remote"], server.to_string());
    }
}

#[tokio::test]
async fn only_granted_names_are_looked_up() {
    let app = app(&["localhost:1".to_owned()], "").serve().await;
    let names = async |host: &str| soon(told(&app, &dial("names", host, 0))).await["told"].take();
    let found = names("LocalHost").await;
    for by in ["std", "0.2", "0.3"] {
        let found = found[by].as_array().expect("addresses");
        assert!(found.contains(&json!("127.0.0.1")), "{by}: {found:?}");
    }
    // Its own address is no secret, and no name.
    let own = json!(["192.0.2.7"]);
    assert_eq!(
        names("192.0.2.7").await,
        json!({ "std": own, "0.2": own, "0.3": own })
    );
    for other in ["example.com", "ip6-localhost", "localhost.localdomain"] {
        let refused = names(other).await;
        assert_eq!(refused["0.2"], json!(["lookup: access-denied"]), "{other}");
        assert_eq!(
            refused["0.3"],
            json!(["lookup: ErrorCode::AccessDenied"]),
            "{other}"
        );
        let standard = refused["std"][0].as_str().expect("an error");
        assert!(
            !standard.starts_with(|char: char| char.is_ascii_digit()),
            "{other}: {standard}"
        );
    }
    let log = app
        .log
        .line_with("a connection to example.com is refused")
        .await;
    assert!(log.contains("allow = { tcp = "), "{log}");
}
