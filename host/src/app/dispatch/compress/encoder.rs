//! Compresses a body while it is made, as Tornado's `GZipContentEncoding` does. Each piece is complete for the client,
//! which does not wait for more. Decides nothing.

use std::io::{self, Write};

use super::Coding;

/// The window of a stream's encoder, as a power of two. Thousands of streams may exist, and each has its own encoder.
const WINDOW: u32 = 17;

/// The encoder of one body.
pub enum Encoder {
    Zstd(Box<zstd::Encoder<'static, Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> io::Result<Self> {
        /// Brotli's level. Higher levels cost more time than they save on most networks.
        const QUALITY: u32 = 4;
        const BUFFER: usize = 4096;
        let out = Vec::new();
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(WINDOW))?;
                Self::Zstd(Box::new(encoder))
            }
            Coding::Brotli => {
                let encoder = brotli::CompressorWriter::new(out, BUFFER, QUALITY, WINDOW);
                Self::Brotli(Box::new(encoder))
            }
            Coding::Gzip => {
                let level = flate2::Compression::default();
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(out, level)))
            }
        })
    }

    /// Compresses a piece completely.
    pub fn piece(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let writer: &mut dyn Write = match self {
            Self::Zstd(encoder) => encoder,
            Self::Brotli(encoder) => encoder,
            Self::Gzip(encoder) => encoder,
        };
        writer.write_all(piece)?;
        writer.flush()?;
        Ok(std::mem::take(match self {
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        }))
    }

    /// The bytes after the last piece.
    pub fn end(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// What a client can decode of the bytes that it has so far.
    fn decoded(coding: Coding, bytes: &[u8], length: usize) -> Vec<u8> {
        let mut decoder: Box<dyn Read + '_> = match coding {
            Coding::Zstd => Box::new(zstd::Decoder::new(bytes).unwrap()),
            Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        };
        let mut text = vec![0; length];
        decoder.read_exact(&mut text).unwrap();
        text
    }

    #[test]
    fn each_piece_can_be_read_before_the_next_is_there() {
        for coding in Coding::ALL {
            let mut encoder = Encoder::new(coding).unwrap();
            let (mut text, mut sent) = (Vec::new(), Vec::new());
            for piece in [&b"one"[..], b"", &b"two ".repeat(100_000), b"three"] {
                text.extend_from_slice(piece);
                sent.extend(encoder.piece(piece).unwrap());
                assert_eq!(decoded(coding, &sent, text.len()), text, "{coding:?}");
            }
            sent.extend(encoder.end().unwrap());
            assert_eq!(decoded(coding, &sent, text.len()), text, "{coding:?}");
        }
    }
}
