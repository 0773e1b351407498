//! The handshake of a client (RFC 6455, section 4.1): what its request says, and whether the answer is one. Sends nothing.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use sockudo_ws::deflate::{DeflateConfig, parse_deflate_offer};
use sockudo_ws::handshake::generate_accept_key;

use super::handshake::{Deflate, WEBSOCKET, has_token, policy};

/// What a client asks for.
#[derive(Debug)]
pub struct Opening {
    key: String,
    subprotocols: Vec<String>,
    /// The level of compression. `None`: none is offered.
    compression: Option<u32>,
}

/// An agreement.
#[derive(Debug)]
pub struct Opened {
    pub subprotocol: Option<String>,
    pub deflate: Option<Deflate>,
}

impl Opening {
    /// An error says what is wrong with the subprotocols.
    pub fn new(subprotocols: Vec<String>, compression: Option<u32>) -> Result<Self, String> {
        for (at, name) in subprotocols.iter().enumerate() {
            // The names of headers have the same letters.
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(format!("{name:?} is no name of a subprotocol"));
            }
            if subprotocols[..at].contains(name) {
                return Err(format!("the subprotocol {name:?} is offered twice"));
            }
        }
        Ok(Self {
            key: key(rand::random()),
            subprotocols,
            compression,
        })
    }

    /// Whether a header is the handshake's own.
    pub fn owns(name: &HeaderName) -> bool {
        [header::CONNECTION, header::UPGRADE].contains(name)
            || name.as_str().starts_with("sec-websocket-")
    }

    /// The headers of its request.
    pub fn headers(&self) -> HeaderMap {
        let fixed = [
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, WEBSOCKET),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        let fixed = fixed.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let mut headers = HeaderMap::from_iter(fixed);
        if let Ok(key) = HeaderValue::from_str(&self.key) {
            headers.insert(header::SEC_WEBSOCKET_KEY, key);
        }
        if !self.subprotocols.is_empty()
            && let Ok(names) = HeaderValue::from_str(&self.subprotocols.join(", "))
        {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, names);
        }
        if self.compression.is_some() {
            let offer = "permessage-deflate; client_max_window_bits";
            headers.insert(
                header::SEC_WEBSOCKET_EXTENSIONS,
                HeaderValue::from_static(offer),
            );
        }
        headers
    }

    /// Reads the headers of an answer that switches protocols. An error says why it does not fit.
    pub fn answered(&self, headers: &HeaderMap) -> Result<Opened, String> {
        if !has_token(headers, &header::UPGRADE, WEBSOCKET) {
            return Err("`Upgrade` is not `websocket`".to_owned());
        }
        if !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err("`Connection` is not `Upgrade`".to_owned());
        }
        let accepted = single(headers, &header::SEC_WEBSOCKET_ACCEPT)?;
        if accepted.is_none_or(|accepted| accepted.trim() != generate_accept_key(&self.key)) {
            return Err("`Sec-WebSocket-Accept` does not fit the key".to_owned());
        }
        let subprotocol = single(headers, &header::SEC_WEBSOCKET_PROTOCOL)?;
        let subprotocol = subprotocol.map(|name| name.trim().to_owned());
        if let Some(name) = &subprotocol
            && !self.subprotocols.contains(name)
        {
            return Err(format!("the subprotocol {name:?} was not offered"));
        }
        let extensions = single(headers, &header::SEC_WEBSOCKET_EXTENSIONS)?;
        let deflate = match (extensions, self.compression) {
            (None, _) => None,
            (Some(answer), Some(level)) => Some(agreed(answer, level)?),
            (Some(_), None) => return Err("no extension was offered".to_owned()),
        };
        Ok(Opened {
            subprotocol,
            deflate,
        })
    }
}

/// The only value of a header.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(format!("`{name}` is there twice"));
    }
    let text = first.map(HeaderValue::to_str).transpose();
    text.map_err(|_| format!("`{name}` can't be read"))
}

