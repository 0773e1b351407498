//! Where the messages of a connection begin and end, found in the bytes themselves before hyper sees them: hyper drops
//! a length beside a coding, and is not strict within chunks. Nothing behind a breach of the rules is let through.
//! Pure, and never judges what a request asks for.

mod chunked;

use http::StatusCode;
use memchr::memchr;

use self::chunked::Chunks;
use crate::edge::connection::Refusal;

/// The longest line that says how a body is framed. Of other lines, no more is kept.
const MAX_FIELD: usize = 256;

/// Follows one connection: a head, the body that it announces, and the next head.
#[derive(Debug)]
pub(super) struct Framing {
    at: At,
    /// The beginning of a line that is not complete.
    line: Vec<u8>,
    /// The bytes of that line.
    line_length: usize,
    /// The longest request line, with its line end.
    max_line: usize,
    /// Complete heads.
    heads: u64,
    /// What the head says of its body so far.
    length: Option<u64>,
    is_chunked: bool,
    /// Some of the body behind it has come.
    body_began: bool,
    breach: Option<Breach>,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum At {
    /// To a message of which nothing has come.
    Start,
    /// To blank lines before a request line, or to that line.
    RequestLine,
    Fields,
    /// To a body of which this many bytes are to come.
    Length(u64),
    Chunks(Chunks),
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    LongLine,
    Fragment,
    BadLength,
    LongLength,
    TwoLengths,
    BadCoding,
    LengthAndCoding,
    /// In its body, not in its head.
    Body,
}

impl Breach {
    /// The refusal of a head with this breach.
    pub(super) fn refusal(self) -> Refusal {
        let status = match self {
            Self::LongLine => StatusCode::URI_TOO_LONG,
            Self::LongLength => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        let why = match self {
            Self::LongLine => "the request line is longer than `max_header_size`",
            Self::Fragment => "a `#` in the request line",
            Self::BadLength => "`Content-Length` is not a number",
            Self::LongLength => "`Content-Length` is past all limits",
            Self::TwoLengths => "two different `Content-Length`",
            Self::BadCoding => "`Transfer-Encoding` is not `chunked`, said once",
            Self::LengthAndCoding => "`Content-Length` beside `Transfer-Encoding`",
            Self::Body => "a chunk or a trailer of the body is malformed",
        };
        Refusal {
            status,
            why: why.into(),
        }
    }
}

impl Framing {
    pub(super) fn new(max_line: usize) -> Self {
        Self {
            at: At::Start,
            line: Vec::new(),
            line_length: 0,
            max_line,
            heads: 0,
            length: None,
            is_chunked: false,
            body_began: false,
            breach: None,
        }
    }

    /// Follows these bytes, and returns how many of them are valid. If that is not all, there is a breach, and nothing
    /// more is followed.
    pub(super) fn read(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.breach.is_none() {
            let rest = &bytes[at..];
            let taken = match &mut self.at {
                At::Start | At::RequestLine | At::Fields => self.head(rest),
                At::Length(left) => {
                    self.body_began = true;
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    if *left == 0 {
                        self.at = At::Start;
                    }
                    Ok(taken)
                }
                At::Chunks(chunks) => {
                    self.body_began = true;
                    let taken = chunks.read(rest);
                    if chunks.is_broken() {
                        self.breach = Some(Breach::Body);
                    } else if chunks.is_over() {
                        self.at = At::Start;
                    }
                    Ok(taken)
                }
            };
            match taken {
                Ok(taken) => at += taken,
                Err(breach) => self.breach = Some(breach),
            }
        }
        at
    }

    /// Whether a request has begun and its head is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.at, At::RequestLine | At::Fields)
    }

    /// Complete heads.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// How much is to come of the body behind the latest of them. The largest number means: unknown.
    pub(super) fn to_come(&self) -> u64 {
        match self.at {
            At::Start | At::RequestLine | At::Fields => 0,
            At::Length(left) => left,
            At::Chunks(_) => u64::MAX,
        }
    }

