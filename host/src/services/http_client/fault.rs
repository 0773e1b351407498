//! The faults of a fetch, distinguished as far as WASI does. Retries nothing.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;

use hyper_util::client::legacy;
use rustls::Error as TlsError;

use crate::services::network::Unreached;

/// Why a fetch failed.
#[derive(Debug)]
pub enum Fault {
    /// No `allow.http` of the component names the origin.
    NotGranted,
    /// The host is an address that nobody may reach, or a name that leads to one, or to this machine.
    Prohibited(IpAddr),
    /// Not a URI of HTTP, or one with a user in it.
    Uri,
    /// CONNECT.
    Method,
    /// The guest's `Host` is not valid.
    Host,
    /// The name has no address.
    Unresolved(String),
    /// The server can't be reached, or not within the time for it.
    Unreachable(io::Error),
    ConnectTimeout,
    /// The proxy does not let it through.
    Proxy(String),
    Tls(String),
    Certificate(String),
    /// The response, or the next piece of it, did not come in time.
    ReadTimeout,
    /// The connection ended before the response did.
    Incomplete,
    /// What came is not HTTP.
    Protocol(String),
    /// The head of the response is too long.
    Head,
    /// The body is not coded as its head says.
    Coding(String),
}

impl From<Unreached> for Fault {
    fn from(why: Unreached) -> Self {
        match why {
            Unreached::Prohibited(address) => Self::Prohibited(address),
            Unreached::Unresolved(why) => Self::Unresolved(why),
            Unreached::Unreachable(error) => Self::Unreachable(error),
        }
    }
}

impl Fault {
    /// The fault behind a client's error.
    pub fn of_client(error: legacy::Error) -> Self {
        let is_connect = error.is_connect();
        Self::of(Box::new(error), is_connect)
    }

    /// The fault behind a body's error.
    pub fn of_body(error: hyper::Error) -> Self {
        Self::of(Box::new(error), false)
    }

    fn of(error: Box<dyn Error + Send + Sync>, is_connect: bool) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
        let mut deepest: &(dyn Error + 'static) = &*error;
        while let Some(one) = next {
            deepest = one;
            if let Some(own) = one.downcast_ref::<Self>() {
                return own.again();
            }
            if let Some(hyper) = one.downcast_ref::<hyper::Error>() {
                if hyper.is_parse_too_large() {
                    return Self::Head;
                }
                if hyper.is_parse() {
                    return Self::Protocol(hyper.to_string());
                }
                if hyper.is_incomplete_message() {
                    return Self::Incomplete;
                }
            }
            if let Some(io) = one.downcast_ref::<io::Error>() {
                // As its source, an io::Error skips the error that it was made from.
                if let Some(inner) = io.get_ref() {
                    if let Some(tls) = inner.downcast_ref::<TlsError>() {
                        return Self::of_tls(tls);
                    }
                    if let Some(own) = inner.downcast_ref::<Self>() {
                        return own.again();
                    }
                }
                return match is_connect {
                    true => Self::Unreachable(io::Error::new(io.kind(), io.to_string())),
                    false => Self::Incomplete,
                };
            }
            next = one.source();
        }
        match is_connect {
            true => Self::Unreachable(io::Error::other(deepest.to_string())),
            false => Self::Protocol(deepest.to_string()),
        }
    }

    /// The fault behind a failed handshake.
    pub fn of_handshake(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(tls) => Self::of_tls(tls),
            None => Self::Tls(error.to_string()),
        }
    }

    fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented => {
                Self::Certificate(error.to_string())
            }
            other => Self::Tls(other.to_string()),
        }
    }

    fn again(&self) -> Self {
        match self {
            Self::NotGranted => Self::NotGranted,
            Self::Prohibited(address) => Self::Prohibited(*address),
            Self::Uri => Self::Uri,
            Self::Method => Self::Method,
            Self::Host => Self::Host,
            Self::Unresolved(why) => Self::Unresolved(why.clone()),
            Self::Unreachable(error) => {
                Self::Unreachable(io::Error::new(error.kind(), error.to_string()))
            }
            Self::ConnectTimeout => Self::ConnectTimeout,
            Self::Proxy(why) => Self::Proxy(why.clone()),
            Self::Tls(why) => Self::Tls(why.clone()),
            Self::Certificate(why) => Self::Certificate(why.clone()),
            Self::ReadTimeout => Self::ReadTimeout,
            Self::Incomplete => Self::Incomplete,
            Self::Protocol(why) => Self::Protocol(why.clone()),
            Self::Head => Self::Head,
            Self::Coding(why) => Self::Coding(why.clone()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted => f.write_str("it is not granted"),
            Self::Prohibited(address) => write!(f, "{address} may not be reached by a name"),
            Self::Uri => f.write_str("the URL is none of HTTP"),
            Self::Method => f.write_str("CONNECT is not there"),
            Self::Host => f.write_str("the header `Host` names no host, or more than one"),
            Self::Unresolved(why) => write!(f, "the name has no address: {why}"),
            Self::Unreachable(error) => write!(f, "can't connect: {error}"),
            Self::ConnectTimeout => f.write_str("no connection in time"),
            Self::Proxy(why) => write!(f, "the proxy refuses: {why}"),
            Self::Tls(why) => write!(f, "TLS failed: {why}"),
            Self::Certificate(why) => write!(f, "the certificate is not accepted: {why}"),
            Self::ReadTimeout => f.write_str("no response in time"),
            Self::Incomplete => f.write_str("the connection ended early"),
            Self::Protocol(why) => write!(f, "the response is not HTTP: {why}"),
            Self::Head => f.write_str("the head of the response is too long"),
            Self::Coding(why) => write!(f, "the body can't be decompressed: {why}"),
        }
    }
}

impl Error for Fault {}
