//! `decompress_request`: decompresses a body that was sent with `Content-Encoding: gzip`, and no more of it than a
//! body may have.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::{BodyError, Source};

/// How many bytes are decompressed in one step. Deflate makes up to 1,032 of each, and these are in memory before
/// there is room for them.
const AT_ONCE: usize = 64;

/// The decompressed body. A gzip file may have several members one after the other (RFC 1952, section 2.2), or none.
pub struct Gunzip<B> {
    body: Pin<Box<B>>,
    /// What has come and was not decompressed yet.
    compressed: Bytes,
    /// `None` after its end.
    decoder: Option<MultiGzDecoder<Piece>>,
    /// They come after all that is in the decoder.
    trailers: Option<Box<HeaderMap>>,
    is_empty: bool,
}

impl<B> Gunzip<B> {
    /// Ends with an error past `max_size` bytes, however few were sent.
    pub fn new(body: B, max_size: u64) -> Self {
        let piece = Piece {
            bytes: Vec::new(),
            given: 0,
            max_size: usize::try_from(max_size).unwrap_or(usize::MAX),
            overflown: false,
        };
        Self {
            body: Box::pin(body),
            compressed: Bytes::new(),
            decoder: Some(MultiGzDecoder::new(piece)),
            trailers: None,
            is_empty: true,
        }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError>> Body for Gunzip<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        while let Some(decoder) = &mut this.decoder {
            let mut done = Ok(());
            while done.is_ok() && !this.compressed.is_empty() && !decoder.get_ref().is_enough() {
                let next = this.compressed.len().min(AT_ONCE);
                done = decoder.write_all(&this.compressed.split_to(next));
            }
            if done.is_err() {
                let why = why(decoder.get_ref());
                this.decoder = None;
                return Poll::Ready(Some(Err(why)));
            }
            let piece = std::mem::take(&mut decoder.get_mut().bytes);
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
            }
            match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Err(error)) => {
                    this.decoder = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.is_empty &= data.is_empty();
                        this.compressed = data;
                    }
                    Err(frame) => this.trailers = frame.into_trailers().ok().map(Box::new),
                },
                None if this.is_empty => break,
                None => {
                    let finished = decoder.try_finish();
                    let piece = std::mem::take(&mut decoder.get_mut().bytes);
                    let why = why(decoder.get_ref());
                    this.decoder = None;
                    return Poll::Ready(match finished {
                        Err(_) => Some(Err(why)),
                        Ok(()) if piece.is_empty() => break,
                        Ok(()) => Some(Ok(Frame::data(piece.into()))),
                    });
                }
            }
        }
        let trailers = this.trailers.take();
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(*trailers))))
    }
}

impl<B: Source> Source for Gunzip<B> {
    /// Of the decompressed bytes, and of the sent ones, too.
    fn set_max_size(&mut self, max_size: u64) {
        if let Some(decoder) = &mut self.decoder {
            decoder.get_mut().max_size = usize::try_from(max_size).unwrap_or(usize::MAX);
        }
        self.body.set_max_size(max_size);
    }

    fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.body.set_timeout(timeout);
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.body.poll_late(cx)
    }
}

fn why(piece: &Piece) -> BodyError {
    match piece.overflown {
        true => BodyError::TooLarge,
        false => BodyError::Malformed,
    }
}

/// What was decompressed and not passed on yet.
struct Piece {
    bytes: Vec<u8>,
    /// How many bytes were decompressed, and how many may be.
    given: usize,
    max_size: usize,
    overflown: bool,
}

impl Piece {
    /// Whether there is enough to be passed on.
    fn is_enough(&self) -> bool {
        const ENOUGH: usize = 32 * 1024;
        self.bytes.len() >= ENOUGH
    }
}

impl Write for Piece {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.max_size.saturating_sub(self.given) {
            self.overflown = true;
            return Err(io::Error::other("more than a body may have"));
        }
        self.given += bytes.len();
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    /// What these bytes decompress to, sent in pieces of that size.
    fn unzipped(sent: &[u8], size: usize, max_size: u64) -> Result<Bytes, BodyError> {
        let pieces: VecDeque<_> = sent.chunks(size).map(Bytes::copy_from_slice).collect();
        let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let collected = Gunzip::new(body, max_size).collect();
        let collected = futures_util::FutureExt::now_or_never(collected).unwrap();
        collected.map(|collected| collected.to_bytes())
    }

    #[test]
    fn what_was_compressed_comes_out_whole_whatever_the_pieces() {
        let body = b"again and again ".repeat(1000);
        for size in [1, 7, 100_000] {
            let all = body.len() as u64;
            assert_eq!(unzipped(&gzip(&body), size, all).unwrap(), body, "{size}");
            let less = unzipped(&gzip(&body), size, all - 1);
            assert_eq!(less.unwrap_err(), BodyError::TooLarge, "{size}");
        }
        assert_eq!(unzipped(&gzip(b""), 3, 0).unwrap(), Bytes::new());
        assert_eq!(unzipped(b"", 3, 0).unwrap(), Bytes::new());
    }

    #[test]
    fn all_members_of_a_gzip_count_and_what_is_none_is_malformed() {
        let two = [gzip(b"one, "), gzip(b""), gzip(b"two")].concat();
        for size in [1, 7, 1000] {
            assert_eq!(unzipped(&two, size, 8).unwrap(), "one, two", "{size}");
            assert_eq!(unzipped(&two, size, 7).unwrap_err(), BodyError::TooLarge);
            for more in ["\0", "more", "\u{1f}"] {
                let sent = [&two, more.as_bytes()].concat();
                let end = unzipped(&sent, size, 100).unwrap_err();
                assert_eq!(end, BodyError::Malformed, "{more:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_cut_or_no_gzip_is_malformed() {
        let whole = gzip(b"text");
        for sent in [&whole[..whole.len() - 1], b"text", b"\0"] {
            assert_eq!(unzipped(sent, 5, 100).unwrap_err(), BodyError::Malformed);
        }
    }
}
