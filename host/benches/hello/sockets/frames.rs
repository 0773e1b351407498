//! Frames (RFC 6455, section 5): those of the client, masked, and where the one ends that a server sent. Opens no socket.

use std::ops::Range;

/// What a frame of a whole text begins with, and of a compressed one.
const TEXT: u8 = 0x81;
const COMPRESSED: u8 = 0xc1;

/// Set in the byte with the length, if there is a mask.
const MASKED: u8 = 0x80;

/// Always the same: nobody is to be kept from guessing it here.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's text, whole in one frame.
pub fn masked(text: &[u8]) -> Vec<u8> {
    frame(TEXT, Some(MASK), text)
}

/// The same, of a text that is compressed.
pub fn masked_compressed(compressed: &[u8]) -> Vec<u8> {
    frame(COMPRESSED, Some(MASK), compressed)
}

/// A server's text, whole in one frame.
pub fn unmasked(text: &[u8]) -> Vec<u8> {
    frame(TEXT, None, text)
}

fn frame(kind: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = mask.map_or(0, |_| MASKED);
    let mut frame = vec![kind];
    match payload.len() {
        length @ 0..126 => frame.push(bit | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(bit | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(bit | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    match mask {
        None => frame.extend(payload),
        Some(mask) => {
            frame.extend(mask);
            let masked = payload.iter().zip(mask.iter().cycle());
            frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        }
    }
    frame
}

/// Where the payload of a server's first frame is in what has come, if its head is there.
pub fn payload(read: &[u8]) -> Option<Range<usize>> {
    let (begin, length) = match *read.get(1)? {
        126 => (
            4,
            u16::from_be_bytes(read.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => (
            10,
            u64::from_be_bytes(read.get(2..10)?.try_into().ok()?) as usize,
        ),
        length => (2, length.into()),
    };
    Some(begin..begin + length)
}

/// Whether a frame is a whole text that is compressed.
pub fn is_compressed(frame: &[u8]) -> bool {
    frame.first() == Some(&COMPRESSED)
}
