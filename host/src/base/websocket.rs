//! The WebSocket protocol (RFC 6455, RFC 7692) as bytes: the handshake, the messages in what has come, and the frames of
//! what goes out. Reads no socket, and knows no handler.

mod handshake;
mod opening;
mod published;
mod reader;
mod utf8;
mod writer;

pub use handshake::{
    Deflate, NoHandshake, Offer, accept_key, check, is_asked_for, is_http2, origin,
};
pub use opening::Opening;
pub use published::Published;
pub use reader::{Reader, Received};
pub use utf8::Utf8;
pub use writer::{AT_ONCE, Writer};

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has opened the connection, and masks what it sends.
    Client,
    Server,
}

impl From<Role> for sockudo_ws::protocol::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Client => Self::Client,
            Role::Server => Self::Server,
        }
    }
}

/// Why a socket is closed (RFC 6455, section 7.4.1).
pub mod code {
    pub const NORMAL: u16 = 1000;
    pub const GOING_AWAY: u16 = 1001;
    pub const PROTOCOL_ERROR: u16 = 1002;
    pub const NO_CODE: u16 = 1005;
    /// The connection was gone without a word.
    pub const ABNORMAL: u16 = 1006;
    pub const INVALID_DATA: u16 = 1007;
    pub const TOO_BIG: u16 = 1009;
    pub const INTERNAL_ERROR: u16 = 1011;
    pub const SERVICE_RESTART: u16 = 1012;
}

/// Whether an endpoint may say this code (RFC 6455, section 7.4).
pub fn may_be_said(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The most bytes of a control frame (RFC 6455, section 5.5), and of the reason in a close frame.
pub const MAX_CONTROL: usize = 125;
pub const MAX_REASON: usize = MAX_CONTROL - 2;

/// The text with at most this many bytes.
pub fn shortened(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}
