//! TLS from the beginning of a stream, and TLS that a handler begins.

use tokio::net::TcpStream;

use super::{Lines, app, place};
use crate::harness::tls::Authority;
use crate::harness::{App, soon};

fn encrypted(handler: &str, more: &str, authority: &Authority) -> App {
    let config = format!(
        "[[tcp]]\nlisten = '127.0.0.1:0'\nhandler = 'tcp_server.wasm#{handler}'\n\
         tls = {{ cert = 'cert.pem', key = 'key.pem'{more} }}\n"
    );
    let app = app(&config, "");
    let pair = authority.sign(&["localhost"]);
    for (file, text) in [("cert.pem", pair.cert), ("key.pem", pair.key)] {
        std::fs::write(app.path().join(file), text).expect("a file");
    }
    app
}

#[tokio::test]
async fn a_stream_is_encrypted_from_its_beginning() {
    let authority = Authority::new();
    let server = encrypted("Lines", "", &authority).serve().await;
    let address = place(&server, 1, "Lines").await;
    let stream = TcpStream::connect(address).await.expect("a connection");
    let mut stream = Lines::over(authority.encrypt(stream).await);
    assert_eq!(stream.ask("hello").await, "You sent: hello");
    stream.say("much 3000000").await;
    assert_eq!(stream.rest().await.len(), 3_000_000);

    // One that speaks no TLS comes to nothing, and never to the handler.
    let mut plain = Lines::connect(address).await;
    plain.say("hello").await;
    let mut rest = Vec::new();
    let _ = soon(tokio::io::AsyncReadExt::read_to_end(
        &mut plain.0,
        &mut rest,
    ))
    .await;
    assert!(!rest.ends_with(b"\n"), "{rest:?}");
    assert_eq!(server.get("/now").await.body, "0 of 1");
}

#[tokio::test]
async fn a_handler_begins_tls_as_the_server() {
    let authority = Authority::new();
    let server = encrypted("StartTls", ", start = false", &authority)
        .serve()
        .await;
    let mut stream = Lines::connect(place(&server, 1, "StartTls").await).await;
    assert_eq!(stream.ask("hello").await, "hello");
    assert_eq!(stream.ask("STARTTLS").await, "220 ready");
    let stream = authority.encrypt(stream.0.into_inner()).await;
    let mut stream = Lines::over(stream);
    assert_eq!(stream.ask("secret").await, "secret");
    assert_eq!(stream.ask("STARTTLS").await, "220 ready");
    assert_eq!(stream.line().await, "it speaks TLS already");
}

#[tokio::test]
async fn without_a_certificate_a_handler_is_told_so() {
    let config = "[[tcp]]\nlisten = '127.0.0.1:0'\nhandler = 'tcp_server.wasm#StartTls'\n";
    let server = app(config, "").serve().await;
    let mut stream = Lines::connect(place(&server, 1, "StartTls").await).await;
    assert_eq!(stream.ask("STARTTLS").await, "220 ready");
    let said = stream.line().await;
    assert_eq!(said, "it has no certificate: `tls` in [[tcp]] names one");
    assert_eq!(stream.ask("hello").await, "hello");
}
