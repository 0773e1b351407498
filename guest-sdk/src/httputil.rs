//! What `web` and `httpclient` share of HTTP. Tornado has it in `httputil`.

/// The reason phrase that a status usually has.
pub(crate) fn usual_reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
}
