//! The right answer of one server: learned once and checked, then compared byte by byte. Only its dates may change.

use std::io::{Read, Write};
use std::net;
use std::ops::Range;

use anyhow::{Context, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The answer to a request.
pub struct Answer {
    bytes: Vec<u8>,
    /// The places of the dates, in order.
    dates: Vec<Range<usize>>,
}

impl Answer {
    /// Asks once, on a connection that stays open, and checks status and body of the answer.
    pub fn learn(
        stream: &mut net::TcpStream,
        request: &[u8],
        check: impl FnOnce(&str, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let more = stream.read(&mut buffer)?;
            bytes.extend_from_slice(&buffer[..more]);
            ensure!(more > 0, "closed by the server after {}", shown(&bytes));
            if Layout::of(&bytes)?.is_some_and(|layout| bytes.len() >= layout.end()) {
                return Self::of(bytes, check);
            }
        }
    }

    /// Learns a complete answer in the form of HTTP/1, and checks status and body.
    pub fn of(
        bytes: Vec<u8>,
        check: impl FnOnce(&str, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let text = || format!("no whole head in {}", shown(&bytes));
        let layout = Layout::of(&bytes)?.with_context(text)?;
        check(&layout.status, &bytes[layout.body..])?;
        let dates = [Some(layout.date), gzip_date(&bytes, layout.body)];
        Ok(Self {
            dates: dates.into_iter().flatten().collect(),
            bytes,
        })
    }

    /// Its number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Fails if this is another answer.
    pub fn compare(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut same = bytes.len() == self.bytes.len();
        let mut begin = 0;
        for date in &self.dates {
            same = same && bytes[begin..date.start] == self.bytes[begin..date.start];
            begin = date.end;
        }
        same = same && bytes[begin..] == self.bytes[begin..];
        ensure!(same, "wrong: {}", shown(bytes));
        Ok(())
    }

    /// Reads the answer into `buffer`, which must be longer than it, so that extra bytes are noticed.
    pub async fn read(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
        let mut read = 0;
        while read < self.len() {
            let more = stream.read(&mut buffer[read..]).await?;
            ensure!(more > 0, "closed by the server");
            read += more;
        }
        self.compare(&buffer[..read])
    }

    /// The answer without its dates.
    pub fn undated(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for date in &self.dates {
            bytes[date.clone()].fill(b'.');
        }
        bytes
    }
}

/// The beginning of an answer, for error messages.
pub fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 1500;
    let begin = &bytes[..bytes.len().min(MOST)];
    let rest = if bytes.len() > MOST { "…" } else { "" };
    format!("{:?}{rest}", String::from_utf8_lossy(begin))
}

/// The place of the compression time in a gzip body (RFC 1952, section 2.3). Python's bodies have it.
fn gzip_date(bytes: &[u8], body: usize) -> Option<Range<usize>> {
    const MAGIC: &[u8] = b"\x1f\x8b\x08";
    const DATE: Range<usize> = 4..8;
    let date = body + DATE.start..body + DATE.end;
    (bytes[body..].starts_with(MAGIC) && bytes.len() >= date.end).then_some(date)
}

/// The parts of an answer.
struct Layout {
    status: String,
    date: Range<usize>,
    body: usize,
    length: usize,
}

impl Layout {
    /// `None` until the head has come.
    fn of(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        const DATE: &str = "\r\ndate: ";
        const DATE_LENGTH: usize = "Tue, 15 Nov 1994 08:12:31 GMT".len();
        const END: &[u8] = b"\r\n\r\n";
        const LENGTH: &str = "\r\ncontent-length: ";
        let Some(end) = bytes.windows(END.len()).position(|window| window == END) else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes[..end + 2]);
        // Names of headers in any case; the rest keeps its place.
        let head = text.to_ascii_lowercase();
        let value = |name: &str| head.find(name).map(|at| at + name.len());
        let length = value(LENGTH).with_context(|| format!("no length in {text:?}"))?;
        let length = head[length..].split("\r\n").next().unwrap_or_default();
        let date = value(DATE).with_context(|| format!("no date in {text:?}"))?;
        Ok(Some(Self {
            status: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            date: date..date + DATE_LENGTH,
            body: end + END.len(),
            length: length.parse()?,
        }))
    }

    fn end(&self) -> usize {
        self.body + self.length
    }
}
