//! Spellings of servers, each by all ways to dial one: what is not granted is never dialled, and what is granted is, so
//! that it is known which of them lead anywhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::net::TcpListener;

use super::{WAYS, app, dialled, echo};
use crate::harness::{App, Running, guest};

/// Of `127.0.0.1`.
const IPV4: [&str; 24] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.000.000.001",
    "127.0.0.0x1",
    "0177.0.0.1",
    "0177.1",
    "017700000001",
    "0x7f.0.0.1",
    "0X7F.0x0.0x0.0x1",
    "0x7f.1",
    "0x7f000001",
    "0x000000007F000001",
    "2130706433",
    "127%2E0%2e0%2E1",
    "%31%32%37.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
    "127\u{ff61}0\u{ff61}0\u{ff61}1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "𝟏𝟐𝟕.1",
    "127.0.0\u{ad}.1",
];

/// Of `::1`.
const IPV6: [&str; 9] = [
    "::1",
    "[::1]",
    "[0::1]",
    "[::0:1]",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::0.0.0.1",
    "[::0.0.0.1]",
    "::1%1",
];

/// Of `localhost`.
const NAME: [&str; 9] = [
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "ｌｏｃａｌｈｏｓｔ",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "localho\u{17f}t",
    "local\u{ad}host",
    "loc%61lhost",
    "%6C%6F%63%61%6C%68%6F%73%74",
];

/// Of none of these, though some lead to this machine, and some look like one of these.
const OTHERS: [&str; 110] = [
    // This machine, by other addresses.
    "0",
    "0x0",
    "0.0.0.0",
    "0.0.0.1",
    "::",
    "[::]",
    "0:0:0:0:0:0:0:0",
    "127.0.0.0",
    "127.0.0.2",
    "127.2",
    "127.255.255.254",
    // Its IPv4 address in one of IPv6.
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "[::FFFF:127.0.0.1]",
    "::ffff:0.0.0.0",
    "::ffff:127.0.0.1%1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "2002:7f00:1::",
    "2001:db8::5efe:127.0.0.1",
    // A link, a cloud's metadata, all machines.
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "::ffff:169.254.169.254",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "255.255.255.255",
    "224.0.0.1",
    "ff01::1",
    "ff02::1%1",
    // Numbers that are no address.
    "256.0.0.1",
    "127.0.0.256",
    "127.0.0.1.1",
    "127.0.0.-1",
    "4294967297",
    "6425673729",
    "0x17f000001",
    "127.0.0.09",
    "127..1",
    "127.0.0.1..",
    ".127.0.0.1",
    "[127.0.0.1]",
    "1.0.0.127.in-addr.arpa",
    "::1::",
    "::1]",
    "[::1",
    "[[::1]]",
    "[]",
    "[::1%1]",
    "[::1%25lo]",
    "::1%lo",
    // Names close to a granted one.
    "localhost.",
    "localhost..",
    ".localhost",
    "localhost\u{3002}",
    "localhost.localdomain",
    "ip6-localhost",
    "a.localhost",
    "127.0.0.1.localhost",
    "ocalhost",
    "localhost2",
    "local",
    "l\u{43e}calhost",
    "xn--lcalhost-nbh",
    "xn--localhost-",
    "local\u{200d}host",
    "\u{202e}tsohlacol",
    "invalid",
    "a.db.invalid",
    "db.invalid.",
    "db.invalid.example",
    "xdb.invalid",
    "bücher.invalid",
    "xn--bcher-kva.invalid",
    "*",
    "*.invalid",
    "local*",
    "localhos?",
    // More than a host.
    "localhost:80",
    "127.0.0.1:80",
    "[::1]:80",
    "user@127.0.0.1",
    "user:word@localhost",
    "db.invalid@localhost",
    "localhost@db.invalid",
    "db.invalid#@localhost",
    "http://127.0.0.1",
    "tcp://localhost",
    "//127.0.0.1",
    "127.0.0.1/8",
    "localhost/",
    "localhost?",
    "localhost#",
    "localhost\\",
    "localhost,db.invalid",
    "localhost db.invalid",
    // Characters that end a text elsewhere, or are passed over.
    "127.0.0.1\0",
    "\0localhost",
    "localhost\0.db.invalid",
    "db.invalid\r\nlocalhost",
    "local\thost",
    "127.0.0.1%00",
    "127.0.0.1%0a",
    "",
    ".",
    "%",
];

