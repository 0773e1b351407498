//! The right answer of one server: learned once and checked, then compared byte by byte. Only its date may change.

use std::io::{Read, Write};
use std::net;
use std::ops::Range;

use anyhow::{Context, ensure};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What has to come for each request.
pub struct Answer {
    bytes: Vec<u8>,
    date: Range<usize>,
}

impl Answer {
    /// Asks once, on a connection that stays open, and has status and body of what comes checked.
    pub fn learn(
        stream: &mut net::TcpStream,
        request: &[u8],
        check: impl FnOnce(&str, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        const DATE: &str = "\r\ndate: ";
        const DATE_LENGTH: usize = "Tue, 15 Nov 1994 08:12:31 GMT".len();
        const END: &str = "\r\n\r\n";
        const LENGTH: &str = "\r\ncontent-length: ";
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let more = stream.read(&mut buffer)?;
            bytes.extend_from_slice(&buffer[..more]);
            let text = String::from_utf8_lossy(&bytes);
            ensure!(more > 0, "closed by the server after {text:?}");
            let Some(end) = text.find(END) else { continue };
            // Names in any case; what follows them keeps its place.
            let head = text[..end + 2].to_ascii_lowercase();
            let value = |name: &str| head.find(name).map(|at| at + name.len());
            let length = value(LENGTH).with_context(|| format!("no length in {text:?}"))?;
            let length = head[length..].split("\r\n").next().unwrap_or_default();
            let body = end + END.len();
            if bytes.len() < body + length.parse::<usize>()? {
                continue;
            }
            let date = value(DATE).with_context(|| format!("no date in {text:?}"))?;
            let status = head.split(' ').nth(1).unwrap_or_default();
            check(status, &bytes[body..])?;
            let date = date..date + DATE_LENGTH;
            return Ok(Self { bytes, date });
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether this is it.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let Range { start, end } = self.date;
        bytes.len() == self.bytes.len()
            && bytes[..start] == self.bytes[..start]
            && bytes[end..] == self.bytes[end..]
    }

    /// Reads what has to come now into `buffer`, which has to be longer than it, so that more is seen.
    pub async fn read(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<()> {
        let mut read = 0;
        while read < self.len() {
            let more = stream.read(&mut buffer[read..]).await?;
            ensure!(more > 0, "closed by the server");
            read += more;
        }
        ensure!(
            self.is(&buffer[..read]),
            "wrong: {:?}",
            String::from_utf8_lossy(&buffer[..read])
        );
        Ok(())
    }

    /// With the date blotted out.
    pub fn text(&self) -> String {
        let mut bytes = self.bytes.clone();
        bytes[self.date.clone()].fill(b'.');
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
