//! The `EchoServer` of the guide: each line comes back, with a word before it. `nc 127.0.0.1 7000` talks to it.

use waterspout_sdk::iostream::IoStream;
use waterspout_sdk::prelude::*;
use waterspout_sdk::tcpserver::TcpHandler;

#[derive(Default)]
struct EchoServer;

#[handler]
impl TcpHandler for EchoServer {
    async fn handle_stream(&mut self, stream: IoStream, _: &str) -> Result {
        // Until the client closes: then the `?` ends this.
        loop {
            let line = stream.read_until(b"\n").await?;
            stream.write([b"You sent: ", &line[..]].concat()).await?;
        }
    }
}

export!(tcp = [EchoServer]);
