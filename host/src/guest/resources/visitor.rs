//! A socket as the request that stands for it in an instance has it, what its handshake was answered with, and what is
//! kept of it while it has no object.

use std::sync::{Arc, Mutex};

use bytes::{Buf, Bytes};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Uri, Version};

use super::lock;
use crate::base::client::Client;
use crate::guest::bindings::websocket;
use crate::guest::description::Class;
use crate::services::sockets::Socket;

/// The answer to a handshake.
pub type Accepted = websocket::Accepted;

/// The socket of a request.
pub struct Visitor {
    pub socket: Arc<Socket>,
    /// What `suspend` has returned, as long as another object may need it.
    state: Mutex<Option<Bytes>>,
}

impl Visitor {
    pub fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            state: Mutex::default(),
        }
    }

    /// It comes from another object, with what that one has left.
    pub fn set_state(&self, state: Bytes) {
        *lock(&self.state) = Some(state);
    }

    /// What the object before has left, if nothing has happened since.
    pub fn state(&self) -> Option<Bytes> {
        lock(&self.state).clone()
    }

    /// The object is another than the one that the state makes.
    pub fn forget_state(&self) {
        *lock(&self.state) = None;
    }
}

/// A socket that needs another object, with what tells which one.
#[derive(Clone, Copy)]
pub struct Homeless<'a> {
    pub socket: &'a Arc<Socket>,
    /// Of its handshake, as the next two.
    pub head: &'a Parts,
    pub client: Client,
    pub id: &'a str,
    /// Of the object before.
    pub class: &'a Class,
}

/// The head of a handshake in little memory: in the usual form it keeps the buffer from which it was read.
pub struct PackedHead {
    version: Version,
    is_http2: Option<hyper::ext::Protocol>,
    /// The URI, and then name and value of each header, each behind its length.
    texts: Box<[u8]>,
}

impl PackedHead {
    pub fn of(head: &Parts) -> Self {
        let uri = head.uri.to_string();
        let headers = head.headers.iter();
        let headers =
            headers.flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        let mut texts = Vec::new();
        for text in std::iter::once(uri.as_bytes()).chain(headers) {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            texts.extend(length.to_be_bytes());
            texts.extend(text);
        }
        Self {
            version: head.version,
            is_http2: head.extensions.get().cloned(),
            texts: texts.into(),
        }
    }

    pub fn unpacked(&self) -> Parts {
        let mut rest = &*self.texts;
        let mut next = || {
            let length = rest.try_get_u32().ok()? as usize;
            let (text, others) = rest.split_at_checked(length)?;
            rest = others;
            Some(text)
        };
        // It was packed from a head, so nothing of it is wrong.
        let uri = next().and_then(|uri| Uri::try_from(uri).ok());
        let mut head = Request::new(()).into_parts().0;
        head.uri = uri.unwrap_or_default();
        head.version = self.version;
        if let Some(protocol) = &self.is_http2 {
            head.extensions.insert(protocol.clone());
        }
        while let (Some(name), Some(value)) = (next(), next()) {
            let name = HeaderName::from_bytes(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                head.headers.append(name, value);
            }
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_head_is_the_same_head() {
        let request = Request::get("/a?b=c")
            .version(Version::HTTP_2)
            .header("host", "here")
            .header("cookie", HeaderValue::from_bytes(b"\xff").unwrap())
            .header("x", "")
            .header("x", "2");
        let head = request.body(()).unwrap().into_parts().0;
        let again = PackedHead::of(&head).unpacked();
        assert_eq!((&head.method, &head.uri), (&again.method, &again.uri));
        assert_eq!(head.version, again.version);
        assert_eq!(head.headers, again.headers);
    }
}
