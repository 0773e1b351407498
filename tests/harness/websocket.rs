//! A WebSocket client that sends single frames, so that a test decides exactly what is sent, broken frames too. It answers
//! nothing by itself. Own code, so that a library's view of the protocol is not taken for the protocol.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::soon;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The reserved bit that says of a message that it is compressed, as `rsv` of [`frame`] has it.
pub const RSV1: u8 = 4;

/// The key of RFC 6455, section 1.3, and what accepts it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The same for every frame: no test is about its choice.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as the server has sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    pub fin: bool,
    pub rsv1: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// A message in one frame, not compressed.
    pub fn whole(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            fin: true,
            rsv1: false,
            opcode,
            payload: payload.as_ref().to_vec(),
        }
    }
}

pub struct Ws<S = TcpStream> {
    pub stream: S,
    /// The head of the response that opened it.
    pub head: String,
    unread: Vec<u8>,
}

/// A handshake. More lines may come after its own, such as `Origin: http://example.com`.
pub fn handshake(path: &str, lines: &[&str]) -> String {
    let own = [
        &format!("GET {path} HTTP/1.1"),
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        &format!("Sec-WebSocket-Key: {KEY}"),
        "Sec-WebSocket-Version: 13",
    ];
    let all = own.iter().chain(lines);
    all.map(|line| format!("{line}\r\n")).collect::<String>() + "\r\n"
}

