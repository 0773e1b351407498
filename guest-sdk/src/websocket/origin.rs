//! Tornado's cross-origin protection: which handshakes come from a page of another origin. Does not know who may.

use crate::web::context::Context;

/// Whether the client may open a socket; `check` is asked only where its page is of another origin.
pub(crate) fn is_allowed(cx: &Context, check: impl FnOnce(&str) -> bool) -> bool {
    Origin::of(cx).is_allowed(cx.request().host(), check)
}

/// What a browser says of where a handshake comes from.
struct Origin {
    fetch_site: Option<String>,
    origin: Option<String>,
}

impl Origin {
    fn of(cx: &Context) -> Self {
        let header = |name| {
            let value = cx.request().header(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Self {
            fetch_site: header("sec-fetch-site"),
            origin: header("origin").or_else(|| header("sec-websocket-origin")),
        }
    }

    fn is_allowed(&self, host: &str, check: impl FnOnce(&str) -> bool) -> bool {
        let origin = self.origin.as_deref();
        match (self.fetch_site.as_deref(), origin) {
            (Some("same-origin" | "none"), _) => true,
            // No browser.
            (None, None) => true,
            (None, Some(origin)) => authority(origin).eq_ignore_ascii_case(host) || check(origin),
            (Some(_), origin) => origin.is_some_and(|origin| !origin.is_empty() && check(origin)),
        }
    }
}

/// What stands between `//` and the path.
fn authority(origin: &str) -> &str {
    let (_, rest) = origin.split_once("//").unwrap_or_default();
    let end = rest.find(['/', '?', '#']);
    &rest[..end.unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is decided, and whether `check_origin` was asked; it says yes to `https://friend`.
    fn decided(fetch_site: &str, origin: &str) -> (bool, bool) {
        let some = |text: &str| (text != "-").then(|| text.to_owned());
        let origin = Origin {
            fetch_site: some(fetch_site),
            origin: some(origin),
        };
        let mut asked = false;
        let allowed = origin.is_allowed("Here:8888", |origin| {
            asked = true;
            origin == "https://friend"
        });
        (allowed, asked)
    }

    #[test]
    fn only_another_origin_is_asked_about() {
        for (fetch_site, origin, expected) in [
            ("-", "-", (true, false)),
            ("-", "http://here:8888", (true, false)),
            ("-", "https://HERE:8888/", (true, false)),
            ("-", "http://here", (false, true)),
            ("-", "https://friend", (true, true)),
            ("-", "null", (false, true)),
            ("-", "", (false, true)),
            ("same-origin", "https://enemy", (true, false)),
            ("none", "-", (true, false)),
            ("same-site", "http://here:8888", (false, true)),
            ("cross-site", "https://friend", (true, true)),
            ("cross-site", "https://enemy", (false, true)),
            ("cross-site", "-", (false, false)),
            ("cross-site", "", (false, false)),
        ] {
            assert_eq!(
                decided(fetch_site, origin),
                expected,
                "{fetch_site} {origin}"
            );
        }
    }
}
