//! Tornado's `TCPServer`, `IOStream` and `TCPClient`.

use super::is_there;
use crate::harness::tls::Authority;
use crate::harness::{App, Lines, place_of, soon};

const STREAMS: &str = include_str!("streams.py");
const FILE: &str = "streams.py";

/// Two listeners for the two servers of the app.
const LISTENERS: &str = "[[tcp]]\nlisten = '127.0.0.1:0'\nhandler = 'streams.py'\n\
    tls = { cert = 'cert.pem', key = 'key.pem', start = false }\n\
    [[tcp]]\nlisten = '127.0.0.1:0'\nhandler = 'streams.py'\nkwargs = { port = 7001 }\n";

/// Returns the app, and who vouches for its certificate.
fn app(config: &str) -> (App, Authority) {
    let authority = Authority::new();
    let pair = authority.sign(&["localhost"]);
    let app = App::new().handler(FILE, STREAMS).config(config);
    for (file, text) in [("cert.pem", pair.cert), ("key.pem", pair.key)] {
        std::fs::write(app.path().join(file), text).expect("a file");
    }
    (app, authority)
}

#[tokio::test]
async fn servers_of_streams_are_tornado_s() {
    if !is_there().await {
        return;
    }
    let (app, authority) = app(LISTENERS);
    let server = app.serve().await;
    let handler = format!("{FILE}#TCPServer");
    let address = place_of(&server, 1, &handler).await;
    let mut stream = Lines::connect(address).await;
    assert_eq!(stream.ask("hello").await, "You sent: hello");
    let mut other = Lines::connect(address).await;
    assert_eq!(other.ask("one\ntwo").await, "You sent: one");
    assert_eq!(other.line().await, "You sent: two");
    assert_eq!(stream.ask("bye").await, "");
    drop(other);
    soon(server.get("/now/2")).await;

    let mut upper = Lines::connect(place_of(&server, 2, &handler).await).await;
    assert_eq!(upper.ask("so").await, "SO");
    assert_eq!(upper.line().await, "");

    let mut plain = Lines::connect(address).await;
    assert_eq!(plain.ask("STARTTLS").await, "go on");
    let stream = authority.encrypt(plain.0.into_inner()).await;
    let mut stream = Lines::over(stream);
    assert_eq!(stream.ask("secret").await, "You sent: secret");
    assert_eq!(server.component(FILE).await["traps"], 0);
}

#[tokio::test]
async fn an_app_connects_to_what_is_granted() {
    if !is_there().await {
        return;
    }
    let (peer, _) = app(LISTENERS);
    let peer = peer.serve().await;
    let port = place_of(&peer, 1, &format!("{FILE}#TCPServer"))
        .await
        .port();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let closed = closed.expect("a port").local_addr().expect("a port").port();
    let (app, _) = app(&format!(
        "[component.{FILE:?}]\nallow = {{ tcp = ['127.0.0.1:{port}', '127.0.0.1:{closed}'] }}\n\
         env = {{ PORT = '{port}', CLOSED = '{closed}' }}\n"
    ));
    let server = app.serve().await;
    let said = soon(server.get("/client")).await.body;
    let said: Vec<serde_json::Value> = serde_json::from_str(&said).expect(&said);
    let expected = serde_json::json!([
        "127.0.0.1",
        port,
        "You sent: one\n",
        "You sent: two\n",
        "You sent: \n".len() + 5_000_000,
        "the end",
        "closed",
        "You sent: by itself\n",
        "StreamClosedError: Stream is closed",
    ]);
    assert_eq!(said[..9], expected.as_array().unwrap()[..], "{said:?}");
    let denied = said[9].as_str().unwrap();
    assert!(
        denied.contains("`allow = { tcp = [\"denied.example:1\"] }`"),
        "{denied}"
    );
}
