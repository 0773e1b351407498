//! Tests of the way to an address, with their own resolver and listener.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tower_service::Service;

use super::connect::own_address;
use super::*;
use crate::services::network::Resolve;

/// Gives one answer after the other, and counts how often it was asked.
struct Fickle {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Fickle {
    fn saying(answers: &[&[&str]]) -> Arc<Self> {
        let answer = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(answer).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Fickle {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, SeqCst);
        let answer = lock(&self.answers).pop_front().expect("an answer");
        Box::pin(async { Ok(answer) })
    }
}

fn connector(resolver: Arc<Fickle>) -> Connector {
    let (own, roots) = (Arc::default(), Arc::new(Roots::new(Arc::default())));
    Connector::new(
        Way::Granted,
        Versions::All,
        Arc::default(),
        own,
        roots,
        resolver,
    )
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_never_dialled() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = uri(&format!("http://granted.example:{port}/"));
    for bad in ["127.0.0.1", "::1", "169.254.169.254"] {
        // Alone, and behind one that would do.
        let resolver = Fickle::saying(&[&[bad], &["192.0.2.1", bad]]);
        let mut connector = connector(resolver.clone());
        for _ in 0..2 {
            let refused = connector.call(name.clone()).await.map(|_| ());
            assert!(
                matches!(refused, Err(Fault::Prohibited(ip)) if Some(ip) == bad.parse().ok()),
                "{refused:?}"
            );
        }
        assert_eq!(resolver.asked.load(SeqCst), 2, "once for each connection");
    }
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn a_resolver_that_changes_its_answer_is_asked_once_for_each_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // An address for documentation (RFC 5737), which nothing answers.
    let resolver = Fickle::saying(&[&["192.0.2.1"], &["127.0.0.1"], &["127.0.0.1"]]);
    let mut connector = connector(resolver.clone());
    let name = uri(&format!("http://rebinding.example:{port}/"));
    let first = connector.call(name.clone());
    let first = timeout(Duration::from_millis(200), first).await;
    assert!(!matches!(first, Ok(Ok(_) | Err(Fault::Prohibited(_)))));
    assert_eq!(
        resolver.asked.load(SeqCst),
        1,
        "what was looked at is dialled, and not looked up again"
    );
    let second = connector.call(name).await.map(|_| ());
    assert!(matches!(second, Err(Fault::Prohibited(_))), "{second:?}");
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn addresses_in_a_url_are_looked_at_too_in_whatever_spelling() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let resolver = Fickle::saying(&[]);
    for literal in [
        "169.254.169.254",
        "0xa9fea9fe",
        "0.0.0.0",
        "0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
    ] {
        let refused = connector(resolver.clone()).call(uri(&format!("http://{literal}:{port}/")));
        let refused = refused.await.map(|_| ());
        assert!(
            matches!(refused, Err(Fault::Prohibited(_))),
            "{literal}: {refused:?}"
        );
    }
    // A grant for this machine by its address holds for all spellings of the address: they are one origin.
    for named in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
    ] {
        let connected = connector(resolver.clone()).call(uri(&format!("http://{named}:{port}/")));
        assert!(connected.await.is_ok(), "{named}");
    }
    assert_eq!(resolver.asked.load(SeqCst), 0);
}

#[test]
fn an_origin_has_one_spelling() {
    let origin = |text: &str| Origin::of(&uri(text));
    for (text, same) in [
        ("HTTP://Example.COM/a?b", "http://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("https://example.com:443/", "https://example.com"),
        ("https://example.com:80/", "https://example.com:80"),
        ("http://[0:0::0:1]:8080/", "http://[::1]:8080"),
        ("http://[::ffff:7F00:1]/", "http://[::ffff:7f00:1]"),
        ("http://127.1/", "http://127.0.0.1"),
        ("http://0177.0.0.1:80/", "http://127.0.0.1"),
        ("http://2130706433/", "http://127.0.0.1"),
        ("http://127.0.0.1./", "http://127.0.0.1"),
        (
            "http://XN--bcher-kva.example/",
            "http://xn--bcher-kva.example",
        ),
        ("http://example.com./", "http://example.com."),
    ] {
        let origin = origin(text).unwrap();
        assert_eq!(origin.to_string(), same, "{text}");
        let dialled = origin.uri(uri(text)).unwrap().to_string();
        assert!(
            dialled.starts_with(&format!("{same}/")),
            "{text}: {dialled}"
        );
    }
    for none in [
        "/path",
        "ftp://example.com/",
        "http://user@example.com/",
        "http://a:b@example.com/",
        "http://user@/",
        "http://256.1.1.1/",
        "http://xn--a/",
        "http://example.com:65536/",
    ] {
        let origin = none.parse().ok().and_then(|uri| Origin::of(&uri));
        assert_eq!(origin, None, "{none}");
    }
}

#[test]
fn self_is_a_listener_by_its_address_or_as_localhost() {
    let own = |address: &str, encrypted| OwnListener {
        address: address.parse().unwrap(),
        encrypted,
    };
    let listeners = [
        own("127.0.0.1:8888", false),
        own("0.0.0.0:80", false),
        own("192.168.7.7:8443", true),
    ];
    let dialled = |text: &str| {
        let origin = Origin::of(&uri(text)).unwrap();
        own_address(&listeners, &origin).map(|address| address.to_string())
    };
    for (text, address) in [
        ("http://127.0.0.1:8888/", Some("127.0.0.1:8888")),
        ("http://localhost:8888/", Some("127.0.0.1:8888")),
        ("http://localhost/", Some("127.0.0.1:80")),
        ("http://0.0.0.0/", Some("127.0.0.1:80")),
        ("https://192.168.7.7:8443/", Some("192.168.7.7:8443")),
        ("https://localhost:8443/", None),
        ("https://127.0.0.1:8888/", None),
        ("http://127.0.0.1:8889/", None),
        ("http://127.0.0.2:8888/", None),
        ("http://[::1]:8888/", None),
        ("http://example.com:8888/", None),
    ] {
        assert_eq!(dialled(text).as_deref(), address, "{text}");
    }
}
