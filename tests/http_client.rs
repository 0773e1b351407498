//! Fetches of handlers: who may be reached, and what becomes of connections, bodies and time. The peers are the test's
//! own, on loopback.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response, Version};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify};
use tokio_rustls::TlsAcceptor;

use crate::harness::peer::{Body, whole};
use crate::harness::tls::{Authority, Pair};
use crate::harness::{App, LONG, Peer, Running, example, guest, soon};
use crate::response::mebibytes;

/// The guest that fetches what it is told to, granted these origins.
fn fetching(grants: &[String], more: &str) -> App {
    App::new()
        .handler("http_client.wasm", guest("http_client"))
        .config(&format!(
            "{more}\n[handler.\"http_client.wasm\"]\ninstances = 1\nallow = {{ http = {grants:?} }}\n"
        ))
}

async fn serving(grants: &[String]) -> Running {
    fetching(grants, "").serve().await
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// What the guest tells of a fetch; `more` is its query.
async fn fetched(server: &Running, url: &str, more: &str) -> Value {
    let answer = server
        .get(&format!("/one?url={}{more}", encoded(url)))
        .await;
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{url}: {answer:?}"))
}

fn origin(peer: &Peer) -> String {
    format!("http://127.0.0.1:{}", peer.port())
}

fn redirect(to: &str) -> Response<Body> {
    let response = Response::builder().status(302).header("location", to);
    response.body(whole("")).unwrap()
}

/// Says what it was asked.
async fn mirror(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let said = json!({
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "host": header("host"),
        "authorization": header("authorization"),
        "proxy-authorization": header("proxy-authorization"),
        "cookie": header("cookie"),
        "user-agent": header("user-agent"),
        "accept-encoding": header("accept-encoding"),
        "content-type": header("content-type"),
        "content-length": header("content-length"),
        "body": String::from_utf8_lossy(&body),
    });
    Response::new(whole(said.to_string()))
}

/// What a mirror has seen.
fn seen(fetched: &Value) -> Value {
    let body = fetched["body"]
        .as_str()
        .unwrap_or_else(|| panic!("{fetched}"));
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{fetched}"))
}

#[tokio::test]
async fn a_response_comes_as_it_was_sent() {
    let peer = Peer::start(mirror).await;
    let server = serving(&[origin(&peer)]).await;
    let url = format!("{}/a/b?c=d#e", origin(&peer));
    let more = "&method=POST&body=hello&header=Cookie:a%3Db&header=X:1&auth=gulliver:secret";
    let fetched = fetched(&server, &url, more).await;
    assert_eq!(fetched["code"], 200);
    assert_eq!(fetched["url"], format!("{}/a/b?c=d", origin(&peer)));
    let seen = seen(&fetched);
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["uri"], "/a/b?c=d");
    assert_eq!(seen["host"], format!("127.0.0.1:{}", peer.port()));
    assert_eq!(seen["authorization"], "Basic Z3VsbGl2ZXI6c2VjcmV0");
    assert_eq!(seen["cookie"], "a=b");
    assert_eq!(seen["content-length"], "5");
    assert_eq!(seen["body"], "hello");
    assert_eq!(seen["accept-encoding"], "gzip, br, zstd");
    assert_eq!(seen["user-agent"], "Waterspout/0.1.0");
}

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
    // Leads on to whatever its query says.
    let leading = Peer::start(|request: Request<Incoming>| async move {
        let to = request.uri().query().unwrap_or_default().to_owned();
        redirect(&percent_encoding::percent_decode_str(&to).decode_utf8_lossy())
    });
    let leading = leading.await;
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
    assert!(line.contains("[handler.\"http_client.wasm\"]"), "{line}");
}

