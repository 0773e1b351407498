//! Listeners in the file system: where they are, and who may connect.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::{App, Running, soon, versioned};

/// An app that also listens on this.
fn app(listen: &str) -> App {
    App::new()
        .handler("version.wasm", versioned("v1"))
        .config(&config(listen))
}

fn config(listen: &str) -> String {
    format!("[server]\nlisten = ['127.0.0.1:0', {listen}]\nadmin = '127.0.0.1:0'\n")
}

async fn get(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).await.expect("a socket");
    let request = b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    let read = soon(stream.read_to_string(&mut answer)).await;
    read.expect("an answer");
    answer
}

fn mode(server: &Running, socket: &str) -> u32 {
    let file = std::fs::metadata(server.app.path().join(socket)).expect("a socket");
    file.permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_relative_path_counts_from_the_app() {
    let server = app("'unix:app.sock'").serve_where_it_says().await;
    server.log.line_with("app.sock").await;
    let socket = server.app.path().join("app.sock");
    assert!(get(&socket).await.ends_with("\r\n\r\nv1"));

    // Said on the command line, too.
    let app = App::new().handler("version.wasm", versioned("v1"));
    let server = app.serve_as("serve", &["--listen", "unix:said.sock"]).await;
    server.log.line_with("said.sock").await;
    let socket = server.app.path().join("said.sock");
    assert!(get(&socket).await.ends_with("\r\n\r\nv1"));
}

#[tokio::test]
async fn a_listener_has_the_mode_that_was_asked_for() {
    let with = |mode: &str| format!("{{ address = 'unix:app.sock', mode = {mode} }}");
    let server = app(&with("'0660'")).serve_where_it_says().await;
    server.log.line_with("app.sock").await;
    assert_eq!(mode(&server, "app.sock"), 0o660);
    let socket = server.app.path().join("app.sock");
    let mut early = UnixStream::connect(&socket).await.expect("a socket");

    // Another mode is no other listener.
    let file = server.app.path().join("waterspout.toml");
    std::fs::write(&file, config(&with("0o602"))).expect("saved");
    server.until_generation(2).await;
    assert_eq!(mode(&server, "app.sock"), 0o602);
    assert!(get(&socket).await.ends_with("\r\n\r\nv1"));
    let request = b"GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    early.write_all(request).await.expect("sent");
    let mut answer = String::new();
    let read = soon(early.read_to_string(&mut answer)).await;
    read.expect("an answer");
    assert!(answer.ends_with("\r\n\r\nv1"), "{answer}");
}

#[test]
fn a_mode_that_is_none_is_a_fault_with_its_place() {
    for (listen, fault) in [
        (
            "{ address = 'unix:a.sock', mode = '0888' }",
            "waterspout.toml:2:60: `mode` must be three octal digits, in quotes, not \"0888\"",
        ),
        (
            "{ address = 'unix:a.sock', mode = 660 }",
            "waterspout.toml:2:60: `mode` must be three octal digits, in quotes, not 660",
        ),
        (
            "{ address = 'unix:a.sock', mode = '4660' }",
            "waterspout.toml:2:60: `mode` must be",
        ),
        (
            "{ address = 'unix:a.sock', mode = '0444' }",
            "waterspout.toml:2:60: nobody could connect",
        ),
        (
            "{ address = '127.0.0.1:1', mode = '0660' }",
            "waterspout.toml:2:60: only a unix socket has a `mode`",
        ),
        (
            "{ mode = '0660' }",
            "waterspout.toml:2:26: `address` is missing of an address",
        ),
        (
            "{ address = 'unix:a.sock', mod = '0660' }",
            "waterspout.toml:2:53: unknown key `mod` of an address",
        ),
        (
            "'unix:a.sock', { address = 'unix:a.sock', mode = '0660' }",
            "unix:a.sock is listened on twice",
        ),
    ] {
        let (code, said) = app(listen).run("check");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(fault), "{fault}\n{said}");
    }
}
