//! The messages in what the peer sends. It keeps what is not whole yet, and no more.

use bytes::{Bytes, BytesMut};
use sockudo_ws::Error;
use sockudo_ws::protocol::{CompressedReaderProtocol, Message, Protocol};

use super::handshake::Deflate;
use super::utf8::Utf8;
use super::{MAX_REASON, Role, code, shortened};

/// What has come, whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    Text(Utf8),
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
    buffer: BytesMut,
    /// How much of it was looked at: a frame begins there that is not whole.
    seen: usize,
    /// Bytes of a message that has come in several frames, at most.
    fragments: usize,
}

enum ReaderProtocol {
    Plain(Protocol),
    Deflate(CompressedReaderProtocol),
}

/// A message that is smaller than this is copied, so that it does not keep the whole buffer.
const SMALL: usize = 4096;

/// A buffer with this many bytes in it is kept as it is, with the space behind them.
const MUCH: usize = 16 * 1024;

/// How many compressed bytes are read at once: they can be a thousand times as many (RFC 1951).
const STEP: usize = 4096;

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
            seen: 0,
            fragments: 0,
        }
    }

    /// This has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// All of this has come, which is empty then. Much of it is not copied.
    pub fn take_in(&mut self, bytes: &mut BytesMut) {
        if self.buffer.is_empty() && bytes.len() >= MUCH {
            self.buffer = std::mem::take(bytes);
        } else {
            self.push(bytes);
            bytes.clear();
        }
    }

    /// Whether something has come that was not looked at.
    pub fn has_more(&self) -> bool {
        self.seen < self.buffer.len()
    }

    /// How many bytes it keeps, of messages that are not whole or were not looked at.
    pub fn kept(&self) -> usize {
        self.buffer.len() + self.fragments
    }

    /// Nothing of what has come is of interest any more.
    pub fn clear(&mut self) {
        self.buffer = BytesMut::new();
        self.seen = 0;
    }

    /// Reads what has come, and after a part of it only where there is room. What came before a breach is handed out.
    pub fn read(
        &mut self,
        has_room: impl Fn() -> bool,
        mut take: impl FnMut(Received),
    ) -> Result<(), Breach> {
        while self.has_more() && has_room() {
            self.read_part(&mut take)?;
        }
        if self.buffer.is_empty() {
            // Most sockets are quiet: they have no buffer.
            self.buffer = BytesMut::new();
        }
        Ok(())
    }

    fn read_part(&mut self, mut take: impl FnMut(Received)) -> Result<(), Breach> {
        let buffer = &mut self.buffer;
        let mut messages = Vec::new();
        let before = buffer.len();
        let (read, rest) = match &mut *self.protocol {
            ReaderProtocol::Plain(protocol) => {
                let read = protocol.process_into(buffer, &mut messages);
                (read, BytesMut::new())
            }
            ReaderProtocol::Deflate(protocol) => {
                let rest = buffer.split_off(before.min(self.seen + STEP));
                let read = protocol.process_into(buffer, &mut messages);
                (read, rest)
            }
        };
        self.seen = buffer.len();
        // The two are side by side: nothing is copied.
        buffer.unsplit(rest);
        self.fragments += before - buffer.len();
        for message in messages {
            let received = received(message);
            if let Received::Text(_) | Received::Binary(_) = received {
                self.fragments = 0;
            }
            take(received);
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
        Message::Text(bytes) => Received::Text(Utf8::received(own(bytes))),
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::IoSlice;

    use http::{HeaderMap, HeaderValue, header};

    use super::*;
    use crate::base::websocket::{AT_ONCE, Offer, Writer};

    /// What a client sends that compresses, and what it has agreed to.
    fn sent(messages: &[Bytes]) -> (Vec<u8>, Deflate) {
        let offer = HeaderValue::from_static("permessage-deflate");
        let headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_EXTENSIONS, offer)]);
        let deflate = Offer(&headers).deflate(6).unwrap();
        let mut writer = Writer::new(Role::Client, Some(deflate.clone()));
        let mut all = Vec::new();
        for message in messages {
            writer.binary(message.clone());
            let mut places = [IoSlice::new(&[]); AT_ONCE];
            assert_eq!(writer.pieces(&mut places), 1);
            all.extend_from_slice(&places[0]);
            writer.wrote(writer.len());
        }
        (all, deflate)
    }

    #[test]
    fn compressed_messages_are_read_only_while_there_is_room() {
        const LARGE: usize = 1 << 20;
        let messages = vec![Bytes::from(vec![0; LARGE]); 100];
        let (bytes, deflate) = sent(&messages);
        let mut reader = Reader::new(Role::Server, LARGE, Some(&deflate));
        reader.push(&bytes);
        let (read, most) = (Cell::new(0), Cell::new(0));
        while reader.has_more() {
            let waiting = Cell::new(0);
            let has_room = || waiting.get() == 0;
            let take = |received| {
                assert_eq!(received, Received::Binary(messages[0].clone()));
                waiting.set(waiting.get() + 1);
            };
            reader.read(has_room, take).unwrap();
            read.set(read.get() + waiting.get());
            most.set(waiting.get().max(most.get()));
        }
        assert_eq!((read.get(), reader.kept()), (messages.len(), 0));
        assert!(most.get() < 6, "{} messages of 1 MiB at once", most.get());
    }

    #[test]
    fn frames_come_in_pieces_of_any_size() {
        // Bytes that don't compress, in a row that always is the same.
        let mut number = 1_u32;
        let mut next = || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (number >> 24) as u8
        };
        let messages = [1, STEP, 3 * STEP + 1, 5].map(|size| {
            let bytes: Vec<u8> = (0..size).map(|_| next()).collect();
            Bytes::from(bytes)
        });
        let (bytes, deflate) = sent(&messages);
        for size in [1, 100, STEP - 1, STEP, STEP + 1, bytes.len()] {
            let mut reader = Reader::new(Role::Server, 1 << 20, Some(&deflate));
            let mut read = Vec::new();
            for piece in bytes.chunks(size) {
                reader.push(piece);
                reader.read(|| true, |one| read.push(one)).unwrap();
                assert!(!reader.has_more() && reader.kept() <= bytes.len());
            }
            let expected = messages.iter().cloned().map(Received::Binary);
            assert!(read.into_iter().eq(expected), "in pieces of {size}");
            assert_eq!(reader.kept(), 0);
        }
    }
}
