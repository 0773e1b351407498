//! The messages that are echoed, with their frames prepared, and the check of the answers. Opens no socket.

use anyhow::{bail, ensure};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::frames;
use crate::answer::shown;

/// What ends a compressed message, and is not sent (RFC 7692, section 7.2.1).
const TRAILER: [u8; 4] = [0, 0, 0xff, 0xff];

/// Messages that are sent in turns.
pub struct Messages {
    /// At least one.
    list: Vec<Message>,
    deflate: bool,
    size: usize,
}

struct Message {
    text: Vec<u8>,
    /// As the client sends it.
    sent: Vec<u8>,
    /// As the server sends it back, where it is not compressed.
    answer: Vec<u8>,
}

impl Messages {
    /// Messages of this size. If they are compressed, there are enough of them that none is found in what a server remembers
    /// of earlier ones.
    pub fn new(size: usize, deflate: bool) -> anyhow::Result<Self> {
        /// Twice the window.
        const REMEMBERED: usize = 65_536;
        let count = if deflate { REMEMBERED / size } else { 1 };
        let text = text(size * count);
        let message = |text: &[u8]| -> anyhow::Result<Message> {
            Ok(Message {
                sent: match deflate {
                    true => frames::masked_compressed(&compressed(text)?),
                    false => frames::masked(text),
                },
                answer: frames::unmasked(text),
                text: text.to_vec(),
            })
        };
        Ok(Self {
            list: text.chunks(size).map(message).collect::<Result<_, _>>()?,
            deflate,
            size,
        })
    }

    /// The frame of the message with this number, from 0 on without end.
    pub fn sent(&self, number: usize) -> &[u8] {
        &self.message(number).sent
    }

    /// A check for the answers on one socket.
    pub fn check(&self) -> Check {
        // Longer than any right answer: extra bytes are noticed.
        Check {
            read: vec![0; 2 * self.size + 1024],
            inflate: self.deflate.then(|| Decompress::new(false)),
            text: Vec::with_capacity(2 * self.size + 1024),
        }
    }

    fn message(&self, number: usize) -> &Message {
        &self.list[number % self.list.len()]
    }
}

/// Reads the answers on one socket.
pub struct Check {
    /// Room for a frame.
    pub read: Vec<u8>,
    inflate: Option<Decompress>,
    text: Vec<u8>,
}

impl Check {
    /// Whether so many bytes are a whole frame. Fails if there are more than those of one frame.
    pub fn is_whole(&self, length: usize) -> anyhow::Result<bool> {
        let read = &self.read[..length];
        let end = frames::payload(read).map_or(usize::MAX, |payload| payload.end);
        ensure!(length <= end, "more than an answer: {}", shown(read));
        ensure!(length < self.read.len(), "too long: {}", shown(read));
        Ok(length == end)
    }

    /// Fails if the frame of so many bytes is not the answer to the message with this number.
    pub fn compare(
        &mut self,
        length: usize,
        messages: &Messages,
        number: usize,
    ) -> anyhow::Result<()> {
        let Message { text, answer, .. } = messages.message(number);
        let frame = &self.read[..length];
        let right = match &mut self.inflate {
            None => frame == answer,
            Some(inflate) => {
                ensure!(frames::is_compressed(frame), "not compressed: {frame:?}");
                let payload = frames::payload(frame).unwrap_or_default();
                self.text.clear();
                for input in [&frame[payload], &TRAILER] {
                    add_inflated(inflate, input, &mut self.text)?;
                }
                self.text == *text
            }
        };
        ensure!(right, "wrong: {}", shown(frame));
        Ok(())
    }
}

fn add_inflated(
    inflate: &mut Decompress,
    mut input: &[u8],
    text: &mut Vec<u8>,
) -> anyhow::Result<()> {
    while !input.is_empty() {
        let before = inflate.total_in();
        let status = inflate.decompress_vec(input, text, FlushDecompress::Sync)?;
        let taken = (inflate.total_in() - before) as usize;
        if status != Status::Ok || taken == 0 {
            bail!("not what was compressed: {status:?}");
        }
        input = &input[taken..];
    }
    Ok(())
}

fn compressed(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut compress = Compress::new(Compression::default(), false);
    let mut compressed = Vec::with_capacity(2 * text.len() + 64);
    compress.compress_vec(text, &mut compressed, FlushCompress::Sync)?;
    ensure!(compressed.ends_with(&TRAILER), "there was no room");
    compressed.truncate(compressed.len() - TRAILER.len());
    Ok(compressed)
}

/// JSON as applications send it: the names repeat, the values do not.
fn text(length: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "harbour", "lantern", "mill", "orchard", "quarry", "ridge", "signal", "tunnel", "valley",
        "wharf", "yard", "bridge",
    ];
    // Marsaglia's xorshift: always the same numbers.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |most: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % most
    };
    let mut text = Vec::new();
    while text.len() < length {
        let [one, other] = [(); 2].map(|()| WORDS[below(12) as usize]);
        let line = format!(
            "{{\"id\":{},\"from\":\"{one}\",\"to\":\"{other}\",\"price\":{}.{:02},\"stocked\":{}}},",
            below(1_000_000),
            below(500),
            below(100),
            below(2) == 0
        );
        text.extend(line.into_bytes());
    }
    text.truncate(length);
    text
}