#[tokio::test]
async fn a_granted_name_does_not_lead_to_this_machine_or_its_link() {
    let secret = Peer::saying("secret").await;
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
    let names: Vec<String> = (0..bad.len()).map(|at| format!("n{at}.example")).collect();
    let mapping: Vec<String> = names
        .iter()
        .zip(bad)
        .map(|(name, address)| format!("{name:?} = {address:?}"))
        .collect();
    let client = format!(
        "[http_client]\nhostname_mapping = {{ {} }}\n",
        mapping.join(", ")
    );
    let grants: Vec<String> = names
        .iter()
        .map(|name| format!("http://{name}:{port}"))
        .collect();
    let server = fetching(&grants, &client).serve().await;
    for grant in &grants {
        let refused = fetched(&server, &format!("{grant}/"), "").await;
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(
            error.contains("leads to this machine"),
            "{grant}: {refused}"
        );
    }
    assert_eq!(secret.accepted(), 0);
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
async fn one_connection_serves_one_fetch_after_the_other() {
    let peer = Peer::start(mirror).await;
    let server = serving(&[origin(&peer)]).await;
    for _ in 0..20 {
        let fetched = fetched(&server, &origin(&peer), "").await;
        assert_eq!(fetched["code"], 200, "{fetched}");
    }
    assert_eq!(peer.accepted(), 1);
    let metrics = soon(
        crate::harness::Client::connect(server.admin)
            .await
            .get("/metrics"),
    )
    .await;
    let count = "fetch_seconds_count{component=\"http_client.wasm\"} 20";
    assert!(metrics.body.contains(count), "{}", metrics.body);
}

fn acceptor(pair: &Pair) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_certificate_has_to_be_signed_for_the_name_and_http_2_is_spoken_over_it() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, known.pem()).unwrap();
    let good = Peer::start_with(Some(acceptor(&known.sign(&["localhost"]))), mirror).await;
    let stranger = Peer::start_with(Some(acceptor(&unknown.sign(&["localhost"]))), mirror).await;
    let misnamed = Peer::start_with(Some(acceptor(&known.sign(&["other.example"]))), mirror).await;
    let of = |peer: &Peer| format!("https://localhost:{}", peer.port());
    let grants = [of(&good), of(&stranger), of(&misnamed)];
    let app = fetching(&grants, "").variable("SSL_CERT_FILE", &roots);
    let server = app.serve().await;
    for _ in 0..3 {
        let fetched = fetched(&server, &format!("{}/x", of(&good)), "").await;
        assert_eq!(seen(&fetched)["version"], "HTTP/2.0", "{fetched}");
    }
    let urls: Vec<String> = (0..50)
        .map(|at| format!("url={}", encoded(&format!("{}/{at}", of(&good)))))
        .collect();
    let many = server.get(&format!("/many?{}", urls.join("&"))).await;
    assert_eq!(many.body.matches("\"code\":200").count(), 50, "{many:?}");
    assert_eq!(good.accepted(), 1, "all of them over one connection");
    for bad in [&stranger, &misnamed] {
        let refused = fetched(&server, &of(bad), "").await;
        let error = refused["error"].as_str().unwrap_or_default();
        assert!(error.contains("certificate is not accepted"), "{refused}");
        assert_eq!(bad.counts.requests.load(SeqCst), 0);
    }
}

