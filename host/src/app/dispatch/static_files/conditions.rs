//! What a client knows of a file already: `If-None-Match`, `If-Modified-Since` and `If-Range` (RFC 9110, section 13). Reads
//! no file.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

use crate::app::dispatch::etag;

/// Whether the client has the file. Where it names entity tags, its date counts for nothing.
pub fn is_known(headers: &HeaderMap, etag: Option<&HeaderValue>, modified: i64) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH);
    if tags.is_some_and(|tags| !tags.is_empty()) {
        return etag.is_some_and(|etag| etag::is_named(headers, etag));
    }
    let since = headers.get(header::IF_MODIFIED_SINCE);
    let since = since.and_then(|since| seconds(since.to_str().ok()?));
    since.is_some_and(|since| since >= modified)
}

/// Whether a range may be answered: a client that wants to go on with another version gets all of this one.
pub fn keeps_range(headers: &HeaderMap, etag: Option<&HeaderValue>, modified: i64) -> bool {
    let Some(condition) = headers.get(header::IF_RANGE) else {
        return true;
    };
    match condition.as_bytes() {
        // A weak one, or a date, says too little of single bytes. A weak one never counts.
        [b'"', ..] => etag == Some(condition),
        _ => condition.to_str().ok().and_then(seconds) == Some(modified),
    }
}

/// A date as a client writes it, in seconds since 1970.
fn seconds(date: &str) -> Option<i64> {
    let date = date.trim();
    if let Ok(time) = httpdate::parse_http_date(date) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        return i64::try_from(since.as_secs()).ok();
    }
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_all_their_forms() {
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 09:49:37 +0100",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(seconds(date), Some(784_111_777), "{date}");
        }
        for none in ["", "yesterday", "1994", "784111777"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }

    #[test]
    fn a_range_goes_on_only_with_the_same_version() {
        let tag = HeaderValue::from_static("\"a\"");
        let keeps = |condition: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_RANGE, HeaderValue::from_static(condition));
            keeps_range(&headers, Some(&tag), 784_111_777)
        };
        assert!(keeps("\"a\"") && keeps("Sun, 06 Nov 1994 08:49:37 GMT"));
        for other in ["\"b\"", "W/\"a\"", "a", "", "Sun, 06 Nov 1994 08:49:38 GMT"] {
            assert!(!keeps(other), "{other}");
        }
        assert!(keeps_range(&HeaderMap::new(), None, 0));
    }
}