/// The same with what a shell or a form would strip.
const BLANKS: [&str; 6] = [
    " 127.0.0.1",
    "127.0.0.1 ",
    "\t127.0.0.1",
    "localhost\n",
    "localhost\r\n",
    "\u{a0}localhost",
];

/// Servers on one port of all addresses of loopback that there are, and how often they were dialled.
struct Servers {
    port: u16,
    addresses: Vec<IpAddr>,
    dials: Arc<AtomicUsize>,
}

impl Servers {
    async fn start() -> Self {
        let first = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = first.local_addr().expect("its address").port();
        let mut servers = Self {
            port,
            addresses: Vec::new(),
            dials: Arc::default(),
        };
        servers.add(first);
        let more: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), [127, 0, 0, 2].into()];
        for address in more {
            match TcpListener::bind((address, port)).await {
                Ok(listener) => servers.add(listener),
                Err(error) => println!("not on this system: {address}: {error}"),
            }
        }
        servers
    }

    fn add(&mut self, listener: TcpListener) {
        let address = listener.local_addr().expect("its address").ip();
        self.addresses.push(address);
        let dials = self.dials.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                dials.fetch_add(1, SeqCst);
                tokio::spawn(echo(stream));
            }
        });
    }

    fn has(&self, address: impl Into<IpAddr>) -> bool {
        self.addresses.contains(&address.into())
    }

    /// How often since this was asked last.
    fn dials(&self) -> usize {
        self.dials.swap(0, SeqCst)
    }
}

/// Dials by all ways what must not be reached.
async fn refused(app: &Running, host: &str, port: u16) {
    for by in WAYS {
        let answer = dialled(app, by, host, port).await;
        assert!(
            answer["error"].is_string(),
            "{host:?}:{port} by {by}: {answer}"
        );
    }
}

/// By which ways it is reached.
async fn reached(app: &Running, host: &str, port: u16) -> Vec<&'static str> {
    let mut reached = Vec::new();
    for by in WAYS {
        let answer = dialled(app, by, host, port).await;
        if answer["told"] == "hello\n" {
            reached.push(by);
        } else {
            assert!(answer["error"].is_string(), "{host:?} by {by}: {answer}");
        }
    }
    reached
}

/// Texts that are made, not written: very long ones, and such with the server's port in them.
fn made(port: u16) -> Vec<String> {
    let wrapped = u32::from(port) + 65_536;
    vec![
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("localhost:{wrapped}"),
        format!("db.invalid:{port}@127.0.0.1"),
        "a".repeat(64),
        format!("{}127.0.0.1", "0".repeat(300)),
        format!("{}.localhost", "a.".repeat(100)),
        format!("localhost{}", ".".repeat(4000)),
    ]
}

