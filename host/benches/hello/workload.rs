//! The requests, and the right answers. Knows no server.

use std::io::Read;
use std::sync::LazyLock;

use anyhow::ensure;
use clap::ValueEnum;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::answer::shown;

/// The work that servers are compared at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Workload {
    /// `get` alone, which writes 12 bytes
    Get,
    /// `initialize`, `prepare`, `get` and `on_finish`
    Lifecycle,
    /// 1 KB of JSON is read, parsed and written back
    Json,
    /// 15 headers are sent, and three of them read
    Headers,
    /// A path that no route has
    NotFound,
    /// A form with a file of 10 MB is read whole and taken apart
    Upload,
    /// 20 KB of HTML are compressed
    Compressed,
    /// 1 MB, flushed piece by piece
    Stream,
    /// `get` alone, over TLS and HTTP/2
    TlsH2,
}

/// The three headers that are read, in the order of the answer's lines.
pub const READ: [&str; 3] = ["user-agent", "accept-language", "x-request-id"];

/// About what a browser sends: with `Host` 15.
const HEADERS: [(&str, &str); 14] = [
    ("Connection", "keep-alive"),
    ("Cache-Control", "max-age=0"),
    ("Upgrade-Insecure-Requests", "1"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("Accept-Language", "en-US,en;q=0.7,de;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "http://127.0.0.1/stories"),
    ("Cookie", "session=2f6c1b0e; theme=dark; seen=1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Priority", "u=0, i"),
    ("X-Request-Id", "0190f3c2-7d1e-7b54-9a7e-3f1f5d0c9b11"),
];

/// 1,024 bytes of JSON, as they are read and written back.
pub static JSON: LazyLock<String> = LazyLock::new(|| {
    const SIZE: usize = 1024;
    let line = |number: u64| {
        json!({
            "sku": format!("WS-{number:05}"),
            "name": "Ein Wasserhahn, \"verchromt\"",
            "count": number,
            "price": 19.95,
            "stocked": number.is_multiple_of(2),
        })
    };
    let order = |note: &str| {
        json!({
            "id": 4711,
            "customer": { "name": "Ada Lovelace", "email": "ada@example.com", "since": 1843, "vip": true },
            "lines": (1..=7).map(line).collect::<Vec<_>>(),
            "discount": null,
            "tags": ["new", "paid", "express"],
            "note": note,
        })
        .to_string()
    };
    let padding = SIZE.checked_sub(order("").len()).expect("less than 1 KB");
    order(&"x".repeat(padding))
});

/// What is flushed at a time, and how many times.
pub const PIECE: usize = 65_536;
/// See [`PIECE`].
pub const PIECES: usize = 16;

/// Some 20 KB of HTML, which are compressed.
pub const PAGE: &str = include_str!("../guests/page/page.html");

const BOUNDARY: &str = "----formdata-0190f3c27d1e7b549a7e3f1f5d0c9b11";

/// The bytes of the file in the form. They are like a picture's, so that a search for the boundary has work to do.
const FILE_SIZE: usize = 10_000_000;

/// The form with the file. With all around the file it is still within Waterspout's default limit.
static FORM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut form = format!(
        "--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"title\"\r\n\r\n\
         Holiday\r\n\
         --{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"beach.jpg\"\r\n\
         Content-Type: image/jpeg\r\n\r\n"
    )
    .into_bytes();
    // Marsaglia's xorshift: always the same bytes, and hardly ever twice the same ones in a row.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    form.extend(words.flatten().take(FILE_SIZE));
    form.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
    form
});

impl Workload {
    /// Its name in the options and in the tables.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Its title in a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Get => "GET, 12 bytes",
            Self::Lifecycle => "initialize + prepare + get + on_finish",
            Self::Json => "POST 1 KB of JSON, read and echoed",
            Self::Headers => "15 request headers, three read",
            Self::NotFound => "404: no route, no guest",
            Self::Upload => "POST a form with a file of 10 MB",
            Self::Compressed => "GET 20 KB of HTML, as gzip",
            Self::Stream => "GET 1 MB, flushed in 16 pieces",
            Self::TlsH2 => "GET, 12 bytes, over TLS and HTTP/2",
        }
    }

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Get | Self::TlsH2 => "/",
            Self::Lifecycle => "/lifecycle",
            Self::Json => "/json",
            Self::Headers => "/headers",
            Self::NotFound => "/nowhere",
            Self::Upload => "/upload",
            Self::Compressed => "/page",
            Self::Stream => "/stream",
        }
    }

    /// How many clients there are, if this many are wanted. Large bodies are few at a time: with more, the memory that
    /// they take would be measured, and not the work.
    pub fn connections(self, wanted: usize) -> usize {
        const LARGE: usize = 4;
        match self {
            Self::Upload | Self::Stream => wanted.min(LARGE),
            _ => wanted,
        }
    }

    /// The body of the request, and its type.
    fn body(self) -> Option<(String, &'static [u8])> {
        match self {
            Self::Json => Some(("application/json".to_owned(), JSON.as_bytes())),
            Self::Upload => Some((format!("multipart/form-data; boundary={BOUNDARY}"), &FORM)),
            _ => None,
        }
    }

    /// The headers beside the host and those that the body needs.
    fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Headers => &HEADERS,
            Self::Compressed => &[("Accept-Encoding", "gzip")],
            _ => &[],
        }
    }

    /// The request's bytes.
    pub fn request(self) -> Vec<u8> {
        let (path, body) = (self.path(), self.body());
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        for (name, value) in self.headers() {
            request += &format!("{name}: {value}\r\n");
        }
        if let Some((content_type, body)) = &body {
            let length = body.len();
            request += &format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n");
        }
        request += "\r\n";
        let mut request = request.into_bytes();
        request.extend(body.iter().flat_map(|(_, body)| *body));
        request
    }

    /// Whether this is the right answer.
    pub fn check(self, status: &str, body: &[u8]) -> anyhow::Result<()> {
        let wanted = if self == Self::NotFound { "404" } else { "200" };
        let right = match self {
            Self::Get | Self::Lifecycle | Self::TlsH2 => body == b"Hello, world",
            Self::Json => {
                serde_json::from_slice::<Value>(body)? == serde_json::from_str::<Value>(&JSON)?
            }
            Self::Headers => body == header_lines().as_bytes(),
            Self::NotFound => body == NOT_FOUND.as_bytes(),
            Self::Upload => {
                body == format!("Holiday\nbeach.jpg: image/jpeg, {FILE_SIZE} bytes\n").as_bytes()
            }
            Self::Compressed => {
                let mut page = String::new();
                GzDecoder::new(body).read_to_string(&mut page)?;
                page == PAGE
            }
            Self::Stream => body.len() == PIECE * PIECES && body.iter().all(|byte| *byte == b'x'),
        };
        ensure!(status == wanted && right, "wrong: {status} {}", shown(body));
        Ok(())
    }
}

/// Tornado's page, which is also Waterspout's and the native peer's.
pub const NOT_FOUND: &str = "<html><title>404: Not Found</title><body>404: Not Found</body></html>";

fn header_lines() -> String {
    let value = |name: &str| {
        let found = HEADERS
            .iter()
            .find(|(sent, _)| sent.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    };
    READ.iter()
        .map(|name| format!("{}\n", value(name)))
        .collect()
}
