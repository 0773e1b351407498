//! Where the host listens, and what `[[tcp]]` says of it.

use tokio::net::UnixStream;

use super::{FILE, LINES, Lines, app, place};
use crate::harness::{App, guest, soon};

#[tokio::test]
async fn each_listener_has_its_handler_and_its_arguments() {
    let config = format!(
        "{LINES}kwargs = {{ greeting = 'one' }}\n{LINES}kwargs = {{ greeting = 'two' }}\n\
         [[tcp]]\nlisten = ['127.0.0.1:0', '[::1]:0']\nhandler = 'tcp_server.wasm#StartTls'\n"
    );
    let server = app(&config, "").serve().await;
    for (nth, greeting) in [(1, "one"), (2, "two")] {
        let mut stream = Lines::connect(place(&server, nth, "Lines").await).await;
        assert_eq!(stream.ask("greeting").await, greeting);
    }
    for nth in [1, 2] {
        let mut stream = Lines::connect(place(&server, nth, "StartTls").await).await;
        assert_eq!(stream.ask("hello").await, "hello");
    }
}

#[tokio::test]
async fn a_unix_socket_is_a_listener_and_its_clients_have_no_address() {
    let config = LINES.replace("127.0.0.1:0", "unix:lines.sock");
    let server = app(&config, "").serve().await;
    server
        .log
        .line_with("lines.sock for tcp_server.wasm#Lines")
        .await;
    let path = server.app.path().join("lines.sock");
    let stream = UnixStream::connect(&path).await.expect("a connection");
    let mut stream = Lines::over(stream);
    assert_eq!(stream.ask("hello").await, "You sent: hello");
    assert_eq!(stream.ask("address").await, "");
    drop(stream);
    let line = server.log.line_with("lines.sock (unix)").await;
    assert!(line.contains(" came, "), "{line}");
    assert!(path.exists());
    let app = server.end().await;
    assert!(!app.path().join("lines.sock").exists());
}

#[tokio::test]
async fn listeners_come_and_go_with_the_configuration() {
    let server = app(LINES, "").serve().await;
    let first = place(&server, 1, "Lines").await;
    let mut early = Lines::connect(first).await;
    assert_eq!(early.ask("hello").await, "You sent: hello");
    let config = |tcp: &str| {
        let text = format!("{tcp}\n[component.{FILE:?}]\ninstances = 1\n");
        std::fs::write(server.app.path().join("waterspout.toml"), text).expect("a file");
    };
    // The same listener, with other arguments.
    config(&format!("{LINES}kwargs = {{ greeting = 'new' }}\n"));
    server.until_generation(2).await;
    let mut stream = Lines::connect(first).await;
    assert_eq!(stream.ask("greeting").await, "new");
    // None any more: the streams that are open go on.
    config("");
    server.until_generation(3).await;
    // It is closed behind the switch.
    soon(async { while tokio::net::TcpStream::connect(first).await.is_ok() {} }).await;
    assert_eq!(early.ask("still").await, "You sent: still");
    assert_eq!(stream.ask("greeting").await, "new");
    config(LINES);
    server.until_generation(4).await;
    let mut stream = Lines::connect(place(&server, 2, "Lines").await).await;
    assert_eq!(stream.ask("hello").await, "You sent: hello");
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let of = |key: &str, value: &str| match key {
        "listen" => format!("[[tcp]]\nlisten = {value}\nhandler = 'tcp_server.wasm#Lines'\n"),
        _ => format!("[[tcp]]\nlisten = ':0'\nhandler = {value}\n"),
    };
    for (config, place, words) in [
        (
            of("handler", "'tcp_server.wasm#Linse'"),
            3,
            "has no stream handler `Linse`",
        ),
        (
            of("handler", "'tcp_server.wasm'"),
            3,
            "has 2 stream handlers; say which one",
        ),
        (
            of("handler", "'tcp_servr.wasm#Lines'"),
            3,
            "did you mean `tcp_server.wasm`?",
        ),
        (
            of("handler", "'hello'"),
            3,
            "a component's file name and a handler of streams",
        ),
        (
            of("handler", "'version.wasm'"),
            3,
            "its `export!` names none: `tcp = [Echo]`",
        ),
        (of("listen", "'http://:0'"), 2, "streams are not HTTP"),
        (of("listen", "[]"), 2, "it listens nowhere"),
        (
            of("listen", "[':7', 'localhost:7']"),
            2,
            "127.0.0.1:7 is listened on twice",
        ),
        (
            "[[tcp]]\nhandler = 'tcp_server.wasm'\n".to_owned(),
            1,
            "`listen`",
        ),
        ("[tcp]\nlisten = ':0'\n".to_owned(), 1, "write `[[tcp]]`"),
    ] {
        let app = App::new()
            .handler(FILE, guest("tcp_server"))
            .handler("version.wasm", guest("version"))
            .config(&config);
        let (code, said) = app.run("check");
        assert_eq!(code, Some(1), "{config}: {said}");
        let at = format!("waterspout.toml:{place}:");
        assert!(
            said.contains(&at) && said.contains(words),
            "{config}: {said}"
        );
    }
    let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = bound.local_addr().expect("its address");
    let config = of("listen", &format!("'{taken}'"));
    let app = App::new()
        .handler(FILE, guest("tcp_server"))
        .config(&config);
    let (code, said) = app.run_with(
        "serve",
        &["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
    );
    drop(bound);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("waterspout.toml:2:")
            && said.contains("does another server run there already?"),
        "{said}"
    );
}
