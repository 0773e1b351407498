//! Fetches of handlers: what is sent and what comes back, over which connections. The peers are the test's own, on
//! loopback.

mod bodies;
mod heads;
mod kept;
mod reach;
mod time;
mod urls;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::harness::peer::{Body, whole};
use crate::harness::tls::{Authority, Pair};
use crate::harness::{App, Peer, Running, example, guest, soon};

/// The guest that fetches what it is told to, granted these origins.
fn fetching(grants: &[String], more: &str) -> App {
    configured(grants, more, "")
}

/// The same, with other tables in the configuration, and other keys in the guest's own.
fn configured(grants: &[String], tables: &str, keys: &str) -> App {
    App::new()
        .handler("http_client.wasm", guest("http_client"))
        .config(&format!(
            "{tables}\n[component.\"http_client.wasm\"]\ninstances = 1\nallow = {{ http = {grants:?} }}\n{keys}\n"
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

pub fn acceptor(pair: &Pair) -> TlsAcceptor {
    acceptor_for(pair, None)
}

/// A server's end, which asks clients for a certificate of this authority.
fn acceptor_for(pair: &Pair, clients: Option<&Authority>) -> TlsAcceptor {
    let chain = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = match clients {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM");
            roots.add(root).expect("a root");
            let builder =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            builder.build().expect("a verifier")
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
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
async fn an_origin_has_authorities_and_a_certificate_of_its_own() {
    let (own, clients) = (Authority::new(), Authority::new());
    let mutual = acceptor_for(&own.sign(&["localhost"]), Some(&clients));
    let inner = Peer::start_with(Some(mutual), mirror).await;
    let other = Peer::start_with(Some(acceptor(&own.sign(&["localhost"]))), mirror).await;
    let of = |peer: &Peer| format!("https://localhost:{}", peer.port());
    let grants = [of(&inner), of(&other)];
    let table = |cert: &str| {
        let origin = of(&inner);
        format!(
            "[http_client]\nca_certs = {{ \"{origin}\" = \"ca.pem\" }}\n\
             client_cert = {{ \"{origin}\" = {{ cert = \"{cert}\", key = \"client.key\" }} }}\n"
        )
    };
    let app = fetching(&grants, &table("client.pem"));
    let shown = clients.sign(&["client"]);
    let write = |name: &str, text: &str| std::fs::write(app.path().join(name), text).unwrap();
    write("ca.pem", &own.pem());
    write("client.pem", &shown.cert);
    write("client.key", &shown.key);
    let server = app.serve().await;
    let inside = fetched(&server, &of(&inner), "").await;
    assert_eq!(seen(&inside)["version"], "HTTP/2.0", "{inside}");
    // Its authorities count for no other origin.
    let refused = fetched(&server, &of(&other), "").await;
    let error = refused["error"].as_str().unwrap_or_default();
    assert!(error.contains("certificate is not accepted"), "{refused}");

    // One that is away for a moment is missed by nobody.
    let ca = server.app.path().join("ca.pem");
    std::fs::remove_file(&ca).unwrap();
    server.signal("HUP");
    assert_eq!(
        seen(&fetched(&server, &of(&inner), "").await)["version"],
        "HTTP/2.0"
    );
    std::fs::write(&ca, own.pem()).unwrap();
    server.log.line_with("nothing has changed").await;

    // A certificate that does not go with its key refuses the change, and names the file.
    let config = server.app.path().join("waterspout.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"client.pem\"", "\"ca.pem\"")).unwrap();
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(
        error.contains("client.key") && error.contains("does not go with"),
        "{error}"
    );
    assert_eq!(
        seen(&fetched(&server, &of(&inner), "").await)["version"],
        "HTTP/2.0"
    );
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
                "/broken" => (302, "http://ada:secret@[bad/".to_owned()),
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
    let broken = go("/broken", "").await.to_string();
    assert!(
        broken.contains("not a URL: http://[bad/") && !broken.contains("secret"),
        "{broken}"
    );
    assert_eq!(go("/loop", "").await["code"], 302);
    let before = leading.counts.requests.load(SeqCst);
    go("/loop", "&max_redirects=2").await;
    assert_eq!(leading.counts.requests.load(SeqCst) - before, 3);
    let before = leading.counts.requests.load(SeqCst);
    assert_eq!(go("/loop", "&follow=no").await["code"], 302);
    assert_eq!(leading.counts.requests.load(SeqCst) - before, 1);
}

#[tokio::test]
async fn wasi_0_2_fetches_too() {
    let peer = Peer::saying("by the old way").await;
    let other = Peer::saying("secret").await;
    let server = App::new()
        .handler("http_client_02.wasm", guest("http_client_02"))
        .config(&format!(
            "[component.\"http_client_02.wasm\"]\nallow = {{ http = [{:?}] }}\n",
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
async fn a_library_that_knows_wasi_0_3_fetches_too() {
    let (peer, other) = (Peer::start(mirror).await, Peer::saying("secret").await);
    let server = App::new()
        .handler("http_client_03.wasm", guest("http_client_03"))
        .config(&format!(
            "[component.\"http_client_03.wasm\"]\nallow = {{ http = [{:?}] }}\n",
            origin(&peer)
        ))
        .serve()
        .await;
    // More than one piece, which the library sends from a task of its own.
    let body = "by the new way ".repeat(10_000);
    let post = async |to: &Peer| {
        let line = format!("POST /http_client_03?url={}/", encoded(&origin(to)));
        server.request(&line, "", &body).await
    };
    let answer = post(&peer).await;
    let mirrored: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(mirrored["method"], "POST");
    assert_eq!(mirrored["body"], body);
    assert_eq!(post(&other).await.status, 500);
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
        "{client}\n[component.\"http_client.wasm\"]\ninstances = 1\n\
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