#[tokio::test]
async fn what_is_not_granted_is_never_dialled_however_it_is_spelled() {
    let servers = Servers::start().await;
    let port = servers.port;
    let made = made(port);
    let others: Vec<&str> = OTHERS
        .into_iter()
        .chain(BLANKS)
        .chain(made.iter().map(String::as_str))
        .collect();
    let all = [&IPV4[..], &IPV6, &NAME, &others].concat();
    let different: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(different.len(), all.len(), "one is there twice");
    assert!(all.len() >= 60);

    let none = App::new()
        .handler("tcp_client.wasm", guest("tcp_client"))
        .serve()
        .await;
    // Other ports of this machine, other names, other addresses: none of these is the server.
    let neighbours = [
        format!("127.0.0.1:{}", port - 1),
        format!("[::1]:{}", port - 1),
        format!("localhost:{}", port - 1),
        format!("db.invalid:{port}"),
        format!("192.0.2.1:{port}"),
    ];
    let some = app(&neighbours, "").serve().await;
    for app in [&none, &some] {
        for host in &all {
            refused(app, host, port).await;
        }
        for what in ["listen", "udp"] {
            let answer = dialled(app, what, "127.0.0.1", port).await;
            assert!(answer["error"].is_string(), "{what}: {answer}");
        }
    }
    assert_eq!(servers.dials(), 0);
    let log = some.log.text();
    let said = format!("a connection to 127.0.0.1:{port} is refused");
    assert!(log.contains(&said), "{log}");

    // The server itself is granted, by one of its names. All others are still not.
    let groups = [
        ("127.0.0.1", &IPV4[..], [&IPV6[..], &NAME]),
        ("[::1]", &IPV6, [&IPV4, &NAME]),
        ("localhost", &NAME, [&IPV4, &IPV6]),
    ];
    for (granted, same, not_granted) in groups {
        let app = app(&[format!("{granted}:{port}")], "").serve().await;
        for host in not_granted.concat().iter().chain(&others) {
            refused(&app, host, port).await;
        }
        assert_eq!(servers.dials(), 0, "{granted}");
        if granted == "[::1]" && !servers.has(Ipv6Addr::LOCALHOST) {
            continue;
        }
        assert_eq!(reached(&app, granted, port).await, WAYS, "{granted}");
        assert!(servers.dials() >= WAYS.len(), "{granted}");
        for host in same {
            let ways: &[&str] = match *host {
                // A link's number is no part of a host, and means nothing here.
                "::1%1" => &["0.2", "0.3"],
                _ => &WAYS,
            };
            assert_eq!(reached(&app, host, port).await, ways, "{host:?}");
            assert!(servers.dials() >= ways.len(), "{host:?}");
        }
    }
}

#[tokio::test]
async fn another_port_of_a_granted_server_is_never_dialled() {
    let (servers, other) = (Servers::start().await, Servers::start().await);
    let grants = ["127.0.0.1", "[::1]", "localhost"].map(|host| format!("{host}:{}", servers.port));
    let app = app(&grants, "").serve().await;
    // What its names lead to is known now.
    assert_eq!(reached(&app, "localhost", servers.port).await, WAYS);
    for port in [other.port, 0] {
        for host in [&IPV4[..], &IPV6, &NAME].concat() {
            refused(&app, host, port).await;
        }
    }
    assert_eq!(other.dials(), 0);
    assert!(servers.dials() >= WAYS.len());
}

#[tokio::test]
async fn what_a_granted_name_has_led_to_is_dialled_and_no_other_address_of_this_machine() {
    let servers = Servers::start().await;
    let port = servers.port;
    let app = app(&[format!("localhost:{port}")], "").serve().await;
    refused(&app, "127.0.0.1", port).await;
    assert_eq!(servers.dials(), 0);
    assert_eq!(reached(&app, "localhost", port).await, WAYS);
    servers.dials();
    // The name has led a guest's own stack there. The SDK knows only what is granted.
    assert_eq!(
        reached(&app, "127.0.0.1", port).await,
        ["std", "0.2", "0.3"]
    );
    assert_eq!(servers.dials(), 3);
    for host in ["127.0.0.2", "0.0.0.0", "::", "::ffff:127.0.0.1"] {
        refused(&app, host, port).await;
    }
    assert_eq!(servers.dials(), 0);
}

#[tokio::test]
async fn a_grant_of_an_address_that_is_reached_by_nobody_changes_nothing() {
    let servers = Servers::start().await;
    let port = servers.port;
    // The system would take the first ones for this machine.
    let hosts = [
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "[fe80::1]",
        "255.255.255.255",
        "224.0.0.1",
    ];
    let app = app(&hosts.map(|host| format!("{host}:{port}")), "")
        .serve()
        .await;
    for host in hosts
        .into_iter()
        .chain(["0", "::ffff:127.0.0.1", "127.0.0.1"])
    {
        refused(&app, host, port).await;
    }
    assert_eq!(servers.dials(), 0);
    assert!(servers.has(Ipv4Addr::LOCALHOST));
}
