//! The handshake of a server (RFC 6455, section 4.2; RFC 8441 for HTTP/2): whether a request is one, what it offers, and
//! what the answer says. Answers nothing.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sockudo_ws::deflate::{DeflateConfig, DeflateNegotiation, negotiate_server_deflate};
use sockudo_ws::handshake::generate_accept_key;

pub(super) const WEBSOCKET: &str = "websocket";
const ORIGIN_BEFORE_13: HeaderName = HeaderName::from_static("sec-websocket-origin");

/// Why a request is no handshake, in the order in which Tornado's `WebSocketHandler.get` looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHandshake {
    NoUpgrade,
    NoConnection,
    /// It comes from a page of another site.
    Foreign,
    OtherVersion,
    NoKey,
}

/// Checks a request. `is_foreign` tells whether a page sends it that may not connect.
pub fn check(head: &Parts, is_foreign: impl FnOnce() -> bool) -> Result<(), NoHandshake> {
    let headers = &head.headers;
    let is_http2 = is_http2(head);
    if !is_http2 {
        if head.method != Method::GET || !is_asked_for(head) {
            return Err(NoHandshake::NoUpgrade);
        }
        if !has_token(headers, &header::CONNECTION, "upgrade") {
            return Err(NoHandshake::NoConnection);
        }
    }
    if is_foreign() {
        return Err(NoHandshake::Foreign);
    }
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version.as_bytes() != b"13") {
        return Err(NoHandshake::OtherVersion);
    }
    // In HTTP/2 there is no key (RFC 8441, section 5).
    let has_key = || {
        let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
        let key = keys.next().is_some_and(|key| is_key(key.as_bytes()));
        key && keys.next().is_none()
    };
    if !(is_http2 || has_key()) || !headers.contains_key(header::HOST) {
        return Err(NoHandshake::NoKey);
    }
    Ok(())
}

/// Whether a request of HTTP/1 asks for a WebSocket.
pub fn is_asked_for(head: &Parts) -> bool {
    has_token(&head.headers, &header::UPGRADE, WEBSOCKET)
}

/// Whether a request of HTTP/2 asks for a WebSocket (RFC 8441, section 4).
pub fn is_http2(head: &Parts) -> bool {
    let protocol = head.extensions.get::<hyper::ext::Protocol>();
    protocol.is_some_and(|protocol| protocol.as_str() == WEBSOCKET)
}

/// 16 bytes in Base64 (RFC 6455, section 4.2.1).
fn is_key(key: &[u8]) -> bool {
    const LENGTH: usize = 24;
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == LENGTH && key.ends_with(b"==") && key[..LENGTH - 2].iter().all(is_base64)
}

/// Whether a list in a header has this word.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|word| word.trim().eq_ignore_ascii_case(token))
}

/// The header with the origin of the page, by its name of now or by that of the first browsers.
pub fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let origin = headers.get(header::ORIGIN);
    origin.or_else(|| headers.get(ORIGIN_BEFORE_13))
}

/// The value of `Sec-WebSocket-Accept` for a handshake that has passed the check.
pub fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?;
    HeaderValue::from_str(&generate_accept_key(key)).ok()
}

/// What a client offers.
pub struct Offer<'a>(pub &'a HeaderMap);

impl Offer<'_> {
    /// The subprotocols, in the client's order.
    pub fn subprotocols(&self) -> Vec<String> {
        let values = self.0.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        let names = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim);
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// The first offer of permessage-deflate (RFC 7692) that can be taken, for this level of compression.
    pub fn deflate(&self, level: u32) -> Option<Deflate> {
        let policy = policy(level);
        let values = self.0.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
        let mut offers = values.filter_map(|value| value.to_str().ok());
        offers
            .find_map(|offers| negotiate_server_deflate(offers, &policy))
            .map(|agreed| Deflate(Agreed::Here(agreed)))
    }
}

/// What is compressed, at this level.
pub(super) fn policy(level: u32) -> DeflateConfig {
    DeflateConfig {
        compression_level: level,
        // As Tornado does, all but empty messages: of those the library makes frames without the byte that ends them.
        compression_threshold: 1,
        ..DeflateConfig::default()
    }
}

/// An agreement on compression.
#[derive(Clone, Debug)]
pub struct Deflate(Agreed);

#[derive(Clone, Debug)]
enum Agreed {
    /// What a server answers.
    Here(DeflateNegotiation),
    /// What a client was answered.
    There(DeflateConfig),
}

impl Deflate {
    /// What a client was answered.
    pub(super) fn answered(config: DeflateConfig) -> Self {
        Self(Agreed::There(config))
    }

    /// The value of `Sec-WebSocket-Extensions`.
    pub fn answer(&self) -> Option<HeaderValue> {
        let answer = match &self.0 {
            Agreed::Here(agreed) => agreed.to_response_header(),
            Agreed::There(config) => config.to_response_header(),
        };
        HeaderValue::from_str(&answer).ok()
    }

    pub(super) fn config(&self) -> &DeflateConfig {
        match &self.0 {
            Agreed::Here(agreed) => &agreed.config,
            Agreed::There(config) => config,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/").header("host", "a.example:80");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// With this header in place of the good one.
    fn with(name: &str, value: &str) -> Result<(), NoHandshake> {
        let others = GOOD.iter().filter(|(other, _)| *other != name).copied();
        let all: Vec<_> = others.chain([(name, value)]).collect();
        check(&head(&all), || false)
    }

    #[test]
    fn the_example_of_the_rfc_is_a_handshake() {
        let head = head(&GOOD);
        assert_eq!(check(&head, || false), Ok(()));
        let accept = accept_key(&head.headers).unwrap();
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_none_gets_the_answer_of_tornado() {
        assert_eq!(with("upgrade", "h2c"), Err(NoHandshake::NoUpgrade));
        assert_eq!(with("connection", "close"), Err(NoHandshake::NoConnection));
        assert_eq!(
            with("sec-websocket-version", "12"),
            Err(NoHandshake::OtherVersion)
        );
        for key in [
            "",
            "abc",
            "dGhlIHNhbXBsZSBub25jZQ=a",
            "dGhlIHNhbXBsZSBub25jZ===",
        ] {
            assert_eq!(
                with("sec-websocket-key", key),
                Err(NoHandshake::NoKey),
                "{key}"
            );
        }
        let twice = [GOOD.as_slice(), &GOOD[3..]].concat();
        assert_eq!(check(&head(&twice), || false), Err(NoHandshake::NoKey));
    }

    #[test]
    fn a_page_that_may_not_connect_learns_it_before_its_version_is_looked_at() {
        let all = [&GOOD[..2], &[("sec-websocket-version", "12")]].concat();
        assert_eq!(check(&head(&all), || true), Err(NoHandshake::Foreign));
        assert_eq!(check(&head(&[]), || true), Err(NoHandshake::NoUpgrade));
        let old = head(&[("sec-websocket-origin", "http://b.example")]);
        assert_eq!(origin(&old.headers).unwrap(), "http://b.example");
    }

    #[test]
    fn offers_are_read_over_several_lines() {
        let head = head(&[
            ("sec-websocket-protocol", "chat, superchat"),
            ("sec-websocket-protocol", "third"),
            ("sec-websocket-extensions", "x-webkit-deflate-frame"),
            (
                "sec-websocket-extensions",
                "permessage-deflate; client_max_window_bits",
            ),
        ]);
        let offer = Offer(&head.headers);
        assert_eq!(offer.subprotocols(), ["chat", "superchat", "third"]);
        let answer = offer.deflate(6).unwrap().answer().unwrap();
        assert_eq!(answer, "permessage-deflate");
    }
}
