//! Encrypted connections: which certificate a client sees, whose certificate is asked for, and what becomes of
//! connections when certificates are replaced.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::tls::{Authority, Pair, connect};
use crate::harness::{App, Running, example, guest, renumbered, soon};

const LISTEN: &str = "listen = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n";
const ONE: &str = "tls = { cert = \"cert.pem\", key = \"key.pem\" }\n";

/// An app with these lines in `[server]`.
fn app(server: &str) -> App {
    App::new()
        .handler("hello.wasm", example("hello"))
        .handler("echo.wasm", guest("echo"))
        .config(&format!("[server]\n{LISTEN}{server}"))
}

impl App {
    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).unwrap();
        self
    }

    fn pair(self, pair: &Pair) -> Self {
        self.file("cert.pem", &pair.cert).file("key.pem", &pair.key)
    }
}

/// Puts a file in the place of another.
fn replace(running: &Running, name: &str, text: &str) {
    let aside = running.app.path().join(".aside");
    std::fs::write(&aside, text).unwrap();
    std::fs::rename(aside, running.app.path().join(name)).unwrap();
}

async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

fn der(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_handler_sees_that_it_is_https() {
    let authority = Authority::new();
    let server = app(ONE)
        .pair(&authority.sign(&["a.example"]))
        .serve_where_it_says()
        .await;
    let client = authority.client(&[], None);
    let mut stream = connect(&client, server.address, "a.example").await.unwrap();
    let answer = get(&mut stream, "/echo").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"protocol\":\"https\""), "{answer}");
    assert!(answer.contains("\"host\":\"a.example\""), "{answer}");
}

#[tokio::test]
async fn the_protocol_is_agreed_on_by_alpn() {
    let authority = Authority::new();
    let server = app(ONE)
        .pair(&authority.sign(&["a.example"]))
        .serve_where_it_says()
        .await;
    for (offered, agreed) in [
        (&[][..], None),
        (&["http/1.1"], Some(&b"http/1.1"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
    ] {
        let client = authority.client(offered, None);
        let stream = connect(&client, server.address, "a.example").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
    }
    let client = authority.client(&["gopher"], None);
    assert!(connect(&client, server.address, "a.example").await.is_err());
}

#[tokio::test]
async fn http2_is_served_to_who_wants_it() {
    let authority = Authority::new();
    let server = app(ONE)
        .pair(&authority.sign(&["a.example"]))
        .serve_where_it_says()
        .await;
    let client = authority.client(&["h2"], None);
    let stream = connect(&client, server.address, "a.example").await.unwrap();
    let (mut h2, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://a.example/echo?a=b")
        .body(())
        .unwrap();
    let (response, _) = h2.send_request(request, true).unwrap();
    let response = soon(response).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(data) = soon(body.data()).await {
        text.extend(data.unwrap());
    }
    let echo: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(echo["uri"], "/echo?a=b");
    assert_eq!(echo["host"], "a.example");
    assert_eq!(echo["protocol"], "https");
    assert_eq!(echo["version"], "HTTP/2.0");
    assert_eq!(echo["headers"], serde_json::json!([["host", "a.example"]]));
}

/// However little of it comes at a time.
#[tokio::test]
async fn a_handshake_has_as_long_as_a_head() {
    let authority = Authority::new();
    let server = app(&format!("{ONE}header_timeout = \"300ms\"\n"))
        .pair(&authority.sign(&["a.example"]))
        .serve_where_it_says()
        .await;
    for begin in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        let closed = async {
            loop {
                let pause = Duration::from_millis(20);
                let read = tokio::time::timeout(pause, stream.read_u8()).await;
                if read.is_ok() {
                    return;
                }
                if !begin.is_empty() && stream.write_u8(0).await.is_err() {
                    return;
                }
            }
        };
        soon(closed).await;
    }
}

#[tokio::test]
async fn the_certificate_is_the_one_for_the_name() {
    let authority = Authority::new();
    let first = authority.sign(&["a.example"]);
    let second = authority.sign(&["b.example", "*.c.example"]);
    let server = app(
        "tls = { certificates = [{ cert = \"cert.pem\", key = \"key.pem\" }, \
         { cert = \"b.pem\", key = \"b.key\" }] }\n",
    )
    .pair(&first)
    .file("b.pem", &second.cert)
    .file("b.key", &second.key)
    .serve_where_it_says()
    .await;
    let client = authority.client(&[], None);
    for (name, pair) in [
        ("a.example", &first),
        ("b.example", &second),
        ("x.c.example", &second),
    ] {
        let stream = connect(&client, server.address, name).await.unwrap();
        assert_eq!(shown(&stream), der(pair), "{name}");
    }
    // Any other name gets the first, and its client turns away.
    assert!(connect(&client, server.address, "d.example").await.is_err());
}

#[tokio::test]
async fn clients_show_certificates_where_they_must() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let pair = authority.sign(&["a.example"]);
    let known = authority.sign(&["client"]);
    let unknown = stranger.sign(&["client"]);
    for (auth, without) in [("required", false), ("optional", true)] {
        let server = app(&format!(
            "tls = {{ cert = \"cert.pem\", key = \"key.pem\", client_ca = \"ca.pem\", \
             client_auth = \"{auth}\" }}\n"
        ))
        .pair(&pair)
        .file("ca.pem", &authority.pem())
        .serve_where_it_says()
        .await;
        for (shows, let_in) in [
            (Some(&known), true),
            (Some(&unknown), false),
            (None, without),
        ] {
            let client = authority.client(&[], shows);
            // In TLS 1.3 a client is done before the server has looked at what it shows.
            let answered = async {
                let mut stream = connect(&client, server.address, "a.example").await?;
                stream.write_all(b"GET /hello HTTP/1.0\r\n\r\n").await?;
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await
            };
            let answered = soon(answered).await;
            assert_eq!(answered.is_ok_and(|bytes| bytes > 0), let_in, "{auth}");
        }
    }
}

#[tokio::test]
async fn a_handler_sees_the_certificate_that_its_client_shows() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let known = clients.sign(&["ada"]);
    let server = App::new()
        .handler("members.wasm", guest("members"))
        .config(&format!(
            "[server]\n{LISTEN}tls = {{ cert = \"cert.pem\", key = \"key.pem\", \
             client_ca = \"ca.pem\", client_auth = \"optional\" }}\n"
        ))
        .pair(&ours.sign(&["a.example"]))
        .file("ca.pem", &clients.pem())
        .serve_where_it_says()
        .await;
    let der = CertificateDer::from_pem_slice(known.cert.as_bytes()).unwrap();
    let shown: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    for (shows, seen) in [(Some(&known), shown.as_str()), (None, "")] {
        let client = ours.client(&[], shows);
        let mut stream = connect(&client, server.address, "a.example").await.unwrap();
        let answer = get(&mut stream, "/certificate").await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, seen);
    }
}

