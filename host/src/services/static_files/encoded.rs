//! Whether a file is another one in a content coding: it is decoded, and the hashes are compared. So one that was left
//! over from another version is never sent.

use std::io::{self, Read};

use bytes::Buf;
use http::HeaderValue;

use super::file::{StaticFile, hash_reader};

/// The ends of the names of such files, the best coding first.
pub const ENCODED: [&str; 3] = ["zst", "br", "gz"];

/// The largest window of zstd that a client has to have (RFC 9659), as a power of two.
const ZSTD_WINDOW: u32 = 23;

/// The buffer of the decoder for brotli, in bytes.
const BUFFER: usize = 4096;

/// Whether a file, in the coding of this number in `ENCODED`, has the bytes of `plain`. Only one that is kept in memory
/// is sent in place of another.
pub fn is_same(coding: usize, encoded: &StaticFile, plain: &StaticFile) -> bool {
    let (Some(wanted), Some(content)) = (plain.etag(), &encoded.content) else {
        return false;
    };
    let decoded = decoded_hash(content.clone().reader(), coding, plain.size());
    decoded.is_ok_and(|hash| hash.as_ref() == Some(wanted))
}

fn decoded_hash(reader: impl Read, coding: usize, most: u64) -> io::Result<Option<HeaderValue>> {
    match ENCODED[coding] {
        "zst" => {
            let mut decoder = zstd::stream::read::Decoder::new(reader)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            hash_reader(decoder, most)
        }
        "br" => hash_reader(brotli::Decompressor::new(reader, BUFFER), most),
        _ => hash_reader(flate2::read::MultiGzDecoder::new(reader), most),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_can_not_be_decoded_is_not_the_same() {
        for coding in 0..ENCODED.len() {
            for bytes in [
                &b""[..],
                b"not encoded",
                &[0x1f, 0x8b, 8],
                &[0x28, 0xb5, 0x2f, 0xfd],
            ] {
                let hash = decoded_hash(Bytes::from_static(bytes).reader(), coding, 100);
                let plain = hash_reader(&b"plain"[..], 100).unwrap();
                assert_ne!(hash.unwrap_or_default(), plain);
            }
        }
    }
}