    /// Whether some of that body has come.
    pub(super) fn body_began(&self) -> bool {
        self.body_began
    }

    /// The breach in the message of the latest bytes.
    pub(super) fn breach(&self) -> Option<Breach> {
        self.breach
    }

    /// Takes a line of a head, or the part of one that is here.
    fn head(&mut self, bytes: &[u8]) -> Result<usize, Breach> {
        let end = memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let is_request_line = !matches!(self.at, At::Fields);
        if is_request_line {
            self.at = At::RequestLine;
            if self.line_length + part.len() >= self.max_line {
                return Err(Breach::LongLine);
            }
            if memchr(b'#', part).is_some() {
                return Err(Breach::Fragment);
            }
        }
        if end.is_some() && self.line_length == 0 {
            self.whole_line(part)?;
        } else {
            self.line_length += part.len();
            let room = MAX_FIELD - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if end.is_some() {
                let mut line = std::mem::take(&mut self.line);
                self.line_length = 0;
                self.whole_line(&line)?;
                line.clear();
                self.line = line;
            }
        }
        Ok(part.len() + usize::from(end.is_some()))
    }

    /// Handles a line without its line end. Of a long field it is only the beginning.
    fn whole_line(&mut self, line: &[u8]) -> Result<(), Breach> {
        let is_blank = matches!(line, b"" | b"\r");
        match self.at {
            At::Fields if is_blank => self.end_head(),
            At::Fields => self.field(line)?,
            _ if is_blank => {}
            _ => self.at = At::Fields,
        }
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Breach> {
        if !matches!(line[0] | 0x20, b'c' | b't') {
            return Ok(());
        }
        // Where there is none, hyper refuses the head.
        let colon = memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            self.declare_length(line, value)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.declare_coding(line, value)
        } else {
            Ok(())
        }
    }

    fn declare_length(&mut self, line: &[u8], value: &[u8]) -> Result<(), Breach> {
        /// The largest valid length. hyper reserves some larger numbers for itself.
        const MAX_LENGTH: u64 = i64::MAX as u64;

        let digits = trimmed(value);
        if self.is_chunked {
            return Err(Breach::LengthAndCoding);
        }
        if line.len() >= MAX_FIELD || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Breach::BadLength);
        }
        let length = digits.iter().try_fold(0_u64, |length, digit| {
            let length = length.checked_mul(10)?;
            length.checked_add(u64::from(digit - b'0'))
        });
        let length = length.filter(|length| *length <= MAX_LENGTH);
        let length = length.ok_or(Breach::LongLength)?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(Breach::TwoLengths),
            _ => Ok(()),
        }
    }

    /// `chunked`, once, is the only coding that is supported.
    fn declare_coding(&mut self, line: &[u8], value: &[u8]) -> Result<(), Breach> {
        if self.length.is_some() {
            return Err(Breach::LengthAndCoding);
        }
        let is_chunked = trimmed(value).eq_ignore_ascii_case(b"chunked");
        if line.len() >= MAX_FIELD || !is_chunked || self.is_chunked {
            return Err(Breach::BadCoding);
        }
        self.is_chunked = true;
        Ok(())
    }

    fn end_head(&mut self) {
        self.heads += 1;
        self.body_began = false;
        let length = self.length.take().unwrap_or_default();
        self.at = match std::mem::take(&mut self.is_chunked) {
            true => At::Chunks(Chunks::default()),
            false if length > 0 => At::Length(length),
            false => At::Start,
        };
    }
}

/// The value of a field behind its colon, as hyper takes it.
fn trimmed(value: &[u8]) -> &[u8] {
    let value = value.strip_prefix(b":").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = value.iter().position(|byte| !is_space(byte));
    let end = value.iter().rposition(|byte| !is_space(byte));
    match (begin, end) {
        (Some(begin), Some(end)) => &value[begin..=end],
        _ => b"",
    }
}

#[cfg(test)]
mod tests;
