//! The peer: tokio, and nothing else. It sends each line back, as `examples/echo-tcp` does.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Serves until the process ends, with as many threads as it has cores.
pub fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { tokio::spawn(accept(address)).await? })
}

async fn accept(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // An error is a client that has left.
        tokio::spawn(async { drop(echo(stream).await) });
    }
}

async fn echo(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).await? > 0 {
        let answer = [b"You sent: ", &line[..]].concat();
        stream.write_all(&answer).await?;
        line.clear();
    }
    Ok(())
}
