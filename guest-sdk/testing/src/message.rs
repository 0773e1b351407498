//! A message of a WebSocket, as a test writes and reads it. Knows no frame.

use serde_json::Value;

/// A message of a [`WebSocket`](crate::WebSocket): text or bytes, as Tornado has `str` and `bytes`. `into` makes one of
/// either.
///
/// ```
/// use waterspout_test::{Message, json};
///
/// assert_eq!(Message::from("rain").text(), "rain");
/// assert_eq!(Message::from(vec![1, 2]).bytes(), [1, 2]);
/// assert_eq!(Message::from(r#"{"a": 1}"#).json(), json!({ "a": 1 }));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// The text.
    ///
    /// # Panics
    ///
    /// Where it is a message of bytes.
    #[track_caller]
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Binary(_) => panic!("the message is no text: {self:?}"),
        }
    }

    /// The bytes of either kind.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The message as JSON: Tornado's `json_decode(message)`.
    ///
    /// # Panics
    ///
    /// Where it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.bytes())
            .unwrap_or_else(|error| panic!("the message is no JSON: {error}: {self:?}"))
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Message {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(bytes.to_owned())
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}
