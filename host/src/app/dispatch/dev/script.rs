//! The script by which pages reload themselves: which responses of an app get it, and where. Changes no others.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use super::{NO_STORE, SCRIPT};
use crate::app::dispatch::Reply;

pub const TEXT: &str = include_str!("reload.js");

/// Puts the script before the end of the page's body. Without an end tag it goes to the end of the page, which
/// browsers accept, too.
pub fn put_into(response: &mut Response<Reply>, version: &str) {
    let Some(page) = response.body().bytes().filter(|_| can_take_it(response)) else {
        return;
    };
    let at = end_of_body(page);
    let script = format!("<script src=\"{SCRIPT}\" data-version=\"{version}\"></script>");
    let with = [&page[..at], script.as_bytes(), &page[at..]].concat();
    response.body_mut().replace(Bytes::from(with));
    let headers = response.headers_mut();
    // A cached page would later come without its script, or with the script of another version.
    headers.remove(header::ETAG);
    headers.remove(header::LAST_MODIFIED);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
}

/// Whether it is a whole HTML page that may run the script.
fn can_take_it(response: &Response<Reply>) -> bool {
    let headers = response.headers();
    let is_whole = !response.status().is_redirection()
        && !matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT
        );
    let is_saved = headers
        .get(header::CONTENT_DISPOSITION)
        .is_some_and(|value| !value.as_bytes().starts_with(b"inline"));
    is_whole
        && is_html(headers)
        && !is_saved
        && !headers.contains_key(header::CONTENT_ENCODING)
        && may_run(headers)
}

/// Whether it is HTML in a charset that contains ASCII.
fn is_html(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind == "text/html" && !content_type.contains("utf-16") && !content_type.contains("utf-32")
}

/// Whether all its policies let it load a script from its own origin and connect there (Content Security Policy Level
/// 3). `false` where that is not certain.
fn may_run(headers: &HeaderMap) -> bool {
    const POLICY: HeaderName = header::CONTENT_SECURITY_POLICY;
    let policies = headers.get_all(POLICY);
    policies.iter().all(|policies| {
        let policies = policies.to_str().map(str::to_ascii_lowercase);
        policies.is_ok_and(|policies| policies.split(',').all(policy_allows))
    })
}

fn policy_allows(policy: &str) -> bool {
    let directives: Vec<Vec<&str>> = policy
        .split(';')
        .map(|directive| directive.split_ascii_whitespace().collect())
        .collect();
    // Of several the first counts.
    let find = |name: &str| {
        let mut directives = directives.iter();
        directives
            .find(|directive| directive.first() == Some(&name))
            .map(|directive| &directive[1..])
    };
    let scripts = find("script-src-elem")
        .or_else(|| find("script-src"))
        .or_else(|| find("default-src"));
    let requests = find("connect-src").or_else(|| find("default-src"));
    let own = |sources: Option<&[&str]>| {
        sources.is_none_or(|sources| sources.contains(&"'self'") || sources.contains(&"*"))
    };
    let trusts_by_nonce = scripts.is_some_and(|sources| sources.contains(&"'strict-dynamic'"));
    let sandbox = find("sandbox");
    let is_sandboxed = sandbox.is_some_and(|allowed| {
        !allowed.contains(&"allow-scripts") || !allowed.contains(&"allow-same-origin")
    });
    own(scripts) && own(requests) && !trusts_by_nonce && !is_sandboxed
}

/// Where the last `</body` begins, or else the end.
fn end_of_body(page: &[u8]) -> usize {
    const END: &[u8] = b"</body";
    let found = page
        .windows(END.len())
        .rposition(|window| window.eq_ignore_ascii_case(END));
    found.unwrap_or(page.len())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with_script(page: &'static str, name: &'static str, value: &'static str) -> String {
        let mut response = Response::new(Reply::new(Bytes::from_static(page.as_bytes())));
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=UTF-8");
        headers.insert(header::CONTENT_TYPE, html);
        headers.insert(name, HeaderValue::from_static(value));
        put_into(&mut response, "1-2");
        String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn the_script_stands_at_the_end_of_the_body() {
        const SCRIPT: &str =
            "<script src=\"/.waterspout/reload.js\" data-version=\"1-2\"></script>";
        let page = |page| with_script(page, "x-a", "b");
        assert_eq!(
            page("<p>\"</body>\"</p></BODY ></html>"),
            format!("<p>\"</body>\"</p>{SCRIPT}</BODY ></html>")
        );
        assert_eq!(page("Hello"), format!("Hello{SCRIPT}"));
        assert_eq!(page(""), SCRIPT);
    }

    #[test]
    fn what_is_no_page_or_may_not_run_it_is_left_alone() {
        for (name, value) in [
            ("content-type", "text/plain"),
            ("content-type", "application/xhtml+xml"),
            ("content-type", "text/html; charset=UTF-16LE"),
            ("content-encoding", "gzip"),
            ("content-disposition", "attachment; filename=a.html"),
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "script-src 'nonce-a'"),
            (
                "content-security-policy",
                "script-src 'self' 'strict-dynamic'",
            ),
            (
                "content-security-policy",
                "default-src 'self'; connect-src https://a",
            ),
            (
                "content-security-policy",
                "default-src 'self', script-src https://a",
            ),
            ("content-security-policy", "sandbox allow-scripts"),
        ] {
            assert_eq!(with_script("page", name, value), "page", "{name}: {value}");
        }
        for (name, value) in [
            ("content-type", "Text/HTML"),
            ("content-disposition", "inline"),
            ("content-security-policy", "default-src 'self'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            (
                "content-security-policy",
                "default-src 'none'; Script-Src *; connect-src 'self'",
            ),
        ] {
            assert_ne!(with_script("page", name, value), "page", "{name}: {value}");
        }
    }
}
