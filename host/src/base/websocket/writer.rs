//! The frames of what goes to the peer. Keeps what is not written yet.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use sockudo_ws::OpCode;
use sockudo_ws::deflate::DeflateEncoder;
use sockudo_ws::frame::{encode_frame_header_with_rsv, encode_frame_with_rsv};

use super::handshake::Deflate;
use super::utf8::Utf8;
use super::{MAX_REASON, Published, Role, code, shortened};

/// Writes the frames for one peer.
pub struct Writer {
    role: Role,
    deflate: Option<Deflate>,
    /// Made when it is needed. In a box, as few sockets have one at a time.
    encoder: Option<Box<DeflateEncoder>>,
    /// Large messages, which are not copied, and what goes before each.
    pieces: VecDeque<Bytes>,
    /// What goes after them.
    frames: BytesMut,
    length: usize,
}

/// A message from this size on is not copied.
const LARGE: usize = 4096;

/// How many pieces are written at once.
pub const AT_ONCE: usize = 16;

impl Writer {
    pub fn new(role: Role, deflate: Option<Deflate>) -> Self {
        Self {
            role,
            deflate,
            encoder: None,
            pieces: VecDeque::new(),
            frames: BytesMut::new(),
            length: 0,
        }
    }

    pub fn text(&mut self, text: Utf8) {
        self.message(OpCode::Text, text.into_bytes());
    }

    pub fn binary(&mut self, bytes: Bytes) {
        self.message(OpCode::Binary, bytes);
    }

    pub fn ping(&mut self, bytes: Bytes) {
        self.frame(OpCode::Ping, bytes, false);
    }

    pub fn pong(&mut self, bytes: Bytes) {
        self.frame(OpCode::Pong, bytes, false);
    }

    /// A published message, whose frame is shared. Only for clients: what goes to a server is masked.
    pub fn published(&mut self, message: &Published, binary: bool) {
        let deflate = self.deflate.as_ref().map(Deflate::config);
        let frame = message.frame(binary, deflate);
        self.append(frame);
        // What was compressed for all is not in this encoder's window: it must not be referred to.
        self.encoder = None;
    }

    /// The rest of a frame whose beginning was written.
    pub fn rest_of(&mut self, frame: Bytes) {
        self.append(frame);
    }

    /// Whether nothing is compressed.
    pub fn is_plain(&self) -> bool {
        self.deflate.is_none()
    }

    /// The last frame.
    pub fn close(&mut self, close: Option<(u16, String)>) {
        let payload = match close {
            Some((code, reason)) if code != code::NO_CODE => {
                let mut payload = code.to_be_bytes().to_vec();
                payload.extend(shortened(reason, MAX_REASON).into_bytes());
                payload
            }
            _ => Vec::new(),
        };
        self.frame(OpCode::Close, payload.into(), false);
    }

    /// How many bytes are to be written.
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The first pieces of what is to be written, as many as there are places. Returns how many.
    pub fn pieces<'a>(&'a self, places: &mut [IoSlice<'a>; AT_ONCE]) -> usize {
        let frames = (!self.frames.is_empty()).then_some(&*self.frames);
        let pieces = self.pieces.iter().map(|piece| &**piece).chain(frames);
        let mut count = 0;
        for (place, piece) in places.iter_mut().zip(pieces) {
            *place = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// So many bytes of it were written.
    pub fn wrote(&mut self, mut bytes: usize) {
        self.length -= bytes;
        while let Some(piece) = self.pieces.front_mut() {
            if bytes < piece.len() {
                return piece.advance(bytes);
            }
            bytes -= piece.len();
            self.pieces.pop_front();
        }
        self.frames.advance(bytes);
        if self.is_empty() {
            // Most sockets are quiet: they have no buffer.
            self.frames = BytesMut::new();
            self.pieces = VecDeque::new();
        }
    }

    /// Whether there is something to free while it is quiet.
    pub fn compresses(&self) -> bool {
        self.encoder.is_some()
    }

    /// Frees what is only good for more messages. The peer can read on: what follows refers to nothing before.
    pub fn rest(&mut self) {
        self.encoder = None;
    }

    fn message(&mut self, kind: OpCode, bytes: Bytes) {
        let Some(deflate) = &self.deflate else {
            return self.frame(kind, bytes, false);
        };
        let config = deflate.config();
        let (bits, takes_nothing_over) = match self.role {
            Role::Server => (
                config.server_max_window_bits,
                config.server_no_context_takeover,
            ),
            Role::Client => (
                config.client_max_window_bits,
                config.client_no_context_takeover,
            ),
        };
        let encoder = self.encoder.get_or_insert_with(|| {
            Box::new(DeflateEncoder::new(
                bits,
                takes_nothing_over,
                config.compression_level,
                config.compression_threshold,
            ))
        });
        match encoder.compress(&bytes) {
            Ok(Some(compressed)) => self.frame(kind, compressed, true),
            Ok(None) => self.frame(kind, bytes, false),
            Err(_) => {
                // Its window may have bytes that the peer never gets.
                self.encoder = None;
                self.frame(kind, bytes, false);
            }
        }
    }

    fn frame(&mut self, kind: OpCode, bytes: Bytes, is_compressed: bool) {
        let before = self.frames.len();
        // Another one for each frame, which nobody can guess (RFC 6455, section 5.3).
        let mask = match self.role {
            Role::Server => None,
            Role::Client => Some(rand::random()),
        };
        if bytes.len() < LARGE || mask.is_some() {
            encode_frame_with_rsv(&mut self.frames, kind, &bytes, true, mask, is_compressed);
            self.length += self.frames.len() - before;
            return;
        }
        let length = bytes.len();
        encode_frame_header_with_rsv(&mut self.frames, kind, length, true, None, is_compressed);
        self.length += self.frames.len() - before;
        self.append(bytes);
    }

    fn append(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if bytes.len() < LARGE {
            return self.frames.extend_from_slice(&bytes);
        }
        if !self.frames.is_empty() {
            self.pieces.push_back(self.frames.split().freeze());
        }
        self.pieces.push_back(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes all, at most so many bytes at once.
    fn written(writer: &mut Writer, most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !writer.is_empty() {
            let mut places = [IoSlice::new(&[]); AT_ONCE];
            let count = writer.pieces(&mut places);
            let before = all.len();
            for piece in &places[..count] {
                let left = most - (all.len() - before);
                all.extend_from_slice(&piece[..piece.len().min(left)]);
            }
            let part = all.len() - before;
            writer.wrote(part);
        }
        all
    }

    #[test]
    fn frames_keep_their_order_however_they_are_written() {
        let large = Bytes::from(vec![7; LARGE]);
        let whole = |most| {
            let mut writer = Writer::new(Role::Server, None);
            for _ in 0..AT_ONCE {
                writer.text("a".to_owned().into());
                writer.binary(large.clone());
                writer.published(&Published::new(large.clone()), true);
                writer.ping("b".into());
            }
            writer.close(Some((1000, "c".into())));
            let length = writer.len();
            let all = written(&mut writer, most);
            assert_eq!(all.len(), length);
            all
        };
        let all = whole(usize::MAX);
        assert!(
            all.starts_with(b"\x81\x01a\x82\x7e\x10\x00\x07"),
            "{:?}",
            &all[..8]
        );
        assert!(all.ends_with(b"\x89\x01b\x88\x03\x03\xe8c"));
        for most in [1, 3, LARGE, LARGE + 5] {
            assert!(whole(most) == all, "{most}");
        }
    }
}
