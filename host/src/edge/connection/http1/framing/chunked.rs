//! A body in chunks, read byte by byte, as strictly as RFC 9112, section 7.1, has it. Keeps nothing of what it reads.

/// The most digits of a size: all that fit into 64 bits.
const MAX_DIGITS: u8 = 16;

/// Follows one body in chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    step: Step,
    /// The bytes of a chunk that are to come.
    size: u64,
    digits: u8,
}

/// What may come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Size,
    /// Blanks behind a size or a quoted value: an extension has to follow them.
    Blanks,
    /// The name of an extension, or blanks before it.
    NameStart,
    Name,
    /// Blanks behind a name: a value or an extension has to follow them.
    NameBlanks,
    /// The value of an extension, or blanks before it.
    ValueStart,
    Value,
    Quoted,
    /// Behind a backslash.
    Escaped,
    /// Behind a quoted value.
    QuotedEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// A trailer, or the end of all.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Over,
    Broken,
}

impl Chunks {
    /// Follows these bytes up to the end of the body or to a breach. Returns how many are valid.
    pub(super) fn read(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if self.step == Step::Data {
                let left = bytes.len() - at;
                let taken = left.min(usize::try_from(self.size).unwrap_or(usize::MAX));
                self.size -= taken as u64;
                at += taken;
                if self.size == 0 {
                    self.step = Step::DataCr;
                }
                continue;
            }
            self.step = self.next(bytes[at]);
            match self.step {
                Step::Broken => break,
                Step::Over => return at + 1,
                _ => at += 1,
            }
        }
        at
    }

    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    pub(super) fn is_broken(&self) -> bool {
        self.step == Step::Broken
    }

    fn next(&mut self, byte: u8) -> Step {
        match (self.step, byte) {
            (Step::Size, byte) if byte.is_ascii_hexdigit() => self.digit(byte),
            (Step::Size, _) if self.digits == 0 => Step::Broken,
            (Step::Size | Step::Blanks | Step::QuotedEnd, b' ' | b'\t') => Step::Blanks,
            (Step::Size | Step::QuotedEnd | Step::Name | Step::Value, b'\r') => Step::SizeLf,
            (
                Step::Size
                | Step::Blanks
                | Step::Name
                | Step::NameBlanks
                | Step::Value
                | Step::QuotedEnd,
                b';',
            ) => Step::NameStart,
            (Step::NameStart, b' ' | b'\t') => Step::NameStart,
            (Step::NameStart | Step::Name, byte) if is_token(byte) => Step::Name,
            (Step::Name | Step::NameBlanks, b'=') => Step::ValueStart,
            (Step::Name | Step::NameBlanks, b' ' | b'\t') => Step::NameBlanks,
            (Step::ValueStart, b' ' | b'\t') => Step::ValueStart,
            (Step::ValueStart, b'"') => Step::Quoted,
            (Step::ValueStart | Step::Value, byte) if is_token(byte) => Step::Value,
            (Step::Value, b' ' | b'\t') => Step::Blanks,
            (Step::Quoted, b'"') => Step::QuotedEnd,
            (Step::Quoted, b'\\') => Step::Escaped,
            (Step::Quoted | Step::Escaped, byte) if is_text(byte) => Step::Quoted,
            (Step::SizeLf, b'\n') => {
                self.digits = 0;
                match self.size {
                    0 => Step::Trailer,
                    _ => Step::Data,
                }
            }
            (Step::DataCr, b'\r') => Step::DataLf,
            (Step::DataLf, b'\n') => Step::Size,
            (Step::Trailer, b'\r') => Step::LastLf,
            (Step::Trailer | Step::TrailerName, byte) if is_token(byte) => Step::TrailerName,
            (Step::TrailerName, b':') => Step::TrailerValue,
            (Step::TrailerValue, b'\r') => Step::TrailerLf,
            (Step::TrailerValue, byte) if is_text(byte) => Step::TrailerValue,
            (Step::TrailerLf, b'\n') => Step::Trailer,
            (Step::LastLf, b'\n') => Step::Over,
            _ => Step::Broken,
        }
    }

    fn digit(&mut self, byte: u8) -> Step {
        if self.digits == MAX_DIGITS {
            return Step::Broken;
        }
        let digit = (byte as char).to_digit(16).unwrap_or_default();
        self.size = self.size << 4 | u64::from(digit);
        self.digits += 1;
        Step::Size
    }
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What the value of a field or of a quoted string may contain: all except control characters.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
