//! The examples of streams: `echo-tcp` and `gopher`.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{App, Running, example, soon};

/// An app with the example's component for streams.
async fn serve(example_: &str, class: &str) -> (Running, SocketAddr) {
    let file = format!("{}.wasm", example_.replace('-', "_"));
    let config = format!("[[tcp]]\nlisten = '127.0.0.1:0'\nhandler = '{file}#{class}'\n");
    let app = App::new().config(&config);
    let server = app
        .handler(&file, example(&example_.replace('-', "_")))
        .serve()
        .await;
    let line = server.log.line_with("streams on ").await;
    let (_, rest) = line.split_once("streams on ").expect("an address");
    let address = rest.split(' ').next().expect("an address");
    let address = address.parse().expect("an address");
    (server, address)
}

/// What comes back for this, until the end.
async fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("written");
    stream.shutdown().await.expect("its end");
    let mut answer = String::new();
    let read = soon(stream.read_to_string(&mut answer)).await;
    read.expect("an answer");
    answer
}

#[tokio::test]
async fn each_line_comes_back() {
    let (_server, address) = serve("echo-tcp", "EchoServer").await;
    let answer = ask(address, "hello\nthere\nno line").await;
    assert_eq!(answer, "You sent: hello\nYou sent: there\n");
}

#[tokio::test]
async fn a_gopher_leads_from_its_menu_to_its_texts() {
    let (_server, address) = serve("gopher", "Gopher").await;
    let menu = ask(address, "\r\n").await;
    let here = format!("\t127.0.0.1\t{}\r\n", address.port());
    assert!(
        menu.contains(&format!("0waterspout\t/text/waterspout{here}")),
        "{menu}"
    );
    assert!(menu.ends_with("\r\n.\r\n"), "{menu}");
    let text = ask(address, "/text/waterspout\r\n").await;
    assert!(text.starts_with("A waterspout is a tornado.\r\n"), "{text}");
    let found = ask(address, "/find\thouses\r\n").await;
    assert_eq!(found, format!("0waterspout\t/text/waterspout{here}.\r\n"));
    assert!(ask(address, "/nothing\r\n").await.starts_with('3'));
    // A line without an end, and one that is too long, get no answer.
    assert_eq!(ask(address, "/text/gopher").await, "");
    assert_eq!(ask(address, &"x".repeat(300)).await, "");
}