/// The bytes of a client's frame. `rsv`: the three reserved bits, [`RSV1`] the highest of them. The length is written as
/// short as it can be.
pub fn frame(fin: bool, rsv: u8, opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask_bit = u8::from(masked) << 7;
    let mut bytes = vec![u8::from(fin) << 7 | rsv << 4 | opcode];
    match payload.len() {
        length @ ..126 => bytes.push(mask_bit | u8::try_from(length).unwrap()),
        length @ 126..0x1_0000 => {
            bytes.push(mask_bit | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(mask_bit | 127);
            bytes.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    match masked {
        true => {
            bytes.extend(MASK);
            let masks = MASK.iter().cycle();
            bytes.extend(payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask));
        }
        false => bytes.extend(payload),
    }
    bytes
}

impl Ws {
    pub async fn connect(address: SocketAddr, path: &str) -> Self {
        Self::connect_with(address, path, &[]).await
    }

    /// With more lines in its handshake.
    pub async fn connect_with(address: SocketAddr, path: &str, lines: &[&str]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, path, lines).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ws<S> {
    /// Opens one over a connection of any kind. A handshake that is to be refused is one for a `Client`.
    pub async fn over(stream: S, path: &str, lines: &[&str]) -> Self {
        let mut ws = Self {
            stream,
            head: String::new(),
            unread: Vec::new(),
        };
        ws.send(handshake(path, lines)).await;
        while !ws.unread.windows(4).any(|four| four == b"\r\n\r\n") {
            ws.more().await;
        }
        let end = ws.unread.windows(4).position(|four| four == b"\r\n\r\n");
        let head = ws.unread.drain(..end.unwrap() + 4).collect();
        ws.head = String::from_utf8(head).unwrap();
        assert!(ws.head.starts_with("HTTP/1.1 101 "), "{}", ws.head);
        assert_eq!(ws.header("sec-websocket-accept"), Some(ACCEPT));
        ws
    }

    /// The first value of a header of the response.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Sends bytes that need not be a frame, or a whole one.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn send_frame(
        &mut self,
        fin: bool,
        rsv: u8,
        opcode: u8,
        payload: impl AsRef<[u8]>,
        masked: bool,
    ) {
        self.send(frame(fin, rsv, opcode, payload.as_ref(), masked))
            .await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send_frame(true, 0, TEXT, text, true).await;
    }

    pub async fn send_binary(&mut self, bytes: impl AsRef<[u8]>) {
        self.send_frame(true, 0, BINARY, bytes, true).await;
    }

    pub async fn send_ping(&mut self, data: impl AsRef<[u8]>) {
        self.send_frame(true, 0, PING, data, true).await;
    }

    /// With no code there is no reason either, whatever is given.
    pub async fn send_close(&mut self, code: impl Into<Option<u16>>, reason: &str) {
        let payload = match code.into() {
            Some(code) => [&code.to_be_bytes(), reason.as_bytes()].concat(),
            None => Vec::new(),
        };
        self.send_frame(true, 0, CLOSE, payload, true).await;
    }

    /// The next frame. What a server may never send is a fault of the test's server.
    pub async fn next(&mut self) -> Frame {
        self.at_least(2).await;
        let (first, second) = (self.unread[0], self.unread[1]);
        assert_eq!(first & 0x30, 0, "RSV2 or RSV3: {:?}", self.unread);
        assert_eq!(second & 0x80, 0, "a masked frame: {:?}", self.unread);
        let (begin, least) = match second {
            126 => (4, 126),
            127 => (10, 0x1_0000),
            _ => (2, 0),
        };
        self.at_least(begin).await;
        let length = match begin {
            2 => usize::from(second),
            _ => {
                let bytes = self.unread[2..begin].iter();
                bytes.fold(0, |length, byte| length << 8 | usize::from(*byte))
            }
        };
        assert!(length >= least, "{length} could be written shorter");
        self.at_least(begin + length).await;
        let payload = self.unread.drain(..begin + length).skip(begin).collect();
        let frame = Frame {
            fin: first & 0x80 != 0,
            rsv1: first & 0x40 != 0,
            opcode: first & 0x0f,
            payload,
        };
        let is_control = frame.opcode >= CLOSE;
        let is_right = frame.fin && !frame.rsv1 && length < 126;
        assert!(!is_control || is_right, "a control frame: {frame:?}");
        frame
    }

    /// The next frame is this message, in one frame and not compressed.
    pub async fn expect_text(&mut self, text: &str) {
        assert_eq!(self.next().await, Frame::whole(TEXT, text));
    }

    /// The next frame closes with this code, or without one. Returns its reason.
    pub async fn expect_close(&mut self, code: impl Into<Option<u16>>) -> String {
        let frame = self.next().await;
        assert_eq!(frame.opcode, CLOSE, "{frame:?}");
        let (its, reason) = match frame.payload.split_first_chunk() {
            Some((code, reason)) => (Some(u16::from_be_bytes(*code)), reason.to_vec()),
            None => (None, frame.payload),
        };
        let reason = String::from_utf8(reason).unwrap();
        assert_eq!(its, code.into(), "{reason}");
        reason
    }

    /// Waits for the end of the connection, and returns what came before.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.unread);
        let _ = soon(self.stream.read_to_end(&mut rest)).await;
        rest
    }

    async fn at_least(&mut self, length: usize) {
        while self.unread.len() < length {
            self.more().await;
        }
    }

    async fn more(&mut self) {
        let read = soon(self.stream.read_buf(&mut self.unread)).await.unwrap();
        let unread = || String::from_utf8_lossy(&self.unread);
        assert!(read > 0, "closed after {:?}", unread());
    }
}

/// What a server would read and write, over a pipe.
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{ACCEPT, CONTINUATION, PONG, RSV1, TEXT, handshake};
    use crate::harness::{Frame, Ws};

    fn answer() -> String {
        format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n")
    }

    #[tokio::test]
    async fn frames_are_what_a_test_says() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(answer().as_bytes()).await.unwrap();
        // Begins with the answer.
        far.write_all(b"\x81\x02hi\xc1\x01a\x01\x00").await.unwrap();
        let mut ws = Ws::over(near, "/ws?a=b", &["Origin: here"]).await;
        let mut request = vec![0; handshake("/ws?a=b", &["Origin: here"]).len()];
        far.read_exact(&mut request).await.unwrap();
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("GET /ws?a=b HTTP/1.1\r\n"), "{request}");
        assert!(request.ends_with("\r\nOrigin: here\r\n\r\n"), "{request}");

        ws.expect_text("hi").await;
        let compressed = ws.next().await;
        assert!(compressed.rsv1 && compressed.fin, "{compressed:?}");
        assert!(!ws.next().await.fin);
        for length in [126, 0xffff, 0x1_0000] {
            let payload = vec![7; length];
            let mut bytes = super::frame(true, 0, CONTINUATION, &payload, false);
            let rest = bytes.split_off(3);
            far.write_all(&bytes).await.unwrap();
            far.write_all(&rest).await.unwrap();
            assert_eq!(ws.next().await, Frame::whole(CONTINUATION, payload));
        }

        for (sent, bytes) in [
            ("text", &b"\x81\x82\x37\xfa\x21\x3d\x5f\x93"[..]),
            ("binary", b"\x82\x81\x37\xfa\x21\x3d\x37"),
            ("ping", b"\x89\x80\x37\xfa\x21\x3d"),
            ("close", b"\x88\x83\x37\xfa\x21\x3d\x34\x12\x43"),
            ("no code", b"\x88\x80\x37\xfa\x21\x3d"),
            ("broken", b"\x41\x01a"),
        ] {
            match sent {
                "text" => ws.send_text("hi").await,
                "binary" => ws.send_binary([0]).await,
                "ping" => ws.send_ping("").await,
                "close" => ws.send_close(1000, "b").await,
                "no code" => ws.send_close(None, "lost").await,
                _ => ws.send_frame(false, RSV1, TEXT, "a", false).await,
            }
            let mut read = vec![0; bytes.len()];
            far.read_exact(&mut read).await.unwrap();
            assert_eq!(read, bytes, "{sent}");
        }

        far.write_all(b"\x8a\x00\x88\x05\x03\xf1bye\x88\x00rest")
            .await
            .unwrap();
        drop(far);
        assert_eq!(ws.next().await, Frame::whole(PONG, ""));
        assert_eq!(ws.expect_close(1009).await, "bye");
        assert_eq!(ws.expect_close(None).await, "");
        assert_eq!(ws.rest().await, b"rest");
    }

    #[tokio::test]
    async fn lines_come_after_those_of_the_handshake() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for lines in [&[][..], &["Origin: here"]] {
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; handshake("/ws", lines).len()];
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(answer().as_bytes()).await.unwrap();
                String::from_utf8(request).unwrap()
            };
            let client = async {
                match lines {
                    [] => Ws::connect(address, "/ws").await,
                    lines => Ws::connect_with(address, "/ws", lines).await,
                }
            };
            let (request, _) = tokio::join!(server, client);
            assert!(request.starts_with("GET /ws HTTP/1.1\r\n"), "{request}");
            assert!(
                request.ends_with(&(lines.concat() + "\r\n\r\n")),
                "{request}"
            );
        }
    }
}
