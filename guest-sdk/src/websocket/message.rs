//! A message of a socket, whole.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::result::Result;
use crate::runtime::bindings::waterspout::sockets::sockets as host;

/// A message of a WebSocket, as a client sends it and gets it. What Tornado has as `str` and `bytes`.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # #[derive(Default)] struct Echo;
/// #[handler]
/// impl WebSocketHandler for Echo {
///     async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
///         let answer = match message {
///             Message::Text(text) => Message::from(format!("You said: {text}")),
///             binary => binary,
///         };
///         cx.socket().write_message(answer).await?;
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Message {
    /// A value as JSON, which is text. Tornado's `write_message` makes it of a dict. An error where it has no JSON.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # use std::collections::BTreeMap;
    /// # fn main() -> Result {
    /// let message = Message::of_json(&BTreeMap::from([("temperature", 21)]))?;
    /// assert_eq!(message.text(), Some(r#"{"temperature":21}"#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn of_json(value: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_string(value).context("a message as JSON")?;
        Ok(Self::Text(json))
    }

    /// Its text; `None` where it is binary.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The value whose JSON it is, sent as text or as bytes.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.data()).context("a message as JSON")
    }

    /// Its bytes; those of a text are its UTF-8.
    pub fn data(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// Its bytes, to be kept.
    pub fn into_data(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(data) => data,
        }
    }

    pub(crate) fn from_host(message: host::Message) -> Self {
        match message {
            host::Message::Text(text) => Self::Text(text),
            host::Message::Binary(data) => Self::Binary(data),
        }
    }

    pub(super) fn into_host(self) -> host::Message {
        match self {
            Self::Text(text) => host::Message::Text(text),
            Self::Binary(data) => host::Message::Binary(data),
        }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data)
    }
}

impl From<&[u8]> for Message {
    fn from(data: &[u8]) -> Self {
        Self::Binary(data.to_vec())
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data.into())
    }
}

impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Self {
        message.into_data()
    }
}

impl From<Message> for Bytes {
    fn from(message: Message) -> Self {
        message.into_data().into()
    }
}

/// An error where it is binary.
impl TryFrom<Message> for String {
    type Error = anyhow::Error;

    fn try_from(message: Message) -> Result<Self> {
        match message {
            Message::Text(text) => Ok(text),
            Message::Binary(data) => bail!("a binary message of {} bytes as text", data.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_made_of_what_it_is() {
        assert_eq!(Message::from("é"), Message::Text("é".to_owned()));
        assert_eq!(Message::from("é".to_owned()).data(), [0xc3, 0xa9]);
        for binary in [
            Message::from(vec![1, 2]),
            Message::from(&[1, 2][..]),
            Message::from(Bytes::from_static(&[1, 2])),
        ] {
            assert_eq!(binary, Message::Binary(vec![1, 2]));
            assert_eq!(binary.text(), None);
            assert_eq!(Bytes::from(binary), [1, 2][..]);
        }
        assert_eq!(String::try_from(Message::from("a")).unwrap(), "a");
        assert!(String::try_from(Message::from(vec![b'a'])).is_err());
    }

    #[test]
    fn json_goes_out_as_text_and_comes_in_as_either() {
        let message = Message::of_json(&["a", "b"]).unwrap();
        assert_eq!(message.text(), Some(r#"["a","b"]"#));
        assert_eq!(message.json::<Vec<String>>().unwrap(), ["a", "b"]);
        assert_eq!(Message::from(vec![b'7']).json::<u8>().unwrap(), 7);
        let error = Message::from("{").json::<u8>().unwrap_err();
        assert!(error.to_string().contains("a message as JSON"), "{error}");
    }
}
