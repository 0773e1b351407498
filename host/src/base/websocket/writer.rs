//! The frames of what goes to the peer. Keeps what is not written yet.

use bytes::{Buf, BytesMut};
use sockudo_ws::OpCode;
use sockudo_ws::deflate::DeflateEncoder;
use sockudo_ws::frame::encode_frame_with_rsv;

use super::handshake::Deflate;
use super::{MAX_REASON, Published, Role, code, shortened};

/// Writes the frames for one peer.
pub struct Writer {
    role: Role,
    deflate: Option<Deflate>,
    /// Made when it is needed. In a box, as few sockets have one at a time.
    encoder: Option<Box<DeflateEncoder>>,
    frames: BytesMut,
}

impl Writer {
    pub fn new(role: Role, deflate: Option<Deflate>) -> Self {
        Self {
            role,
            deflate,
            encoder: None,
            frames: BytesMut::new(),
        }
    }

    pub fn text(&mut self, bytes: &[u8]) {
        self.message(OpCode::Text, bytes);
    }

    pub fn binary(&mut self, bytes: &[u8]) {
        self.message(OpCode::Binary, bytes);
    }

    pub fn ping(&mut self, bytes: &[u8]) {
        self.frame(OpCode::Ping, bytes, false);
    }

    pub fn pong(&mut self, bytes: &[u8]) {
        self.frame(OpCode::Pong, bytes, false);
    }

    /// A published message, whose frame is shared. Only for clients: what goes to a server is masked.
    pub fn published(&mut self, message: &Published, binary: bool) {
        let deflate = self.deflate.as_ref().map(Deflate::config);
        self.frames
            .extend_from_slice(&message.frame(binary, deflate));
        // What was compressed for all is not in this encoder's window: it must not be referred to.
        self.encoder = None;
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
        self.frame(OpCode::Close, &payload, false);
    }

    /// What is to be written.
    pub fn unwritten(&self) -> &[u8] {
        &self.frames
    }

    /// So many bytes of it were written.
    pub fn wrote(&mut self, bytes: usize) {
        self.frames.advance(bytes);
        if self.frames.is_empty() {
            // Most sockets are quiet: they have no buffer.
            self.frames = BytesMut::new();
        }
    }

    /// Frees what is only good for more messages. The peer can read on: what follows refers to nothing before.
    pub fn rest(&mut self) {
        self.encoder = None;
    }

    fn message(&mut self, kind: OpCode, bytes: &[u8]) {
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
        match encoder.compress(bytes) {
            Ok(Some(compressed)) => self.frame(kind, &compressed, true),
            Ok(None) => self.frame(kind, bytes, false),
            Err(_) => {
                // Its window may have bytes that the peer never gets.
                self.encoder = None;
                self.frame(kind, bytes, false);
            }
        }
    }

    fn frame(&mut self, kind: OpCode, bytes: &[u8], is_compressed: bool) {
        // Another one for each frame, which nobody can guess (RFC 6455, section 5.3).
        let mask = match self.role {
            Role::Server => None,
            Role::Client => Some(rand::random()),
        };
        encode_frame_with_rsv(&mut self.frames, kind, bytes, true, mask, is_compressed);
    }
}
