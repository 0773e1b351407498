//! Sockets that a service manager has opened.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use crate::harness::{App, Client, LONG, example, soon};

const CONFIG: &str = "[server]\nlisten = [\"systemd:web\"]\nadmin = \"127.0.0.1:0\"\n";

fn app() -> App {
    App::new()
        .handler("hello.wasm", example("hello"))
        .config(CONFIG)
}

#[tokio::test]
async fn an_inherited_socket_outlives_the_server() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let server = app()
        .inheriting(socket.try_clone().unwrap())
        .serve_where_it_says()
        .await;
    assert_eq!(server.address, address);
    assert_eq!(server.get("/hello").await.body, "Hello, world");
    assert!(server.stop().await.success());
    // Who comes while nobody serves is served by the next one.
    let mut early = Client::connect(address).await;
    early.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let _next = app().inheriting(socket).serve_where_it_says().await;
    assert_eq!(soon(early.answer()).await.body, "Hello, world");
}

#[tokio::test]
async fn a_socket_by_its_number_survives_a_reload() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = app().inheriting(socket).serve_where_it_says().await;
    let config = server.app.path().join("waterspout.toml");
    std::fs::write(config, CONFIG.replace("web", "0")).unwrap();
    server.until_generation(2).await;
    assert_eq!(server.get("/hello").await.body, "Hello, world");
}

#[test]
fn a_socket_that_was_not_passed_is_a_fault() {
    let app = app();
    let mut server = std::process::Command::new(env!("CARGO_BIN_EXE_waterspout"));
    let output = server.arg("serve").arg(app.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot listen on systemd:web: systemd has passed no socket"),
        "{said}"
    );
}

#[tokio::test]
async fn the_service_manager_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let heard = || {
        let mut text = [0; 100];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let app = App::new()
        .handler("hello.wasm", example("hello"))
        .variable("NOTIFY_SOCKET", &path);
    let server = app.serve().await;
    assert_eq!(heard().trim(), "READY=1");
    assert!(server.stop().await.success());
    assert_eq!(heard().trim(), "STOPPING=1");
}
