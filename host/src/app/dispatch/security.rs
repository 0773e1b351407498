//! The headers by which browsers protect what they show: `[settings] security_headers`. Those that a handler sets itself
//! stay as they are.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::base::client::Protocol;

/// For every response. They forbid little that an app may want, and what it does want it says itself: no guesses about
/// types, no frames of other sites, no plug-ins, no other `<base>`, no whole addresses for other sites, no window that
/// other sites keep (OWASP, HTTP Headers Cheat Sheet).
const ALL: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::X_FRAME_OPTIONS,
        HeaderValue::from_static("SAMEORIGIN"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("base-uri 'self'; frame-ancestors 'self'; object-src 'none'"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("strict-origin-when-cross-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Over HTTPS: no HTTP any more, for a year (RFC 6797).
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds those that are missing.
pub(super) fn add(headers: &mut HeaderMap, protocol: Protocol) {
    for (name, value) in ALL {
        headers.entry(name).or_insert(value);
    }
    if protocol == Protocol::Https {
        let strict = headers.entry(header::STRICT_TRANSPORT_SECURITY);
        strict.or_insert(STRICT);
    }
}
