//! Who may be reached: the names of this machine, the app itself, proxies.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Version};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{acceptor, encoded, fetched, fetching, mirror, origin, redirect, seen, serving};
use crate::harness::Peer;
use crate::harness::tls::Authority;

/// Spellings of this machine and its link. What is no authority at all is refused before.
const SPELLINGS: [&str; 46] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0x7f.1",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "127.0.0.1.",
    "localhost",
    "LocalHost",
    "LOCALHOST.",
    "localhost.localdomain",
    "a.localhost",
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:7f00:0001::1]",
    "[2001:0:0:0:0:0:80ff:fffe]",
    "169.254.169.254",
    "169.254.0.1",
    "0xa9fea9fe",
    "2852039166",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[::ffff:169.254.169.254]",
    "user@127.0.0.1",
    "granted.example@127.0.0.1",
    "granted.example%00.127.0.0.1",
    "１２７.０.０.１",
    "127。0。0。1",
];

#[tokio::test]
async fn no_spelling_of_this_machine_is_reached_without_a_grant() {
    // Who is not to be reached, by both families.
    let secret = Peer::saying("secret").await;
    let port = secret.port();
    let six = TcpListener::bind(("::1", port)).await;
    let leading = leading().await;
    let server = serving(&[origin(&leading), "http://granted.example".to_owned()]).await;
    for spelling in SPELLINGS {
        for url in [
            format!("http://{spelling}:{port}/"),
            format!("https://{spelling}:{port}/"),
        ] {
            let direct = fetched(&server, &url, "").await;
            assert_eq!(direct["code"], 599, "{url}: {direct}");
            let led = format!("{}/?{}", origin(&leading), encoded(&url));
            let led = fetched(&server, &led, "").await;
            assert_eq!(led["code"], 599, "{url}: {led}");
        }
    }
    assert_eq!(secret.accepted(), 0);
    if let Ok(six) = six {
        let came = tokio::time::timeout(Duration::from_millis(50), six.accept()).await;
        assert!(came.is_err(), "{came:?}");
    }
    // All redirects were asked for, so all of this was tried.
    assert_eq!(leading.counts.requests.load(SeqCst), SPELLINGS.len() * 2);
    let line = server.log.line_with("is refused").await;
    let hint =
        format!("http://127.0.0.1:{port} is refused: to grant it, add \"http://127.0.0.1:{port}\"");
    assert!(line.contains(&hint), "{line}");
    assert!(line.contains("[component.\"http_client.wasm\"]"), "{line}");
}

/// Leads on to whatever its query says.
pub async fn leading() -> Peer {
    let leading = Peer::start(|request: Request<Incoming>| async move {
        let to = request.uri().query().unwrap_or_default().to_owned();
        redirect(&percent_encoding::percent_decode_str(&to).decode_utf8_lossy())
    });
    leading.await
}

#[tokio::test]
async fn a_granted_name_does_not_lead_to_this_machine_or_its_link() {
    let (secret, leading) = (Peer::saying("secret").await, leading().await);
    let port = secret.port();
    let bad = [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "255.255.255.255",
        "224.0.0.1",
    ];
    let named = bad.iter().enumerate();
    let mapping: Vec<String> = named
        .map(|(at, address)| format!("\"n{at}.example\" = {address:?}"))
        .collect();
    let client = format!(
        "[http_client]\nhostname_mapping = {{ {} }}\n",
        mapping.join(", ")
    );
    let names = (0..bad.len()).map(|at| format!("http://n{at}.example:{port}"));
    let grants: Vec<String> = names.chain([origin(&leading)]).collect();
    let server = fetching(&grants, &client).serve().await;
    for grant in &grants[..bad.len()] {
        let led = format!("{}/?{}", origin(&leading), encoded(grant));
        for url in [grant, &led] {
            let refused = fetched(&server, url, "").await;
            let error = refused["error"].as_str().unwrap_or_default();
            assert!(error.contains("leads to this machine"), "{url}: {refused}");
        }
    }
    assert_eq!(secret.accepted(), 0);
    assert_eq!(leading.counts.requests.load(SeqCst), bad.len());
}

#[tokio::test]
async fn self_is_the_app_and_neither_its_admin_nor_its_neighbours() {
    let neighbour = Peer::saying("neighbour").await;
    let server = serving(&["self".to_owned()]).await;
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost"] {
        let own = fetched(&server, &format!("http://{host}:{port}/none"), "").await;
        assert_eq!(own["code"], 404, "{own}");
    }
    for other in [
        format!("http://127.0.0.1:{}/", server.admin.port()),
        format!("{}/", origin(&neighbour)),
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.2:{port}/"),
    ] {
        let refused = fetched(&server, &other, "").await;
        assert_eq!(refused["code"], 599, "{other}: {refused}");
        assert!(
            refused["error"]
                .as_str()
                .unwrap()
                .starts_with("Not granted"),
            "{refused}"
        );
    }
    assert_eq!(neighbour.accepted(), 0);
}

#[tokio::test]
async fn a_proxy_is_used_where_the_configuration_says_so() {
    let near = Peer::start(mirror).await;
    let proxy = Peer::start(mirror).await;
    let client = format!(
        "[http_client]\nproxy = \"http://gulliver:secret@127.0.0.1:{}\"\nno_proxy = [\"direct.example\"]\n\
         hostname_mapping = {{ \"direct.example\" = \"127.0.0.1\" }}\n",
        proxy.port()
    );
    let grants = [
        "http://far.example".to_owned(),
        format!("http://direct.example:{}", near.port()),
        origin(&near),
    ];
    let server = fetching(&grants, &client).serve().await;
    let by = seen(&fetched(&server, "http://far.example/a?b", "").await);
    assert_eq!(by["uri"], "http://far.example/a?b");
    assert_eq!(by["proxy-authorization"], "Basic Z3VsbGl2ZXI6c2VjcmV0");
    // What is on this machine needs none, and what is to be reached without one is looked up, and refused.
    let direct = seen(&fetched(&server, &origin(&near), "").await);
    assert_eq!(
        (&direct["uri"], &direct["proxy-authorization"]),
        (&"/".into(), &Value::Null)
    );
    let refused = fetched(
        &server,
        &format!("http://direct.example:{}/", near.port()),
        "",
    )
    .await;
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("leads to this machine"),
        "{refused}"
    );
    // The environment is not asked.
    let app =
        fetching(&grants, "").variable("http_proxy", std::path::Path::new("http://127.0.0.1:1"));
    let server = app.serve().await;
    assert_eq!(fetched(&server, &origin(&near), "").await["code"], 200);
}

#[tokio::test]
async fn through_a_proxy_https_is_a_tunnel() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let far = Peer::start_with(Some(acceptor(&authority.sign(&["far.example"]))), mirror).await;
    let (proxy, to) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), far.address);
    let port = proxy.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let (mut socket, _) = proxy.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut far = tokio::net::TcpStream::connect(to).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut socket, &mut far).await });
        String::from_utf8(head).unwrap()
    });
    let client = format!("[http_client]\nproxy = \"http://127.0.0.1:{port}\"\n");
    let app = fetching(&["https://far.example".to_owned()], &client);
    let server = app.variable("SSL_CERT_FILE", &roots).serve().await;
    let fetched = fetched(&server, "https://far.example/x", "").await;
    assert_eq!(
        seen(&fetched)["version"],
        format!("{:?}", Version::HTTP_2),
        "{fetched}"
    );
    assert!(
        asked
            .await
            .unwrap()
            .starts_with("CONNECT far.example:443 HTTP/1.1\r\n")
    );
}
