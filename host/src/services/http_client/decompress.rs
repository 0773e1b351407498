//! Decompresses a response as it is read, unless the guest has asked for a coding itself. Each piece is decompressed
//! when it is read, so a small body that becomes a large one takes no memory.

use std::future::ready;
use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::Bytes;
use futures_util::future::Either;
use futures_util::{StreamExt, TryFutureExt, TryStreamExt, stream};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyDataStream, BodyExt, StreamBody};
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use super::body::Incoming;
use super::{DECODED, Fault, Received};

/// How much is decompressed in one step.
const PIECE: usize = 16 * 1024;
/// The largest window of zstd, as a power of two: 8 MB, which is what HTTP allows (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;
/// The low seven bits with which no stream of brotli begins (RFC 7932, section 9.1). To the decoder they announce a
/// window of up to 1 GB; others have 16 MB at most.
const BROTLI_LARGE_WINDOW: u8 = 0x11;

/// Asks for codings, unless the guest did. `true`: the response is to be decompressed.
pub fn ask(headers: &mut HeaderMap) -> bool {
    let asks = !headers.contains_key(ACCEPT_ENCODING);
    if asks {
        headers.insert(ACCEPT_ENCODING, DECODED);
    }
    asks
}

/// The response without its coding, if it has one that was asked for.
pub fn response(response: Response<Incoming>) -> Response<Received> {
    let (mut head, body) = response.into_parts();
    let coding = head.headers.get(CONTENT_ENCODING).map(|value| {
        let coding = value.as_bytes().trim_ascii();
        coding.to_ascii_lowercase()
    });
    // Nothing is there to decode; a 304 only describes a body.
    let is_empty =
        body.is_end_stream() || head.headers.get_all(CONTENT_ENCODING).iter().count() > 1;
    let decoded = match coding.as_deref() {
        Some(b"gzip" | b"x-gzip") if !is_empty => Coding::Gzip,
        Some(b"br") if !is_empty => Coding::Brotli,
        Some(b"zstd") if !is_empty => Coding::Zstd,
        _ => return Response::from_parts(head, body.boxed_unsync()),
    };
    head.headers.remove(CONTENT_ENCODING);
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, decoded.off(body))
}

enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// No bytes are an empty body in any coding, as for curl and browsers.
    fn off(self, body: Incoming) -> Received {
        let mut pieces = BodyDataStream::new(body).map_err(io::Error::other);
        let plain = async move {
            let is_full = |piece: &Bytes| ready(!piece.is_empty());
            let Some(first) = (&mut pieces).try_filter(is_full).try_next().await? else {
                return Ok(Either::Left(stream::empty()));
            };
            if matches!(self, Self::Brotli) && has_large_window(&first) {
                let why = "a brotli window larger than HTTP has";
                return Err(io::Error::other(why));
            }
            let coded = StreamReader::new(stream::iter([Ok(first)]).chain(pieces));
            let plain = ReaderStream::with_capacity(self.decoder(coded), PIECE);
            Ok(Either::Right(plain))
        };
        let plain = plain.try_flatten_stream().map_ok(Frame::data);
        StreamBody::new(plain.map_err(fault)).boxed_unsync()
    }

    fn decoder(self, coded: impl AsyncBufRead + Send + 'static) -> Pin<Box<dyn AsyncRead + Send>> {
        match self {
            Self::Gzip => {
                let mut decoder = GzipDecoder::new(coded);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Self::Brotli => Box::pin(BrotliDecoder::new(coded)),
            Self::Zstd => {
                let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
                let mut decoder = ZstdDecoder::with_params(coded, &[window]);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
        }
    }
}

fn has_large_window(begin: &[u8]) -> bool {
    begin
        .first()
        .is_some_and(|first| first & 0x7f == BROTLI_LARGE_WINDOW)
}

fn fault(error: io::Error) -> Fault {
    match error.downcast::<Fault>() {
        Ok(own) => own,
        Err(error) => Fault::Coding(error.to_string()),
    }
}
