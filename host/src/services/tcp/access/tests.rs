//! Tests of names that lead elsewhere with each lookup, with their own resolver and listener.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use super::*;
use crate::config::Component;

/// An address for documentation (RFC 5737): harmless, and nothing answers there.
const HARMLESS: &str = "192.0.2.1";

/// Where no name may lead.
const BAD: [&str; 10] = [
    "127.0.0.1",
    "127.0.0.2",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "0.0.0.0",
    "::",
    "169.254.169.254",
    "fe80::1",
    "fd00:ec2::254",
];

/// Gives one answer after the other, and counts how often it was asked.
struct Fickle {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Fickle {
    fn saying(answers: &[&[&str]]) -> Arc<Self> {
        let answer = |answer: &&[&str]| answer.iter().copied().map(ip).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(answer).collect()),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl Resolve for Fickle {
    fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, SeqCst);
        let answer = lock(&self.answers).pop_front().expect("an answer");
        Box::pin(async { Ok(answer) })
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What a component may reach with these grants, by names that this resolver knows.
fn access(grants: &[&str], resolver: Arc<Fickle>) -> Arc<Access> {
    let terms = Terms {
        limits: Component::default().stream_limits(),
        certificates: None,
        meter: Arc::default(),
        lingers: false,
        side: |meter| &meter.streams_to_servers,
    };
    let servers = grants.iter().map(|grant| Server::parse(grant).unwrap());
    let clients = TcpClients::new(Arc::default());
    let access = clients.access("a.wasm", servers.collect(), [10, 10], Arc::new(terms));
    let access = Arc::into_inner(access).expect("one owner");
    Arc::new(Access { resolver, ..access })
}

/// By the SDK.
async fn connected(access: &Arc<Access>, host: &str, port: u16) -> Result<(), Fault> {
    let destination = Destination {
        host: host.to_owned(),
        port,
        tls: false,
        within: Duration::from_millis(100),
    };
    access.clone().connect(destination).await.map(|_| ())
}

fn is_prohibited<T>(result: &Result<T, Fault>, address: &str) -> bool {
    matches!(result, Err(Fault::Unreached(Unreached::Prohibited(found))) if *found == ip(address))
}

/// A server that is never dialled, and its port.
async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_or_its_link_is_never_dialled() {
    let (listener, port) = listener().await;
    let grant = format!("granted.test:{port}");
    for bad in BAD {
        // Alone, and with one that would do, in both orders.
        for answer in [&[bad][..], &[HARMLESS, bad], &[bad, HARMLESS]] {
            let resolver = Fickle::saying(&[answer, answer]);
            let access = access(&[&grant], resolver.clone());
            let by_the_sdk = connected(&access, "granted.test", port).await;
            assert!(is_prohibited(&by_the_sdk, bad), "{bad}: {by_the_sdk:?}");
            let by_wasi = access.addresses_of("granted.test").await;
            assert!(is_prohibited(&by_wasi, bad), "{bad}: {by_wasi:?}");
            assert_eq!(resolver.asked(), 2, "once for each");
            for address in answer {
                let address = SocketAddr::new(ip(address), port);
                assert!(!access.permits(address), "{address}");
            }
        }
    }
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn a_name_whose_answer_changes_leads_only_where_it_may_at_that_time() {
    let (listener, port) = listener().await;
    let grant = format!("rebound.test:{port}");
    for bad in BAD {
        let resolver = Fickle::saying(&[&[HARMLESS], &[bad], &[HARMLESS], &[bad], &[bad]]);
        let access = access(&[&grant], resolver.clone());

        let first = connected(&access, "rebound.test", port).await;
        assert!(
            first.is_err() && !is_prohibited(&first, bad),
            "{bad}: {first:?}"
        );
        assert_eq!(
            resolver.asked(),
            1,
            "what was checked is dialled, and not looked up again"
        );
        let second = connected(&access, "Rebound.TEST", port).await;
        assert!(is_prohibited(&second, bad), "{second:?}");

        let (good, bad_one) = (
            SocketAddr::new(ip(HARMLESS), port),
            SocketAddr::new(ip(bad), port),
        );
        assert!(!access.permits(good), "by the SDK nothing is found");
        let found = access.addresses_of("rebound.test").await;
        assert_eq!(found.unwrap(), [ip(HARMLESS)]);
        assert!(access.permits(good));
        let found = access.addresses_of("rebound.test").await;
        assert!(is_prohibited(&found, bad), "{found:?}");
        assert!(access.permits(good) && !access.permits(bad_one));

        // WASI 0.2 tells of one address at a time.
        assert!(access.found("rebound.test", &[ip(bad)]).is_err());
        assert!(!access.permits(bad_one));
        // What WASI has found is nothing to the SDK.
        let again = connected(&access, "rebound.test", port).await;
        assert!(is_prohibited(&again, bad), "{again:?}");
        let by_address = connected(&access, HARMLESS, port).await;
        assert!(
            matches!(by_address, Err(Fault::NotGranted)),
            "{by_address:?}"
        );
        assert_eq!(resolver.asked(), 5);
    }
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn what_one_name_has_led_to_is_not_permitted_by_another() {
    let resolver = Fickle::saying(&[&["192.0.2.1"], &["192.0.2.2"]]);
    let access = access(&["one.test:1", "two.test:2", "192.0.2.3:3"], resolver);
    let permitted = || {
        let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(ip);
        let all = addresses
            .iter()
            .flat_map(|ip| [1, 2, 3].map(|port| (*ip, port)));
        let permitted = all.filter(|(ip, port)| access.permits(SocketAddr::new(*ip, *port)));
        permitted.collect::<Vec<_>>()
    };
    assert_eq!(permitted(), [(ip("192.0.2.3"), 3)]);
    access.addresses_of("one.test").await.unwrap();
    assert_eq!(permitted(), [(ip("192.0.2.1"), 1), (ip("192.0.2.3"), 3)]);
    access.addresses_of("two.test").await.unwrap();
    let all = [
        (ip("192.0.2.1"), 1),
        (ip("192.0.2.2"), 2),
        (ip("192.0.2.3"), 3),
    ];
    assert_eq!(permitted(), all);
    // Addresses are looked up freely, and nothing follows from that.
    access.addresses_of("192.0.2.4").await.unwrap();
    access.addresses_of("127.0.0.1").await.unwrap();
    for address in ["192.0.2.4:1", "127.0.0.1:1", "127.0.0.1:3"] {
        assert!(!access.permits(address.parse().unwrap()), "{address}");
    }
    for name in ["three.test", "a.one.test", "test", "one.test."] {
        let found = access.addresses_of(name).await;
        assert!(matches!(found, Err(Fault::NotGranted)), "{name}: {found:?}");
    }
}

#[tokio::test]
async fn what_localhost_leads_to_is_no_answer_of_a_resolver() {
    let (listener, port) = listener().await;
    let resolver = Fickle::saying(&[]);
    let access = access(&[&format!("localhost:{port}")], resolver.clone());
    connected(&access, "LocalHost", port).await.unwrap();
    assert!(listener.accept().now_or_never().is_some());
    let found = access.addresses_of("localhost").await;
    assert_eq!(found.unwrap(), [ip("127.0.0.1"), ip("::1")]);
    // WASI 0.2 has asked the system.
    for bad in [HARMLESS, "0.0.0.0", "::ffff:127.0.0.1", "169.254.169.254"] {
        assert!(access.found("localhost", &[ip(bad)]).is_err(), "{bad}");
        assert!(!access.permits(SocketAddr::new(ip(bad), port)), "{bad}");
    }
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_not_dialled_where_it_is_granted() {
    let (listener, port) = listener().await;
    let hosts = [
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "169.254.169.254",
        "[fe80::1]",
        "255.255.255.255",
    ];
    for host in hosts {
        let grant = format!("{host}:{port}");
        let access = access(&[&grant], Fickle::saying(&[]));
        let bad = host.trim_matches(['[', ']']);
        let refused = connected(&access, host, port).await;
        assert!(is_prohibited(&refused, bad), "{host}: {refused:?}");
        assert!(!access.permits(grant.parse().unwrap()), "{host}");
    }
    assert!(listener.accept().now_or_never().is_none());
}

#[test]
fn a_granted_address_permits_no_other_that_leads_to_the_same_machine() {
    let access = access(&["127.0.0.1:1", "[::1]:2"], Fickle::saying(&[]));
    let permits = |address: &str| access.permits(address.parse().unwrap());
    assert!(permits("127.0.0.1:1") && permits("[::1]:2"));
    for other in [
        "127.0.0.1:0",
        "127.0.0.1:2",
        "127.0.0.2:1",
        "0.0.0.0:1",
        "[::]:2",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
        "[::ffff:127.0.0.1%1]:1",
        "[::127.0.0.1]:1",
        "[64:ff9b::7f00:1]:1",
        "[fe80::1%1]:2",
    ] {
        assert!(!permits(other), "{other}");
    }
}

#[test]
fn of_many_addresses_of_a_name_the_latest_are_known() {
    let access = access(&["many.test:1"], Fickle::saying(&[]));
    let address = |number: usize| IpAddr::from([192, 0, 2, u8::try_from(number).unwrap()]);
    for number in 0..=MAX_ADDRESSES {
        access.found("many.test", &[address(number)]).unwrap();
    }
    let permits = |number| access.permits(SocketAddr::new(address(number), 1));
    assert!(!permits(0));
    assert!((1..=MAX_ADDRESSES).all(permits));
}