#[tokio::test]
async fn a_redirect_keeps_what_it_may() {
    let other = Peer::start(mirror).await;
    let there = origin(&other);
    let leading = Peer::start(move |request: Request<Incoming>| {
        let there = there.clone();
        async move {
            let (code, to) = match request.uri().path() {
                "/302" => (302, "/mirror".to_owned()),
                "/303" => (303, "mirror".to_owned()),
                "/307" => (307, "/mirror".to_owned()),
                "/308" => (308, format!("{there}/over")),
                "/away" => (302, format!("{there}/over")),
                "/loop" => (302, "/loop".to_owned()),
                _ => return mirror(request).await,
            };
            let response = Response::builder().status(code).header("location", to);
            response.body(whole("")).unwrap()
        }
    });
    let leading = leading.await;
    let server = serving(&[origin(&leading), origin(&other)]).await;
    let secrets = "&auth=a:b&header=Cookie:c%3Dd&method=POST&body=x&header=Content-Type:text/plain";
    let go = async |path: &str, more: &str| {
        fetched(&server, &format!("{}{path}", origin(&leading)), more).await
    };
    for path in ["/302", "/303"] {
        let there = go(path, secrets).await;
        assert_eq!(there["url"], format!("{}/mirror", origin(&leading)));
        let seen = seen(&there);
        assert_eq!(
            (&seen["method"], &seen["body"]),
            (&"GET".into(), &"".into()),
            "{path}"
        );
        assert_eq!(
            (&seen["content-type"], &seen["content-length"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(
            seen["authorization"], "Basic YTpi",
            "the origin is the same"
        );
        assert_eq!(seen["cookie"], "c=d");
    }
    let kept = seen(&go("/307", secrets).await);
    assert_eq!(
        (&kept["method"], &kept["body"]),
        (&"POST".into(), &"x".into())
    );
    let over = go("/308", secrets).await;
    assert_eq!(over["url"], format!("{}/over", origin(&other)));
    let over = seen(&over);
    assert_eq!(
        (&over["method"], &over["body"]),
        (&"POST".into(), &"x".into())
    );
    assert_eq!(
        (&over["authorization"], &over["cookie"]),
        (&Value::Null, &Value::Null)
    );
    let explicit = seen(&go("/away", "&header=Authorization:mine").await);
    assert_eq!(explicit["authorization"], Value::Null);
    assert_eq!(go("/loop", "").await["code"], 302);
    let before = leading.counts.requests.load(SeqCst);
    go("/loop", "&max_redirects=2").await;
    assert_eq!(leading.counts.requests.load(SeqCst) - before, 3);
    let before = leading.counts.requests.load(SeqCst);
    assert_eq!(go("/loop", "&follow=no").await["code"], 302);
    assert_eq!(leading.counts.requests.load(SeqCst) - before, 1);
}

fn coded(coding: &str, plain: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    match coding {
        "gzip" => {
            let mut coder = flate2::write::GzEncoder::new(&mut coded, flate2::Compression::fast());
            coder.write_all(plain).unwrap();
            coder.finish().unwrap();
        }
        "br" => {
            let mut coder = brotli::CompressorWriter::new(&mut coded, 4096, 3, 20);
            coder.write_all(plain).unwrap();
        }
        "zstd" => coded = zstd::encode_all(plain, 3).unwrap(),
        other => panic!("{other}"),
    }
    coded
}

#[tokio::test]
async fn codings_come_off_unless_the_handler_asked_for_them() {
    let text = "once upon a time ".repeat(10_000);
    let plain = text.clone();
    let peer = Peer::start(move |request: Request<Incoming>| {
        let coding = request.uri().path().trim_start_matches('/').to_owned();
        let body = match &*coding {
            "broken" => b"\x1f\x8bnot at all".to_vec(),
            coding => coded(coding, plain.as_bytes()),
        };
        let coding = if coding == "broken" { "gzip" } else { &coding }.to_owned();
        async move {
            let response = Response::builder().header("content-encoding", coding);
            response.body(whole(body)).unwrap()
        }
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    for coding in ["gzip", "br", "zstd"] {
        let url = format!("{}/{coding}", origin(&peer));
        let decoded = fetched(&server, &url, "").await;
        assert!(decoded["body"] == *text, "{coding}");
        assert_eq!(decoded["headers"]["content-encoding"], Value::Null);
        assert_eq!(decoded["headers"]["content-length"], Value::Null);
        for asked in ["&header=Accept-Encoding:x", "&decompress=no"] {
            let as_it_is = fetched(&server, &url, asked).await;
            assert_eq!(as_it_is["headers"]["content-encoding"], coding);
            assert!(as_it_is["body"].as_str().unwrap().len() < text.len() / 10);
        }
        let head = fetched(&server, &url, "&method=HEAD").await;
        assert_eq!((&head["code"], &head["body"]), (&200.into(), &"".into()));
    }
    let broken = fetched(&server, &format!("{}/broken", origin(&peer)), "").await;
    assert_eq!(broken["code"], 599, "{broken}");
}

/// How much more memory than before the server may have while much goes through it.
const MORE_KIB: u64 = 24 * 1024;

/// Asks for `path`, watching the server's memory until the answer is there.
async fn within_memory(server: &Running, path: &str) -> String {
    let before = server.resident();
    let watch = async {
        loop {
            let now = server.resident();
            assert!(now < before + MORE_KIB, "{before} KiB, and then {now} KiB");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut client = server.connect().await;
    let answer = async {
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        // It may be long in coming.
        client.stream.readable().await.unwrap();
        client.answer().await
    };
    tokio::select! {
        answer = answer => answer.body,
        () = watch => unreachable!("it has no end"),
    }
}

#[tokio::test]
async fn a_small_body_that_becomes_a_large_one_takes_no_memory() {
    const LARGE: usize = 512 * 1024 * 1024;
    let bomb = coded("gzip", &vec![0; LARGE]);
    let zstd = coded("zstd", &vec![0; LARGE]);
    assert!(bomb.len() < LARGE / 100 && zstd.len() < LARGE / 1000);
    let peer = Peer::start(move |request: Request<Incoming>| {
        let coding = request.uri().path().trim_start_matches('/').to_owned();
        let body = if coding == "gzip" {
            bomb.clone()
        } else {
            zstd.clone()
        };
        async move {
            let response = Response::builder().header("content-encoding", coding);
            response.body(whole(body)).unwrap()
        }
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    fetched(&server, &origin(&peer), "&max_body_size=1").await;
    for coding in ["gzip", "zstd"] {
        let url = encoded(&format!("{}/{coding}", origin(&peer)));
        let counted = within_memory(&server, &format!("/count?url={url}")).await;
        assert!(
            counted.contains(&format!("\"bytes\":{LARGE},")),
            "{counted}"
        );
        // Kept whole, it is too large for the guest, which says so.
        let whole = server.get(&format!("/one?url={url}")).await;
        assert!(
            whole.body.contains("larger than max_body_size"),
            "{whole:?}"
        );
    }
}

/// Goes on for so many pieces of 64 KiB.
fn pieces(count: usize) -> Response<Body> {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = futures_util::stream::iter(0..count).map(move |_| Ok(Frame::data(piece.clone())));
    Response::new(BodyExt::boxed(StreamBody::new(pieces)))
}

#[tokio::test]
async fn a_large_response_that_is_fetched_takes_no_memory() {
    let mebibytes = usize::try_from(mebibytes()).unwrap();
    let peer = Peer::start(move |_| async move { pieces(16 * mebibytes) }).await;
    let app = App::new()
        .handler("http_client.wasm", guest("http_client"))
        .config(&format!(
            "[handler.\"http_client.wasm\"]\ninstances = 1\ndeadline = \"off\"\nallow = {{ http = [{:?}] }}\n",
            origin(&peer)
        ));
    let server = app.serve().await;
    fetched(&server, &origin(&peer), "&max_body_size=1").await;
    let path = format!("/count?url={}", encoded(&origin(&peer)));
    let counted = within_memory(&server, &path).await;
    let expected = format!("\"bytes\":{},", mebibytes << 20);
    assert!(
        counted.contains(&expected) && counted.contains("whole"),
        "{counted}"
    );
}

#[tokio::test]
async fn a_handler_that_reads_nothing_has_nothing_sent_to_it_and_its_end_frees_the_connection() {
    let peer = Peer::start(|_| async { pieces(usize::MAX) }).await;
    let server = fetching(&[origin(&peer)], "").serve().await;
    let before = server.resident();
    let mut client = server.connect().await;
    let url = encoded(&origin(&peer));
    client
        .send(format!("GET /hold?url={url} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await;
    server.log.line_with("holding 200").await;
    // As much as there is room for on the way, and no more.
    for _ in 0..200 {
        server.status().await;
        let now = server.resident();
        assert!(now < before + MORE_KIB, "{before} KiB, and then {now} KiB");
    }
    assert_eq!(peer.counts.open.load(SeqCst), 1);
    drop(client);
    peer.until_open(0).await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_fetch_along() {
    let peer = Peer::start(|_| std::future::pending()).await;
    let server = serving(&[origin(&peer)]).await;
    let mut client = server.connect().await;
    let url = encoded(&origin(&peer));
    client
        .send(format!("GET /one?url={url} HTTP/1.1\r\nHost: a\r\n\r\n"))
        .await;
    peer.until_open(1).await;
    drop(client);
    peer.until_open(0).await;
}

#[tokio::test]
async fn a_slow_server_is_given_up_in_time() {
    let slow = Peer::start(|request: Request<Incoming>| async move {
        match request.uri().path() {
            "/head" => std::future::pending().await,
            _ => {
                let piece = futures_util::stream::iter([Ok(Frame::data(Bytes::from("x")))]);
                let body = StreamBody::new(piece.chain(futures_util::stream::pending()));
                Response::new(BodyExt::boxed(body))
            }
        }
    });
    let slow = slow.await;
    let server = serving(&[origin(&slow)]).await;
    for path in ["/head", "/body"] {
        let began = Instant::now();
        let url = format!("{}{path}", origin(&slow));
        let late = fetched(&server, &url, "&request_timeout=200").await;
        assert_eq!(
            (&late["code"], &late["error"]),
            (&599.into(), &"Timeout during request".into())
        );
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(200) && took < LONG,
            "{took:?}"
        );
    }
    // Nobody listens there any more.
    let gone = Peer::saying("").await;
    let address = origin(&gone);
    drop(gone);
    let server = serving(std::slice::from_ref(&address)).await;
    let refused = fetched(&server, &address, "").await;
    assert_eq!(
        (&refused["code"], &refused["error"]),
        (&599.into(), &"Connection refused".into())
    );
}

#[tokio::test]
async fn past_max_clients_a_fetch_waits_and_that_counts_as_connecting() {
    let gate = Arc::new(Notify::new());
    let inside = gate.clone();
    let peer = Peer::start(move |_| {
        let gate = inside.clone();
        async move {
            gate.notified().await;
            Response::new(whole("x"))
        }
    });
    let peer = peer.await;
    let app = App::new()
        .handler("http_client.wasm", guest("http_client"))
        .config(&format!(
            "[handler.\"http_client.wasm\"]\ninstances = 1\nmax_clients = 2\nallow = {{ http = [{:?}] }}\n",
            origin(&peer)
        ));
    let server = app.serve().await;
    let url = format!("url={}", encoded(&origin(&peer)));
    let path = format!("/many?{}", [&*url; 6].join("&"));
    let all = server.get(&path);
    let mut all = std::pin::pin!(all);
    let both = async {
        while peer.counts.at_once.load(SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = &mut all => panic!("{answer:?}"),
        () = both => {}
    }
    let late = fetched(&server, &origin(&peer), "&connect_timeout=100").await;
    assert_eq!(late["error"], "Timeout while connecting", "{late}");
    let opening = async {
        loop {
            gate.notify_one();
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        answer = all => answer,
        () = opening => unreachable!("it has no end"),
    };
    assert_eq!(answer.body.matches("\"code\":200").count(), 6, "{answer:?}");
    assert_eq!(peer.counts.most_at_once.load(SeqCst), 2);
}

#[tokio::test]
async fn two_fetches_are_under_way_at_once() {
    // Answers nobody before both are there.
    let both = Arc::new(Barrier::new(2));
    let peer = Peer::start(move |_| {
        let both = both.clone();
        async move {
            both.wait().await;
            Response::new(whole("x"))
        }
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    let answer = server
        .get(&format!("/pair?url={}", encoded(&origin(&peer))))
        .await;
    assert_eq!(answer.body, "200 200");
}

#[tokio::test]
async fn a_thousand_requests_fetch_side_by_side_in_one_instance() {
    let peer = Peer::start(|_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Response::new(whole("x"))
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    let path = format!("/pair?url={}", encoded(&origin(&peer)));
    let mut clients = join_all((0..1000).map(|_| server.connect())).await;
    let began = Instant::now();
    let answers = join_all(clients.iter_mut().map(|client| client.get(&path))).await;
    let took = began.elapsed();
    assert!(answers.iter().all(|answer| answer.body == "200 200"));
    println!("1,000 requests with two fetches of 100 ms each: {took:?}");
    // One after the other they would take 200 s; the benchmark says how long they take where nothing else runs.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn a_body_is_sent_as_it_is_made() {
    let peer = Peer::start(|request: Request<Incoming>| async move {
        let mut body = request.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Err(_) => return Response::new(whole("broken")),
            }
        }
        Response::new(whole(bytes.to_string()))
    });
    let peer = peer.await;
    let server = serving(&[origin(&peer)]).await;
    let path = format!(
        "/upload?method=PUT&pieces=1000&url={}",
        encoded(&origin(&peer))
    );
    let sent = within_memory(&server, &path).await;
    assert!(sent.contains("\"body\":\"100000000\""), "{sent}");
    let fails = format!(
        "/upload?method=PUT&pieces=3&fails=yes&url={}",
        encoded(&origin(&peer))
    );
    let failed = server.get(&fails).await;
    assert!(failed.body.contains("nothing more to send"), "{failed:?}");
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

#[tokio::test]
async fn wasi_0_2_fetches_too() {
    let peer = Peer::saying("by the old way").await;
    let other = Peer::saying("secret").await;
    let server = App::new()
        .handler("http_client_02.wasm", guest("http_client_02"))
        .config(&format!(
            "[handler.\"http_client_02.wasm\"]\nallow = {{ http = [{:?}] }}\n",
            origin(&peer)
        ))
        .serve()
        .await;
    let answer = server
        .get(&format!("/http_client_02?authority={}", peer.address))
        .await;
    assert_eq!(answer.body, "200 by the old way", "{answer:?}");
    let refused = server
        .get(&format!("/http_client_02?authority={}", other.address))
        .await;
    assert_eq!(refused.status, 500);
    assert_eq!(other.accepted(), 0);
    server.log.line_with("HttpRequestDenied").await;
}

#[tokio::test]
async fn a_new_configuration_is_taken_up() {
    let peer = Peer::start(mirror).await;
    let proxy = Peer::start(mirror).await;
    let server = serving(&["http://far.example".to_owned()]).await;
    let client = format!(
        "[http_client]\nproxy = \"http://127.0.0.1:{}\"\n",
        proxy.port()
    );
    let changed = format!(
        "{client}\n[handler.\"http_client.wasm\"]\ninstances = 1\n\
         allow = {{ http = [\"http://far.example\", {:?}] }}\n",
        origin(&peer)
    );
    std::fs::write(server.app.path().join("waterspout.toml"), changed).unwrap();
    server.until_generation(2).await;
    let by = seen(&fetched(&server, "http://far.example/", "").await);
    assert_eq!(by["uri"], "http://far.example/");
    assert_eq!(fetched(&server, &origin(&peer), "").await["code"], 200);
}

#[test]
fn a_component_that_fetches_nothing_imports_no_http() {
    let app = App::new()
        .handler("hello.wasm", example("hello"))
        .handler("fetch.wasm", example("fetch"));
    let imports = |file: &str| {
        let said = crate::harness::command("inspect", &app.handler_path(file)).output();
        String::from_utf8_lossy(&said.expect("waterspout starts").stdout).into_owned()
    };
    assert!(
        !imports("hello.wasm").contains("wasi:http"),
        "{}",
        imports("hello.wasm")
    );
    assert!(
        imports("fetch.wasm").contains("wasi:http/client@0.3.0"),
        "{}",
        imports("fetch.wasm")
    );
}
