//! The frames in a stream of bytes (RFC 9113, section 4.1): where each ends, and whether it is a control frame. Pure,
//! and never looks into a payload.

const HEAD: usize = 9;

// Types of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;

const END_STREAM: u8 = 1;

/// Follows the frames in one direction.
#[derive(Debug)]
pub(super) struct Frames {
    /// The bytes before the first frame.
    preface: usize,
    /// The head of a frame, as far as it has come.
    head: [u8; HEAD],
    length: usize,
    /// The bytes of its payload that are to come.
    payload: usize,
    /// The latest stream that was begun.
    last_stream: u32,
}

impl Frames {
    /// Behind a preface of this many bytes.
    pub(super) fn after(preface: usize) -> Self {
        Self {
            preface,
            head: [0; HEAD],
            length: 0,
            payload: 0,
            last_stream: 0,
        }
    }

    /// Follows these bytes, and returns how many control frames begin in them. Control frames carry no request and no
    /// body.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> u64 {
        let mut control = 0;
        skip(&mut bytes, &mut self.preface);
        while !bytes.is_empty() {
            if self.payload > 0 {
                skip(&mut bytes, &mut self.payload);
                continue;
            }
            let taken = bytes.len().min(HEAD - self.length);
            let (part, rest) = bytes.split_at(taken);
            self.head[self.length..][..taken].copy_from_slice(part);
            self.length += taken;
            bytes = rest;
            if self.length == HEAD {
                control += u64::from(self.begin());
            }
        }
        control
    }

    /// Whether the next byte is the first of a frame.
    pub(super) fn is_between(&self) -> bool {
        self.length == 0 && self.payload == 0
    }

    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Begins the frame whose head is there, and returns whether it is a control frame.
    fn begin(&mut self) -> bool {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        self.length = 0;
        self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
        match kind {
            DATA => self.payload == 0 && flags & END_STREAM == 0,
            HEADERS => {
                let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                self.last_stream = self.last_stream.max(stream);
                false
            }
            _ => true,
        }
    }
}

fn skip(bytes: &mut &[u8], count: &mut usize) {
    let taken = bytes.len().min(*count);
    *bytes = &bytes[taken..];
    *count -= taken;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags];
        [&head, &stream.to_be_bytes()[..], payload].concat()
    }

    #[test]
    fn frames_are_told_apart_however_they_are_split() {
        let bytes = [
            b"PRI".to_vec(),
            frame(4, 0, 0, &[0; 6]),
            frame(HEADERS, 5, 7, b"abc"),
            frame(DATA, 0, 7, b"abc"),
            frame(DATA, 0, 7, b""),
            frame(DATA, END_STREAM, 7, b""),
            frame(6, 0, 0, &[0; 8]),
            frame(HEADERS, 5, 3, b""),
        ]
        .concat();
        for size in 1..=bytes.len() {
            let mut frames = Frames::after(3);
            let control: u64 = bytes.chunks(size).map(|part| frames.read(part)).sum();
            assert_eq!((control, frames.last_stream()), (3, 7), "{size}");
            assert!(frames.is_between());
            frames.read(&frame(6, 0, 0, &[0; 8])[..12]);
            assert!(!frames.is_between());
        }
    }
}
