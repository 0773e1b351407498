//! A text as it came: bytes that were checked once.

use bytes::Bytes;

/// Bytes that are UTF-8. A clone shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utf8(Bytes);

impl Utf8 {
    /// What the library hands out as a text, which it has checked (RFC 6455, section 8.1).
    pub(super) fn received(bytes: Bytes) -> Self {
        debug_assert!(std::str::from_utf8(&bytes).is_ok(), "no UTF-8");
        Self(bytes)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// It is not checked a second time, which would take as long as to copy it.
    #[allow(
        unsafe_code,
        reason = "nothing else makes a text of bytes that were checked"
    )]
    pub fn into_string(self) -> String {
        // SAFETY: there are only two ways to make one, from a text, and from bytes that the library has checked.
        unsafe { String::from_utf8_unchecked(self.0.into()) }
    }
}

impl From<String> for Utf8 {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_what_it_was() {
        for text in ["", "a", "\u{fc}\u{1f600}"] {
            let text = text.to_owned();
            let utf8 = Utf8::from(text.clone());
            assert_eq!(utf8.len(), text.len());
            assert_eq!(utf8.clone().into_bytes(), text);
            assert_eq!(utf8.into_string(), text);
        }
    }
}
