//! URLs as browsers and curl take them, and that none of their spellings leads around a grant.

use std::sync::atomic::Ordering::SeqCst;

use super::{encoded, fetched, fetching, mirror, origin, seen, serving};
use crate::harness::Peer;

#[tokio::test]
async fn a_url_is_taken_as_browsers_take_it_and_so_is_a_location() {
    let peer = Peer::start(mirror).await;
    let leading = super::reach::leading().await;
    let server = serving(&[origin(&peer), origin(&leading)]).await;
    for (path, asked) in [
        ("/[a]|b?c=[d]|e", "/[a]|b?c=[d]|e"),
        ("/100%?q=%&r=50%zz", "/100%?q=%&r=50%zz"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/caf\u{e9}?\u{e9}", "/caf%C3%A9?%C3%A9"),
        ("/a/../b/./c", "/b/c"),
        ("\\a\\b", "/a/b"),
        ("/%41%2f", "/%41%2f"),
        ("/\"<>`{}", "/%22%3C%3E%60%7B%7D"),
        ("?\"<>'{}|\\^`", "/?%22%3C%3E%27{}|\\^`"),
        ("/a\tb\nc#[d]", "/abc"),
        ("", "/"),
    ] {
        let url = format!("{}{path}", origin(&peer));
        let direct = fetched(&server, &url, "").await;
        assert_eq!(seen(&direct)["uri"], asked, "{path}");
        assert_eq!(direct["url"], format!("{}{asked}", origin(&peer)));
        // No header has a line's end in it.
        let location = url.replace('\n', "");
        let led = format!("{}/?{}", origin(&leading), encoded(&location));
        assert_eq!(
            seen(&fetched(&server, &led, "").await)["uri"],
            asked,
            "{path}"
        );
    }
}

/// What a proxy is asked for is what would be dialled.
#[tokio::test]
async fn a_host_is_granted_and_asked_for_in_one_spelling() {
    let proxy = Peer::start(mirror).await;
    let tables = format!("[http_client]\nproxy = \"{}\"\n", origin(&proxy));
    let grants = ["http://b\u{fc}cher.example", "http://plain.example:8080"].map(str::to_owned);
    let server = fetching(&grants, &tables).serve().await;
    for (url, asked) in [
        (
            "http://b\u{fc}cher.example/",
            "http://xn--bcher-kva.example/",
        ),
        (
            "http://B\u{dc}CHER.example/",
            "http://xn--bcher-kva.example/",
        ),
        (
            "http://bu\u{308}cher.example/",
            "http://xn--bcher-kva.example/",
        ),
        (
            "http://b%C3%BCcher.example/",
            "http://xn--bcher-kva.example/",
        ),
        (
            "http://XN--BCHER-KVA.example:80/",
            "http://xn--bcher-kva.example/",
        ),
        (
            "http://b\u{fc}cher\u{3002}example/",
            "http://xn--bcher-kva.example/",
        ),
        (
            "http:/\\PL%41IN.example:8080/x",
            "http://plain.example:8080/x",
        ),
        (
            "\thttp://pl\nain.example:8080/x ",
            "http://plain.example:8080/x",
        ),
        (
            "http://user@plain.example:8080/x",
            "http://plain.example:8080/x",
        ),
        (
            "http://plain.example:8080\\@other.example/",
            "http://plain.example:8080/@other.example/",
        ),
    ] {
        let fetched = fetched(&server, url, "").await;
        assert_eq!(seen(&fetched)["uri"], asked, "{url}");
        assert_eq!(fetched["url"], asked, "{url}");
    }
    let before = proxy.counts.requests.load(SeqCst);
    for other in [
        "http://plain.example/",
        "https://plain.example:8080/",
        "http://plain.example:8080@other.example/",
        "http://plain.example:8080%40other.example/",
        "http://plain.example%2eother.example:8080/",
        "http://plain.example\u{3002}other.example:8080/",
        "http://plain.example.:8080/",
        "http://other.example\\@plain.example:8080/",
        "http://other.example#@plain.example:8080/",
        "http://other.example?@plain.example:8080/",
        "http://p\u{ad}lain.example.other.example:8080/",
        "http://b\u{fc}cher.example\u{ff0f}.other.example/",
    ] {
        let refused = fetched(&server, other, "").await;
        assert_eq!(refused["code"], 599, "{other}: {refused}");
    }
    assert_eq!(proxy.counts.requests.load(SeqCst), before);
}
