//! A client that waits for each answer, on a socket of the system.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{bail, ensure};

/// Connects. Half a minute without an answer is an error.
pub fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// Sends a request.
pub fn ask(stream: &mut TcpStream, path: &str) -> anyhow::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    Ok(stream.write_all(request.as_bytes())?)
}

/// Reads one answer, which must be right, and returns its body.
pub fn answer(stream: &mut TcpStream) -> anyhow::Result<String> {
    let read = read_until(stream, |read| {
        let (head, body) = read.split_once("\r\n\r\n")?;
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = lengths.next()?.1.parse().ok()?;
        (body.len() == length).then(|| (head.to_owned(), body.to_owned()))
    })?;
    let (head, body) = read;
    ensure!(head.starts_with("HTTP/1.1 200"), "wrong: {head}");
    Ok(body)
}

/// Reads until `wanted` has what it wants. No server sends more than that without a request.
pub fn read_until<T>(
    stream: &mut TcpStream,
    wanted: impl Fn(&str) -> Option<T>,
) -> anyhow::Result<T> {
    let mut buffer = [0; 4096];
    let mut length = 0;
    loop {
        let read = std::str::from_utf8(&buffer[..length])?;
        if let Some(wanted) = wanted(read) {
            return Ok(wanted);
        }
        match stream.read(&mut buffer[length..])? {
            0 => bail!("closed, or too long, after {length} bytes"),
            more => length += more,
        }
    }
}
