//! `compress_response`: which bodies are compressed, by Tornado's rules (`GZipContentEncoding`), and in which coding.
//! Bodies in pieces are compressed piece by piece (`encoder`).

mod encoder;

use std::io::{self, Write};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::Reply;

pub use encoder::Encoder;

/// Shorter bodies are not compressed.
const MIN_LENGTH: usize = 1024;
/// Longer bodies are compressed on a thread of their own, so that others do not wait for them.
const MAX_LENGTH_HERE: usize = 64 * 1024;

/// The content codings, the best first, in the order of `static_files::ENCODED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// The coding that the client prefers. Where it prefers several equally, the best of them (RFC 9110, section
    /// 12.5.3).
    pub fn preferred(headers: &HeaderMap) -> Option<Coding> {
        Self::preferred_among(headers, |_| true)
    }

    /// The same among those that are there.
    pub fn preferred_among(
        headers: &HeaderMap,
        is_there: impl Fn(Coding) -> bool,
    ) -> Option<Coding> {
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let accepted: Vec<(&str, f32)> = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(weighed)
            .collect();
        let weight = |coding: Coding| {
            let named = |name: &str| {
                let mut named = accepted.iter();
                named
                    .find_map(|(other, weight)| other.eq_ignore_ascii_case(name).then_some(*weight))
            };
            named(coding.name()).or_else(|| named("*")).unwrap_or(0.0)
        };
        let mut best = None;
        let mut heaviest = 0.0;
        for coding in Coding::ALL.into_iter().filter(|coding| is_there(*coding)) {
            if weight(coding) > heaviest {
                heaviest = weight(coding);
                best = Some(coding);
            }
        }
        best
    }

    pub fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    fn encode(self, body: &[u8]) -> io::Result<Vec<u8>> {
        /// The defaults of their own command line tools. Brotli's default is meant for files, so it is lower here.
        const BROTLI_QUALITY: u32 = 5;
        const BROTLI_WINDOW: u32 = 22;
        match self {
            Coding::Zstd => zstd::encode_all(body, zstd::DEFAULT_COMPRESSION_LEVEL),
            Coding::Brotli => {
                let out = Vec::new();
                let mut encoder =
                    brotli::CompressorWriter::new(out, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
                encoder.write_all(body)?;
                encoder.flush()?;
                Ok(encoder.into_inner())
            }
            Coding::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(body)?;
                encoder.finish()
            }
        }
    }
}

/// Compresses the body where that is useful. Also says with `Vary` that the answer depends on `Accept-Encoding`.
pub async fn compress(response: &mut Response<Reply>, coding: Option<Coding>) {
    let headers = response.headers_mut();
    let varies = HeaderValue::from_static("Accept-Encoding");
    // A static file that is there in other codings says so already.
    if headers.get(header::VARY) != Some(&varies) {
        headers.append(header::VARY, varies);
    }
    let Some(coding) = coding.filter(|_| is_worth_it(response)) else {
        return;
    };
    let Some(body) = response.body().bytes().cloned() else {
        compress_pieces(response, coding);
        return;
    };
    let encoded = match body.len() {
        ..=MAX_LENGTH_HERE => coding.encode(&body),
        _ => tokio::task::spawn_blocking(move || coding.encode(&body))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error))),
    };
    match encoded {
        Ok(encoded) => {
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_ENCODING,
                HeaderValue::from_static(coding.name()),
            );
            response.body_mut().replace(Bytes::from(encoded));
        }
        // It is sent uncompressed.
        Err(error) => tracing::error!(target: "general", "a body can't be compressed: {error}"),
    }
}

/// The same for a body that is yet to come.
fn compress_pieces(response: &mut Response<Reply>, coding: Coding) {
    match Encoder::new(coding) {
        Ok(encoder) => {
            let headers = response.headers_mut();
            headers.insert(
                header::CONTENT_ENCODING,
                HeaderValue::from_static(coding.name()),
            );
            // The compressed length is not known.
            headers.remove(header::CONTENT_LENGTH);
            response.body_mut().encode(encoder);
        }
        Err(error) => tracing::error!(target: "general", "a body can't be compressed: {error}"),
    }
}

/// Whether a body is worth compressing, by its type and length. The length of a body in pieces is not known. A part of a
/// file is never compressed: its place is counted in the bytes of the whole. Nor is a file that is too large to be kept.
fn is_worth_it(response: &Response<Reply>) -> bool {
    if response.status() == StatusCode::PARTIAL_CONTENT || response.body().is_file() {
        return false;
    }
    let headers = response.headers();
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.and_then(|value| value.split(';').next());
    let body = response.body().bytes();
    body.is_none_or(|body| body.len() >= MIN_LENGTH)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && content_type.is_some_and(|value| is_compressible(value.trim()))
}

fn is_compressible(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || matches!(
            content_type,
            "application/javascript"
                | "application/x-javascript"
                | "application/xml"
                | "application/atom+xml"
                | "application/json"
                | "application/xhtml+xml"
                | "image/svg+xml"
        )
}

/// `gzip;q=0.5`: a coding and its weight.
fn weighed(entry: &str) -> (&str, f32) {
    let mut parts = entry.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    let weight = weight.map_or(Some(1.0), |weight| weight.parse().ok());
    (name, weight.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(accepted: &'static str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        Coding::preferred(&headers)
    }

    #[test]
    fn the_client_decides_and_of_equals_we_do() {
        assert_eq!(preferred("gzip, deflate, br, zstd"), Some(Coding::Zstd));
        assert_eq!(preferred("gzip, deflate, br"), Some(Coding::Brotli));
        assert_eq!(preferred("gzip;q=1.0, br;q=0.5"), Some(Coding::Gzip));
        assert_eq!(preferred("GZIP"), Some(Coding::Gzip));
        assert_eq!(preferred("*"), Some(Coding::Zstd));
        assert_eq!(
            preferred("*;q=0.1, gzip;q=0.2, zstd;q=0"),
            Some(Coding::Gzip)
        );
        for none in ["", "identity", "gzip;q=0", "gzip;q=much", "deflate"] {
            assert_eq!(preferred(none), None, "{none}");
        }
        assert_eq!(Coding::preferred(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_encoded_can_be_decoded() {
        let body = b"again and again and again".repeat(100);
        let gzip = Coding::Gzip.encode(&body).unwrap();
        let mut decoded = Vec::new();
        io::copy(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut decoded).unwrap();
        assert_eq!(decoded, body);
        let zstd = Coding::Zstd.encode(&body).unwrap();
        assert_eq!(zstd::decode_all(&zstd[..]).unwrap(), body);
        let brotli = Coding::Brotli.encode(&body).unwrap();
        let mut decoded = Vec::new();
        io::copy(
            &mut brotli::Decompressor::new(&brotli[..], 4096),
            &mut decoded,
        )
        .unwrap();
        assert_eq!(decoded, body);
    }
}