#[tokio::test]
async fn an_address_may_stay_plain() {
    let authority = Authority::new();
    let server = App::new()
        .handler("hello.wasm", example("hello"))
        .config(&format!(
            "[server]\nlisten = [\"http://127.0.0.1:0\", \"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n{ONE}"
        ))
        .pair(&authority.sign(&["a.example"]))
        .serve_where_it_says()
        .await;
    assert_eq!(server.get("/hello").await.status, 200);
    server.log.line_with("serving on https://").await;
}

#[tokio::test]
async fn what_is_no_tls_is_hung_up_on() {
    let authority = Authority::new();
    let mut server = app(ONE)
        .pair(&authority.sign(&["a.example"]))
        .serve_where_it_says()
        .await;
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        &[0x16; 600],
        &[0; 1],
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP"));
    }
    assert!(server.is_alive());
}

/// Asks again and again, each time over a new connection, of which every other is kept for a second request.
async fn ask(
    address: SocketAddr,
    client: TlsConnector,
    over: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
) {
    while !over.load(SeqCst) {
        let mut stream = connect(&client, address, "a.example").await.unwrap();
        stream
            .write_all(b"GET /hello HTTP/1.1\r\nHost: a.example\r\n\r\n")
            .await
            .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        // Behind what is left of the first answer.
        let rest = get(&mut stream, "/hello").await;
        assert!(
            rest.contains("\r\n\r\nHello, worldHTTP/1.1 200 OK\r\n"),
            "{rest}"
        );
        asked.fetch_add(2, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_replaced_under_load_loses_no_request() {
    let authority = Authority::new();
    let first = authority.sign(&["a.example"]);
    let server = app(ONE).pair(&first).serve_where_it_says().await;
    let client = authority.client(&[], None);
    let mut kept = connect(&client, server.address, "a.example").await.unwrap();
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (over, asked) = (over.clone(), Arc::clone(&asked));
        clients.spawn(ask(server.address, client.clone(), over, asked));
    }
    for turn in 2..7 {
        let next = authority.sign(&["a.example"]);
        // The two files at once, as far as anybody can tell: a pair that does not fit is refused.
        replace(&server, "cert.pem", &next.cert);
        replace(&server, "key.pem", &next.key);
        server.until_generation(turn).await;
        let stream = connect(&client, server.address, "a.example").await.unwrap();
        assert_eq!(shown(&stream), der(&next), "turn {turn}");
        let before = asked.load(SeqCst);
        soon(async {
            while asked.load(SeqCst) < before + 20 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    over.store(true, SeqCst);
    soon(async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    })
    .await;
    // A connection that was there before all that has lost nothing either.
    assert_eq!(shown(&kept), der(&first));
    assert!(get(&mut kept, "/hello").await.ends_with("Hello, world"));
}

/// The link is in the middle of the paths, where nothing that is watched changes.
#[tokio::test]
async fn certificates_behind_a_link_that_is_turned_are_taken_up() {
    let authority = Authority::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let at = |name: &str| elsewhere.path().join(name);
    let write = |folder: &str, pair: &Pair| {
        std::fs::create_dir_all(at(folder)).unwrap();
        std::fs::write(at(folder).join("cert.pem"), &pair.cert).unwrap();
        std::fs::write(at(folder).join("key.pem"), &pair.key).unwrap();
    };
    let pairs = [(); 3].map(|()| authority.sign(&["a.example"]));
    write("first/live", &pairs[0]);
    write("second/live", &pairs[1]);
    std::os::unix::fs::symlink(at("first"), at("current")).unwrap();
    let folder = at("current/live");
    let server = app(&format!(
        "tls = {{ cert = '{0}/cert.pem', key = '{0}/key.pem' }}\n",
        folder.display()
    ))
    .serve_where_it_says()
    .await;
    let client = authority.client(&[], None);
    let turn = || {
        std::os::unix::fs::symlink(at("second"), at("turning")).unwrap();
        std::fs::rename(at("turning"), at("current")).unwrap();
    };
    // And what is written there afterwards.
    let rewrite = || write("second/live", &pairs[2]);
    for (generation, act) in [(2, &turn as &dyn Fn()), (3, &rewrite)] {
        act();
        server.until_generation(generation).await;
        let pair = &pairs[generation as usize - 1];
        let stream = connect(&client, server.address, "a.example").await.unwrap();
        assert_eq!(shown(&stream), der(pair));
    }
}

/// Both are taken away before both come, as a renewal may do it, and the old ones hold until then.
#[tokio::test]
async fn certificates_that_are_away_for_a_moment_are_kept() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.example"]);
    let server = app(ONE).pair(&pair).serve_where_it_says().await;
    let client = authority.client(&[], None);
    for name in ["cert.pem", "key.pem"] {
        std::fs::remove_file(server.app.path().join(name)).unwrap();
    }
    // Another change is not held up by that.
    server
        .app
        .replace("hello.wasm", &renumbered(example("hello"), 1));
    server.until_generation(2).await;
    let stream = connect(&client, server.address, "a.example").await.unwrap();
    assert_eq!(shown(&stream), der(&pair));
    let next = authority.sign(&["a.example"]);
    replace(&server, "cert.pem", &next.cert);
    replace(&server, "key.pem", &next.key);
    server.until_generation(3).await;
    let stream = connect(&client, server.address, "a.example").await.unwrap();
    assert_eq!(shown(&stream), der(&next));
}

#[tokio::test]
async fn a_broken_certificate_keeps_the_old_and_says_so() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.example"]);
    let server = app(ONE).pair(&pair).serve_where_it_says().await;
    let client = authority.client(&[], None);
    let other = authority.sign(&["a.example"]);
    for (name, broken, said) in [
        ("cert.pem", "", "cert.pem: holds no certificate"),
        ("cert.pem", other.cert.as_str(), "key.pem: does not go with"),
        ("key.pem", "nonsense", "key.pem: holds no private key"),
    ] {
        replace(&server, name, broken);
        let status = server
            .until(|status| {
                let error = status["last_swap"]["error"].as_str();
                error.is_some_and(|error| error.contains(said))
            })
            .await;
        assert_eq!(status["generation"], 1);
        let stream = connect(&client, server.address, "a.example").await.unwrap();
        assert_eq!(shown(&stream), der(&pair));
        replace(&server, "cert.pem", &pair.cert);
        replace(&server, "key.pem", &pair.key);
        server.until_swap_is(true).await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_a_fault_at_start() {
    let authority = Authority::new();
    let (code, said) = app(ONE)
        .file("cert.pem", &authority.sign(&["a.example"]).cert)
        .run("check");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("key.pem: can't be read: No such file"),
        "{said}"
    );
}