/// The agreement that a server answers (RFC 7692, section 7.1).
fn agreed(answer: &str, level: u32) -> Result<Deflate, String> {
    let wrong = |why: &str| format!("the extension {answer:?} was not offered: {why}");
    let params = parse_deflate_offer(answer.trim()).ok_or_else(|| wrong("another one"))?;
    let read = params.into_iter().map(|param| match param {
        // Its answer must have a number.
        ("client_max_window_bits", None) => Err(wrong("a window of no size")),
        // zlib reads these with a larger window, and has none that is smaller.
        ("server_max_window_bits", Some("8")) => Ok(("server_max_window_bits", Some("9"))),
        other => Ok(other),
    });
    let params = read.collect::<Result<Vec<_>, _>>()?;
    let config = DeflateConfig::from_params(&params).map_err(|error| wrong(&error.to_string()))?;
    Ok(Deflate::answered(DeflateConfig {
        server_max_window_bits: config.server_max_window_bits,
        client_max_window_bits: config.client_max_window_bits,
        server_no_context_takeover: config.server_no_context_takeover,
        client_no_context_takeover: config.client_no_context_takeover,
        ..policy(level)
    }))
}

/// 16 bytes in Base64.
fn key(bytes: u128) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |six: u128| char::from(LETTERS[(six & 63) as usize]);
    let whole = (0..21).map(|at| letter(bytes >> (122 - 6 * at)));
    // Two bits are left.
    whole.chain([letter(bytes << 4), '=', '=']).collect()
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    /// Asks for chat or superchat, with compression, by the key of RFC 6455, section 1.3.
    fn opening() -> Opening {
        Opening {
            key: "dGhlIHNhbXBsZSBub25jZQ==".to_owned(),
            subprotocols: vec!["chat".to_owned(), "superchat".to_owned()],
            compression: Some(6),
        }
    }

    const GOOD: [(&str, &str); 3] = [
        ("upgrade", "WebSocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ];

    fn answered(more: &[(&str, &str)]) -> Result<Opened, String> {
        let mut response = Response::builder();
        let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
        let kept = GOOD.iter().filter(|(name, _)| !replaced(name));
        for (name, value) in kept.chain(more) {
            if !value.is_empty() {
                response = response.header(*name, *value);
            }
        }
        opening().answered(response.body(()).unwrap().headers())
    }

    #[test]
    fn a_key_is_16_bytes() {
        let bytes = u128::from_be_bytes(*b"the sample nonce");
        assert_eq!(key(bytes), "dGhlIHNhbXBsZSBub25jZQ==");
        let headers = opening().headers();
        assert_eq!(headers["sec-websocket-protocol"], "chat, superchat");
        assert_eq!(headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
        assert!(headers.keys().all(Opening::owns), "{headers:?}");
    }

    #[test]
    fn an_answer_fits_the_request() {
        let opened = answered(&[]).unwrap();
        assert!(opened.subprotocol.is_none() && opened.deflate.is_none());
        let opened = answered(&[
            ("sec-websocket-protocol", "superchat"),
            (
                "sec-websocket-extensions",
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=8",
            ),
        ]);
        let opened = opened.unwrap();
        assert_eq!(opened.subprotocol.as_deref(), Some("superchat"));
        let agreed = opened.deflate.unwrap();
        assert!(agreed.config().client_no_context_takeover);
        assert_eq!(agreed.config().compression_threshold, 1);
    }

    #[test]
    fn what_does_not_fit_is_no_answer() {
        let deflate = "permessage-deflate";
        for wrong in [
            &[("upgrade", "h2c")][..],
            &[("connection", "close")],
            &[("sec-websocket-accept", "")],
            &[("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOP=")],
            &[("sec-websocket-protocol", "other")],
            &[("sec-websocket-protocol", "chat, superchat")],
            &[
                ("sec-websocket-protocol", "chat"),
                ("sec-websocket-protocol", "chat"),
            ],
            &[("sec-websocket-extensions", "x-other")],
            &[(
                "sec-websocket-extensions",
                "permessage-deflate, permessage-deflate",
            )],
            &[(
                "sec-websocket-extensions",
                "permessage-deflate; client_max_window_bits",
            )],
            &[(
                "sec-websocket-extensions",
                "permessage-deflate; server_max_window_bits=7",
            )],
            &[
                ("sec-websocket-extensions", deflate),
                ("sec-websocket-extensions", deflate),
            ],
        ] {
            assert!(answered(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn subprotocols_are_names_and_each_is_offered_once() {
        let new = |names: &[&str]| {
            Opening::new(names.iter().map(|name| (*name).to_owned()).collect(), None)
        };
        assert!(new(&["chat", "Chat", "v1.chat"]).is_ok());
        for wrong in [&["chat", "chat"][..], &[""], &["a b"], &["a,b"]] {
            assert!(new(wrong).is_err(), "{wrong:?}");
        }
    }
}
