//! The frames of one connection, with compression or without. Reads and writes nothing.

use bytes::BytesMut;
use sockudo_ws::deflate::{DeflateConfig, parse_deflate_offer};
use sockudo_ws::error::Result;
use sockudo_ws::protocol::{CompressedProtocol, Message, Protocol, Role};

/// The longest message. A test trusts its server, but not so far that it takes all of the memory.
const MAX_MESSAGE: usize = 256 * 1024 * 1024;

/// Shorter messages are sent as they are. Not 0: the library compresses an empty message wrongly after another one.
const COMPRESSION_THRESHOLD: usize = 1;

pub enum Codec {
    Plain(Protocol),
    Deflate(Box<CompressedProtocol>),
}

impl Codec {
    /// The client's side under the extensions that a server has agreed to.
    pub fn client(extensions: Option<&str>) -> std::result::Result<Self, String> {
        let Some(extensions) = extensions else {
            let protocol = Protocol::new(Role::Client, MAX_MESSAGE, MAX_MESSAGE);
            return Ok(Self::Plain(protocol));
        };
        let parameters = parse_deflate_offer(extensions)
            .ok_or_else(|| format!("the extension {extensions:?} is not known"))?;
        let mut config = DeflateConfig::from_params(&parameters)
            .map_err(|error| format!("the extension {extensions:?}: {error}"))?;
        config.compression_threshold = COMPRESSION_THRESHOLD;
        let protocol = CompressedProtocol::client(MAX_MESSAGE, MAX_MESSAGE, config);
        Ok(Self::Deflate(Box::new(protocol)))
    }

    /// Takes all whole messages. Those before an error are there, too.
    pub fn decode(&mut self, bytes: &mut BytesMut, into: &mut Vec<Message>) -> Result<()> {
        match self {
            Self::Plain(protocol) => protocol.process_into(bytes, into),
            Self::Deflate(protocol) => protocol.process_into(bytes, into),
        }
    }

    pub fn encode(&mut self, message: &Message) -> Result<BytesMut> {
        let mut bytes = BytesMut::new();
        match self {
            Self::Plain(protocol) => protocol.encode_message(message, &mut bytes)?,
            Self::Deflate(protocol) => protocol.encode_message(message, &mut bytes)?,
        }
        Ok(bytes)
    }
}
