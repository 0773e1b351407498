//! A message for many sockets: framed once, and compressed once for each kind of agreement.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use sockudo_ws::OpCode;
use sockudo_ws::deflate::{DeflateConfig, DeflateEncoder};
use sockudo_ws::frame::encode_frame_with_rsv;

/// The frames of one message, each made when it is first needed.
pub struct Published {
    data: Bytes,
    is_text: bool,
    plain: [OnceLock<Bytes>; 2],
    /// For clients with the largest window. Others are rare, and get their own.
    compressed: [OnceLock<Bytes>; 2],
}

impl Published {
    pub fn new(data: Bytes) -> Self {
        Self {
            is_text: std::str::from_utf8(&data).is_ok(),
            data,
            plain: Default::default(),
            compressed: Default::default(),
        }
    }

    /// How many bytes the message has.
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// Its frame, for a client with this agreement. It refers to nothing that the client was sent before.
    pub fn frame(&self, binary: bool, deflate: Option<&DeflateConfig>) -> Bytes {
        let is_binary = binary || !self.is_text;
        let Some(config) = deflate else {
            let frame = self.plain[usize::from(is_binary)]
                .get_or_init(|| encoded(is_binary, &self.data, false));
            return frame.clone();
        };
        let usual = DeflateConfig::default();
        if config.server_max_window_bits != usual.server_max_window_bits {
            return self.compressed(is_binary, config);
        }
        let frame = self.compressed[usize::from(is_binary)]
            .get_or_init(|| self.compressed(is_binary, config));
        frame.clone()
    }

    fn compressed(&self, is_binary: bool, config: &DeflateConfig) -> Bytes {
        let bits = config.server_max_window_bits;
        let mut encoder = DeflateEncoder::new(
            bits,
            true,
            config.compression_level,
            config.compression_threshold,
        );
        match encoder.compress(&self.data) {
            Ok(Some(compressed)) => encoded(is_binary, &compressed, true),
            Ok(None) | Err(_) => encoded(is_binary, &self.data, false),
        }
    }
}

fn encoded(is_binary: bool, bytes: &[u8], is_compressed: bool) -> Bytes {
    let kind = if is_binary {
        OpCode::Binary
    } else {
        OpCode::Text
    };
    let mut frame = BytesMut::new();
    encode_frame_with_rsv(&mut frame, kind, bytes, true, None, is_compressed);
    frame.freeze()
}
