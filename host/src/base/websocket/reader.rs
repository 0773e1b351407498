//! The messages in what the peer sends. It keeps what is not whole yet, and no more.

use bytes::{Bytes, BytesMut};
use sockudo_ws::Error;
use sockudo_ws::protocol::{CompressedReaderProtocol, Message, Protocol};

use super::handshake::Deflate;
use super::{MAX_REASON, Role, code, shortened};

/// What has come, whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// It is UTF-8.
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    /// The peer closes the socket: code and reason.
    Close(Option<(u16, String)>),
}

/// What the peer has sent is against the rules.
#[derive(Debug)]
pub struct Breach {
    /// What it is told.
    pub code: u16,
    pub why: String,
}

/// Reads the messages of one peer.
pub struct Reader {
    protocol: Box<ReaderProtocol>,
    /// What is not read yet.
    pub buffer: BytesMut,
}

enum ReaderProtocol {
    Plain(Protocol),
    Deflate(CompressedReaderProtocol),
}

/// A message that is smaller than this is copied, so that it does not keep the whole buffer.
const SMALL: usize = 4096;

impl Reader {
    /// `max_message`: the most bytes of a message, whether they were compressed or not.
    pub fn new(role: Role, max_message: usize, deflate: Option<&Deflate>) -> Self {
        let protocol = match deflate {
            None => ReaderProtocol::Plain(Protocol::new(role.into(), max_message, max_message)),
            Some(deflate) => {
                let new = match role {
                    Role::Server => CompressedReaderProtocol::server,
                    Role::Client => CompressedReaderProtocol::client,
                };
                ReaderProtocol::Deflate(new(max_message, max_message, deflate.config()))
            }
        };
        Self {
            protocol: Box::new(protocol),
            buffer: BytesMut::new(),
        }
    }

    /// Reads what is in the buffer. What came before a breach is handed out.
    pub fn read(&mut self, mut take: impl FnMut(Received)) -> Result<(), Breach> {
        let mut messages = Vec::new();
        let read = match &mut *self.protocol {
            ReaderProtocol::Plain(protocol) => {
                protocol.process_into(&mut self.buffer, &mut messages)
            }
            ReaderProtocol::Deflate(protocol) => {
                protocol.process_into(&mut self.buffer, &mut messages)
            }
        };
        for message in messages {
            take(received(message));
        }
        if self.buffer.is_empty() {
            // Most sockets are quiet: they have no buffer.
            self.buffer = BytesMut::new();
        }
        read.map_err(|error| breach(&error))
    }
}

fn received(message: Message) -> Received {
    let own = |bytes: Bytes| match bytes.len() {
        0..SMALL => Bytes::copy_from_slice(&bytes),
        _ => bytes,
    };
    match message {
        Message::Text(bytes) => Received::Text(own(bytes)),
        Message::Binary(bytes) => Received::Binary(own(bytes)),
        Message::Ping(bytes) => Received::Ping(own(bytes)),
        Message::Pong(bytes) => Received::Pong(own(bytes)),
        Message::Close(reason) => Received::Close(reason.map(|reason| {
            (
                reason.code,
                shortened(reason.reason.to_string(), MAX_REASON),
            )
        })),
    }
}

fn breach(error: &Error) -> Breach {
    let code = match error {
        Error::InvalidUtf8 => code::INVALID_DATA,
        Error::MessageTooLarge | Error::FrameTooLarge => code::TOO_BIG,
        Error::Compression(_) => code::INVALID_DATA,
        _ => code::PROTOCOL_ERROR,
    };
    Breach {
        code,
        why: error.to_string(),
    }
}
