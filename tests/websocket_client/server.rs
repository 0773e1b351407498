//! A WebSocket server that sends single frames, so that a test decides exactly what a client gets, broken frames too. It
//! answers nothing by itself.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::websocket::{CLOSE, frame};
use crate::harness::{Frame, soon};

/// Takes connections on a free port of 127.0.0.1.
pub struct Server {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// As `allow.http` names it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// The next connection, without a handshake.
    pub async fn connection(&self) -> TcpStream {
        soon(self.listener.accept()).await.unwrap().0
    }

    /// The next client. More lines may come after those of the handshake's answer.
    pub async fn client(&self, lines: &[&str]) -> Peer<TcpStream> {
        Peer::over(self.connection().await, lines).await
    }

    /// Whether a connection has come that nobody has taken.
    pub async fn was_dialled(&self) -> bool {
        let accepting = self.listener.accept();
        let brief = std::time::Duration::from_millis(50);
        tokio::time::timeout(brief, accepting).await.is_ok()
    }
}

/// The server's end of a connection.
pub struct Peer<S> {
    pub stream: S,
    /// The head of the client's request.
    pub head: String,
    unread: Vec<u8>,
    /// Of the frame that came last.
    pub mask: [u8; 4],
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Answers a handshake.
    pub async fn over(stream: S, lines: &[&str]) -> Self {
        let mut peer = Self::asked(stream).await;
        let accept = accepting(&peer.headers()["sec-websocket-key"]);
        let own = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            &format!("Sec-WebSocket-Accept: {accept}"),
        ];
        let all = own.iter().chain(lines);
        let head = all.map(|line| format!("{line}\r\n")).collect::<String>() + "\r\n";
        peer.send(head).await;
        peer
    }

    /// Reads a handshake, and answers nothing.
    pub async fn asked(stream: S) -> Self {
        let mut peer = Self {
            stream,
            head: String::new(),
            unread: Vec::new(),
            mask: [0; 4],
        };
        while !peer.unread.ends_with(b"\r\n\r\n") {
            peer.more().await;
        }
        peer.head = String::from_utf8(std::mem::take(&mut peer.unread)).unwrap();
        peer
    }

    pub fn headers(&self) -> HeaderMap {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let parsed = lines.map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (name.parse().unwrap(), value)
        });
        parsed.collect()
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn send_frame(&mut self, opcode: u8, payload: impl AsRef<[u8]>) {
        self.send(frame(true, 0, opcode, payload.as_ref(), false))
            .await;
    }

    pub async fn send_close(&mut self, code: u16, reason: &str) {
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        self.send_frame(CLOSE, payload).await;
    }

    /// The next frame, which must be masked.
    pub async fn next(&mut self) -> Frame {
        self.at_least(2).await;
        let (first, second) = (self.unread[0], self.unread[1]);
        assert_eq!(first & 0x30, 0, "RSV2 or RSV3");
        assert_eq!(second & 0x80, 0x80, "a frame without a mask");
        let begin = match second & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        self.at_least(begin + 4).await;
        let length = match begin {
            2 => usize::from(second & 0x7f),
            _ => {
                let bytes = self.unread[2..begin].iter();
                bytes.fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
        };
        self.mask = self.unread[begin..begin + 4].try_into().unwrap();
        self.at_least(begin + 4 + length).await;
        let masked = self.unread.drain(..begin + 4 + length).skip(begin + 4);
        let payload = masked.zip(self.mask.iter().cycle());
        Frame {
            fin: first & 0x80 != 0,
            rsv1: first & 0x40 != 0,
            opcode: first & 0x0f,
            payload: payload.map(|(byte, mask)| byte ^ mask).collect(),
        }
    }

    /// The next frame closes with this code, or without one. Returns its reason.
    pub async fn expect_close(&mut self, code: impl Into<Option<u16>>) -> String {
        let frame = self.next().await;
        assert_eq!(frame.opcode, CLOSE, "{frame:?}");
        let (its, reason) = match frame.payload.split_first_chunk() {
            Some((code, reason)) => (Some(u16::from_be_bytes(*code)), reason.to_vec()),
            None => (None, frame.payload),
        };
        assert_eq!(its, code.into());
        String::from_utf8(reason).unwrap()
    }

    /// Waits for the end of the connection.
    pub async fn ended(&mut self) {
        let mut rest = Vec::new();
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
    }

    async fn at_least(&mut self, length: usize) {
        while self.unread.len() < length {
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let read = soon(self.stream.read_buf(&mut self.unread)).await.unwrap();
        assert!(read > 0, "closed after {:?}", self.unread);
    }
}

/// What accepts a key (RFC 6455, section 4.2.2). Own code, so that a library's view is not taken for the protocol.
fn accepting(key: &HeaderValue) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = [key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let hash = Sha1::digest(text);
    let letters = hash.chunks(3).flat_map(|three| {
        let byte = |at: usize| three.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        (0..4).map(move |at| LETTERS[(bits >> (18 - 6 * at) & 63) as usize])
    });
    let mut text: String = letters.map(char::from).collect();
    // The last three have two bytes.
    text.replace_range(27.., "=");
    text
}
