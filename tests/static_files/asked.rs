//! What a request may ask for beyond Tornado: a range of one version, files with a dot, another place for the folder; and
//! the same by HTTP/2.

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;

use super::{FOREVER, NO_CACHE, app, serve, version, write};
use crate::harness::{App, example};

#[tokio::test]
async fn a_range_goes_on_only_with_the_version_that_it_began_with() {
    let server = serve(&[("a.txt", b"0123456789")]).await;
    let whole = server.get("/static/a.txt").await;
    let etag = whole.header("etag").expect("an ETag").to_owned();
    let date = whole.header("last-modified").expect("a date").to_owned();
    assert_eq!(etag, format!("\"{}\"", version(b"0123456789")));
    for (condition, status, body) in [
        (&*etag, 206, "234"),
        (&date, 206, "234"),
        (&format!("W/{etag}"), 200, "0123456789"),
        ("\"another\"", 200, "0123456789"),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200, "0123456789"),
        ("nonsense", 200, "0123456789"),
    ] {
        let head = format!("Range: bytes=2-4\r\nIf-Range: {condition}\r\n");
        let answer = server.request("GET /static/a.txt", &head, "").await;
        assert_eq!(
            (answer.status, &*answer.body),
            (status, body),
            "{condition}"
        );
    }
}

#[tokio::test]
async fn only_the_right_version_is_kept_forever() {
    let server = serve(&[("a.txt", b"text"), ("sub/index.html", b"index")]).await;
    let right = version(b"text");
    for (query, caching) in [
        ("", None),
        ("?v", NO_CACHE),
        ("?v=", NO_CACHE),
        ("?v=1", NO_CACHE),
        (&format!("?v={}", &right[..64]), NO_CACHE),
        (&format!("?v={}", right.to_uppercase()), NO_CACHE),
        (&format!("?v=1&v={right}"), NO_CACHE),
        (&format!("?v={right}"), FOREVER),
        (&format!("?a=1&v={right}&b=2"), FOREVER),
    ] {
        let answer = server.get(&format!("/static/a.txt{query}")).await;
        assert_eq!((answer.status, &*answer.body), (200, "text"), "{query}");
        assert_eq!(answer.header("cache-control"), caching, "{query}");
        let has_end = answer.header("expires").is_some();
        assert_eq!(has_end, caching == FOREVER, "{query}");
    }
    for method in ["POST", "DELETE"] {
        let answer = server
            .request(&format!("{method} /static/a.txt"), "", "")
            .await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD"))
        );
    }
}

#[tokio::test]
async fn files_with_a_dot_are_served_where_the_app_says_so() {
    let app = app(&[
        (".a", b"hidden"),
        (".well-known/b", b"known"),
        ("c", b"plain"),
    ])
    .config(
        "[[route]]\npattern = '/all/(.*)'\nhandler = 'builtin:static'\n\
         kwargs = { path = 'static', dot_files = true }\n",
    );
    let server = app.serve().await;
    for (path, status) in [
        ("/static/.a", 404),
        ("/static/.well-known/b", 404),
        ("/static/c", 200),
        ("/all/.a", 200),
        ("/all/.well-known/b", 200),
        ("/all/c", 200),
    ] {
        assert_eq!(server.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_folder_and_its_place_are_settings() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("a.txt"), "elsewhere").unwrap();
    let app = app(&[("a.txt", b"in static")]);
    write(&app, "public/a.txt", b"in public");
    let route = format!(
        "[[route]]\npattern = '/(?P<kind>x|y)/(?P<path>.*)'\nhandler = 'builtin:static'\n\
         kwargs = {{ path = '{}' }}\n",
        elsewhere.path().display()
    );
    let settings = "[settings]\nstatic_path = 'public'\nstatic_url_prefix = '/assets/'\n";
    let server = app.config(&format!("{settings}{route}")).serve().await;
    for (path, status, body) in [
        ("/assets/a.txt", 200, Some("in public")),
        ("/static/a.txt", 404, None),
        ("/x/a.txt", 200, Some("elsewhere")),
        ("/y/a.txt", 200, Some("elsewhere")),
        ("/z/a.txt", 404, None),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(body.is_none_or(|body| body == answer.body), "{path}");
    }
    std::fs::write(elsewhere.path().join("a.txt"), "changed").unwrap();
    server.until_generation(2).await;
    assert_eq!(server.get("/x/a.txt").await.body, "changed");
}

#[tokio::test]
async fn without_static_files_there_are_no_routes_for_them() {
    let app = App::new().handler("hello.wasm", example("hello"));
    assert!(!app.run("routes").1.contains("builtin:static"));
    write(&app, "static/a.txt", b"text");
    let (code, routes) = app.run("routes");
    assert_eq!(code, Some(0));
    for pattern in ["/static/(.*)", "/(favicon\\.ico)", "/(robots\\.txt)"] {
        let line = routes.lines().find(|line| line.starts_with(pattern));
        assert!(
            line.is_some_and(|line| line.contains("builtin:static")),
            "{routes}"
        );
    }
    let app = app.config("[settings]\nstatic_path = false\n");
    assert!(!app.run("routes").1.contains("builtin:static"));
}

#[tokio::test]
async fn http_2_gets_the_same() {
    let text = "many words ".repeat(300_000);
    let app = app(&[("a.txt", b"0123456789"), ("large.txt", text.as_bytes())]);
    let server = app.config("[server]\nh2c = true\n").serve().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let ask = async |path: &str, range: Option<&str>| {
        let mut request = Request::get(format!("http://{}{path}", server.address));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let mut client = client.clone().ready().await.unwrap();
        let (response, _) = client
            .send_request(request.body(()).unwrap(), true)
            .unwrap();
        let response = response.await.unwrap();
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data: Bytes = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            bytes.extend(data);
        }
        (status, bytes)
    };
    assert_eq!(
        ask("/static/a.txt", None).await,
        (200, b"0123456789".to_vec())
    );
    assert_eq!(
        ask("/static/a.txt", Some("bytes=-3")).await,
        (206, b"789".to_vec())
    );
    assert_eq!(ask("/static/b.txt", None).await.0, 404);
    assert_eq!(
        ask("/static/large.txt", None).await,
        (200, text.clone().into_bytes())
    );
    let part = ask("/static/large.txt", Some("bytes=1000000-1999999")).await;
    assert_eq!(part, (206, text.as_bytes()[1_000_000..2_000_000].to_vec()));
}
