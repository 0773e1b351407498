//! How the client opens a socket (RFC 6455, section 4.1), and checks that it has what it asked for. Sends no message.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::ensure;

use crate::patient::{connect, read_until};

/// Of the RFC's example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";

/// About as browsers offer it: both sides may refer to earlier messages. Tornado knows no parameters without a value.
const DEFLATE: &str = "permessage-deflate";

/// Opens a socket, with compression or without. Half a minute without an answer is an error, now and later.
pub fn open(address: SocketAddr, path: &str, deflate: bool) -> anyhow::Result<TcpStream> {
    let mut stream = connect(address)?;
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    if deflate {
        request += &format!("Sec-WebSocket-Extensions: {DEFLATE}\r\n");
    }
    stream.write_all((request + "\r\n").as_bytes())?;
    let answer = read_until(&mut stream, |read| {
        read.ends_with("\r\n\r\n")
            .then(|| read.to_ascii_lowercase())
    })?;
    let extensions = answer
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
    let right = answer.starts_with("http/1.1 101 ")
        && answer.lines().any(|line| line == ACCEPT)
        && extensions == deflate.then_some(DEFLATE);
    ensure!(right, "no such socket: {answer}");
    Ok(stream)
}
