//! WSGI and ASGI apps: what the two say, and Flask, Django and Starlette as they come from the package index.

use serde_json::{Value, json};

use super::{is_there, replace};
use crate::harness::{App, Client, Running, soon};

const WSGI: &str = include_str!("wsgi_app.py");
const ASGI: &str = include_str!("asgi_app.py");
const DJANGO: &str = include_str!("django_app.py");

/// An app in a folder, with its packages.
fn framework(program: &str, requirements: &[&str]) -> App {
    let app = App::new();
    std::fs::create_dir(app.handler_path("web")).unwrap();
    app.handler("web/app.py", program)
        .handler("web/requirements.txt", requirements.join("\n"))
}

/// Begins a GET of a response that is streamed, and reads its head.
async fn begin(server: &Running, path: &str) -> (Client, String) {
    let mut client = server.connect().await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.send(request).await;
    let head = soon(client.head()).await;
    (client, head)
}

/// A whole response that is streamed.
async fn streamed(server: &Running, path: &str) -> String {
    let (mut client, head) = begin(server, path).await;
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let mut body = String::new();
    loop {
        match soon(client.chunk()).await {
            chunk if chunk.is_empty() => return body,
            chunk => body += &chunk,
        }
    }
}

/// One file in the form of a browser, of this size.
async fn uploaded(server: &Running, size: usize) -> Value {
    let body = format!(
        "--mark\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n{}\r\n--mark--\r\n",
        "x".repeat(size)
    );
    let head = "Content-Type: multipart/form-data; boundary=mark\r\n";
    let answer = server.request("POST /upload", head, &body).await;
    serde_json::from_str(&answer.body).unwrap()
}

/// The cookie of this name that a response sets, as a client sends it back.
fn cookie(head: &str, name: &str) -> String {
    let set = head
        .lines()
        .find_map(|line| line.strip_prefix(&format!("set-cookie: {name}=")));
    let value = set.expect("a cookie").split(';').next().unwrap();
    format!("{name}={value}")
}

/// Asks for the page, sends its form, and asks again as the client that the session knows by then.
async fn says_hello(server: &Running, form_path: &str, session: &str) {
    let page = server.get("/").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("Who are you?"), "{}", page.body);
    // Django wants a token of its own in the form.
    let (mut cookies, mut form) = (String::new(), "name=J%C3%B6rg".to_owned());
    if let Some((_, token)) = page.body.split_once("name=token value=") {
        cookies = cookie(&page.head, "csrftoken");
        form += "&csrfmiddlewaretoken=";
        form += token.split('>').next().unwrap();
    }
    let head = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nCookie: {cookies}\r\nReferer: http://localhost/\r\n"
    );
    let posted = server
        .request(&format!("POST {form_path}"), &head, &form)
        .await;
    assert!([302, 303].contains(&posted.status), "{posted:?}");
    assert_eq!(posted.header("location"), Some("/"));
    let session = cookie(&posted.head, session);
    let page = async |session: &str| {
        let head = format!("Cookie: {session}\r\n");
        server.request("GET /", &head, "").await.body
    };
    let known = page(&session).await;
    assert!(known.contains("Hello, Jörg!"), "{known}");
    // It is signed. All three begin with the same letter, which is that of an object in JSON.
    let forged = page(&session.replacen("=e", "=f", 1)).await;
    assert!(forged.contains("Who are you?"), "{forged}");
    let body = streamed(server, "/stream?word=piece").await;
    assert_eq!(body, "piece 0\npiece 1\npiece 2\n");
    assert_eq!(server.get("/fails").await.status, 500);
    let log = server.logged().await;
    for line in [
        "/handlers/web/app.py\", line ",
        "ValueError: as it was told",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[tokio::test]
async fn a_wsgi_app_is_served_as_pep_3333_says() {
    if !is_there().await {
        return;
    }
    let server = App::new().handler("web.py", WSGI).serve().await;
    let head =
        "X-One: 1\r\nX_One: 2\r\nX-One: 3\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Type: a/b\r\n";
    let echo = server
        .request("POST /caf%C3%A9%20x?q=%20", head, "bytes")
        .await;
    assert_eq!(echo.status, 200);
    assert!(
        echo.head.starts_with("HTTP/1.1 200 Fine\r\n"),
        "{}",
        echo.head
    );
    assert_eq!(echo.head.matches("x-twice: ").count(), 2, "{}", echo.head);
    assert_eq!(echo.header("etag"), None);
    let said: Value = serde_json::from_str(&echo.body).unwrap();
    let port = server.address.port();
    for (key, value) in [
        ("REQUEST_METHOD", json!("POST")),
        ("SCRIPT_NAME", json!("")),
        ("PATH_INFO", json!("/caf\u{c3}\u{a9} x")),
        ("QUERY_STRING", json!("q=%20")),
        ("CONTENT_TYPE", json!("a/b")),
        ("CONTENT_LENGTH", json!("5")),
        ("SERVER_NAME", json!("localhost")),
        ("SERVER_PORT", json!("80")),
        ("SERVER_PROTOCOL", json!("HTTP/1.1")),
        ("REMOTE_ADDR", json!("127.0.0.1")),
        ("HTTP_HOST", json!("localhost")),
        ("HTTP_X_ONE", json!("1,3")),
        ("HTTP_COOKIE", json!("a=1; b=2")),
        ("wsgi.url_scheme", json!("http")),
        ("version", json!([1, 0])),
        ("body", json!("bytes")),
    ] {
        assert_eq!(said[key], value, "{key}: {said}");
    }
    let head = format!("Transfer-Encoding: chunked\r\nHost: a:{port}\r\n");
    let mut client = server.connect().await;
    client
        .send(format!(
            "PUT /x HTTP/1.1\r\n{head}\r\n3\r\nabc\r\n0\r\n\r\n"
        ))
        .await;
    let said: Value = serde_json::from_str(&soon(client.answer()).await.body).unwrap();
    assert_eq!(
        [&said["body"], &said["CONTENT_LENGTH"], &said["SERVER_PORT"]],
        [&json!("abc"), &json!("3"), &json!(port.to_string())]
    );
    for (path, status, body) in [
        ("/written", 200, "written and returned"),
        ("/sized", 200, "12345"),
        ("/replaced", 503, "replaced"),
        ("/release", 204, ""),
        ("/waits", 200, "MainThread"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{path}");
    }
    let mut client = server.connect().await;
    client.send("HEAD /sized HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = soon(client.head()).await;
    assert!(head.contains("content-length: 5\r\n"), "{head}");
}

#[tokio::test]
async fn what_a_wsgi_app_yields_is_sent_before_it_is_asked_for_more() {
    if !is_there().await {
        return;
    }
    let server = App::new().handler("web.py", WSGI).serve().await;
    let (mut client, _) = begin(&server, "/streamed").await;
    assert_eq!(soon(client.chunk()).await, "first\n");
    // Another request is served meanwhile, and ends this one.
    assert_eq!(server.get("/release").await.status, 204);
    let mut last = String::new();
    loop {
        match soon(client.chunk()).await {
            chunk if chunk.is_empty() => break,
            chunk => last = chunk,
        }
    }
    assert_eq!(last, "last\n");
    // A client that does not read, and goes.
    let (client, _) = begin(&server, "/endless").await;
    assert_eq!(server.get("/written").await.status, 200);
    drop(client);
    let is_closed = |closed: &Value| closed.as_array().unwrap().contains(&json!("endless"));
    server.until_json("/is_closed", is_closed).await;
    // What fails, and when.
    for path in ["/fails", "/silent"] {
        assert_eq!(server.get(path).await.status, 500, "{path}");
    }
    let (mut client, head) = begin(&server, "/fails_late").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(soon(client.chunk()).await, "begun");
    assert_eq!(client.rest().await, b"", "cut, without the end of a body");
    let closed = server.json("/is_closed").await;
    assert_eq!(closed, json!(["streamed", "endless", "fails_late"]));
    let log = server.logged().await;
    for line in [
        "ValueError: as it was told",
        "ValueError: too late",
        "has not called `start_response`",
        "File \"/handlers/web.py\", line ",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("waterspout_python/wsgi.py\", line"), "{log}");
}

#[tokio::test]
async fn an_asgi_app_is_served_as_asgi_says() {
    if !is_there().await {
        return;
    }
    let server = App::new().handler("web.py", ASGI).serve().await;
    let answer = server
        .request(
            "POST /caf%C3%A9%20x?q=%20",
            "X-One: 1\r\nX-One: 2\r\n",
            "abc",
        )
        .await;
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    for (key, value) in [
        ("type", json!("http")),
        ("asgi", json!({"version": "3.0", "spec_version": "2.4"})),
        ("http_version", json!("1.1")),
        ("method", json!("POST")),
        ("scheme", json!("http")),
        ("path", json!("/café x")),
        ("raw_path", json!("/caf%C3%A9%20x")),
        ("query_string", json!("q=%20")),
        ("root_path", json!("")),
        ("client", json!(["127.0.0.1", 0])),
        ("server", json!(["localhost", 80])),
        (
            "headers",
            json!([
                ["host", "localhost"],
                ["x-one", "1"],
                ["x-one", "2"],
                ["content-length", "3"]
            ]),
        ),
        (
            "state",
            json!({"visits": [1], "own": "not seen by another"}),
        ),
    ] {
        assert_eq!(said[key], value, "{key}: {said}");
    }
    // Each request has a copy of what the lifespan has left, as it is.
    let again: Value = server.json("/").await;
    assert_eq!(again["state"]["visits"], json!([1, 1]));
    // A body is read as it comes, and its answer sent.
    let mut client = server.connect().await;
    client
        .send("POST /lengths HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for (sent, wanted) in [("one", "ONE"), ("two", "TWO")] {
        client.send(format!("3\r\n{sent}\r\n")).await;
        if sent == "one" {
            soon(client.head()).await;
        }
        assert_eq!(soon(client.chunk()).await, wanted);
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(soon(client.chunk()).await, "");
    let mut client = server.connect().await;
    client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = soon(client.head()).await;
    assert!(head.contains("content-length: 7\r\n"), "{head}");
}

#[tokio::test]
async fn an_asgi_app_hears_that_its_client_is_gone_and_may_go_on_after_its_response() {
    if !is_there().await {
        return;
    }
    let server = App::new().handler("web.py", ASGI).serve().await;
    let held = server.send("GET /held").await;
    assert_eq!(server.get("/until_begun").await.body, "begun");
    drop(held);
    let said = server.json("/until_disconnected").await;
    assert_eq!(said, json!(["http.disconnect", "OSError"]));
    let (client, _) = begin(&server, "/endless").await;
    drop(client);
    let said = server.json("/until_disconnected").await;
    assert_eq!(said[2], "endless");
    assert_eq!(server.get("/goes_on").await.body, "sent");
    let said = server.json("/until_disconnected").await;
    assert_eq!(said[3], "went on");
    for path in ["/fails", "/silent"] {
        assert_eq!(server.get(path).await.status, 500, "{path}");
    }
    let (mut client, _) = begin(&server, "/fails_late").await;
    assert_eq!(soon(client.chunk()).await, "begun");
    assert_eq!(client.rest().await, b"", "cut, without the end of a body");
    let log = server.logged().await;
    for line in [
        "ValueError: as it was told",
        "ValueError: too late",
        "has not ended the response",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("Disconnected"), "{log}");
}

#[tokio::test]
async fn an_asgi_app_starts_up_before_it_serves_and_shuts_down_after_it_has() {
    if !is_there().await {
        return;
    }
    let server = App::new().handler("web.py", ASGI).serve().await;
    assert_eq!(server.json("/").await["state"]["visits"], json!([1]));
    assert_eq!(server.log.text().matches("has started up").count(), 1);
    // Another version that can't start is refused; this one serves on.
    let complete = "{\"type\": \"lifespan.startup.complete\"}";
    let failed = "{\"type\": \"lifespan.startup.failed\", \"message\": \"no database\"}";
    replace(&server, "web.py", &ASGI.replace(complete, failed));
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(
        error.contains("the app's startup has failed: no database"),
        "{error}"
    );
    assert_eq!(server.json("/").await["state"]["visits"], json!([1, 1]));
    assert!(!server.log.text().contains("has shut down"));
    // One without a lifespan serves without.
    let without = ASGI.replace("return await lifespan(", "return await no_lifespan(");
    replace(&server, "web.py", &format!("{without}\nlifespan = None\n"));
    server.until_swap_is(true).await;
    server.log.line_with("has shut down").await;
    let answer = server.get("/head").await;
    assert_eq!((answer.status, &*answer.body), (200, "xxxxxxx"));
}

#[tokio::test]
async fn the_app_is_what_a_program_has_served_or_what_it_has_by_name() {
    if !is_there().await {
        return;
    }
    const APPS: &str = r#"
import asyncio, functools

def wsgi(environ, start_response, text="wsgi"):
    start_response("200 OK", [])
    return [text.encode()]

async def asgi(scope, receive, send, text="asgi"):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": text.encode()})

class Class:
    def __init__(self, environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
    def __iter__(self):
        yield b"class"

class Object:
    async def __call__(self, scope, receive, send):
        await asgi(scope, receive, send, "object")

class Method:
    def handle(self, environ, start_response):
        return wsgi(environ, start_response, "method")
"#;
    let program = |rest: &str| format!("{APPS}\n{rest}\n");
    let first = program("app = wsgi");
    let server = App::new().handler("web.py", &first).serve().await;
    assert_eq!(server.get("/").await.body, "wsgi");
    for (rest, wanted) in [
        ("app = asgi", "asgi"),
        ("app = Class", "class"),
        ("app = Object()", "object"),
        ("app = Method().handle", "method"),
        ("app = functools.partial(asgi, text='partial')", "partial"),
        (
            "app = lambda scope, receive, send: asgi(scope, receive, send, 'lambda')",
            "lambda",
        ),
        ("app, application = asgi, wsgi", "wsgi"),
        ("app, application = asgi, 'nothing to call'", "asgi"),
        (
            "from wsgiref.simple_server import make_server\nwith make_server('', 8000, wsgi) as server:\n    server.serve_forever()",
            "wsgi",
        ),
        (
            "import waitress\nwaitress.serve(wsgi, listen='*:8080')",
            "wsgi",
        ),
        (
            "import uvicorn\nuvicorn.run(asgi, port=5000, log_level='info')",
            "asgi",
        ),
        (
            "import uvicorn\nuvicorn.run(lambda: asgi, factory=True)",
            "asgi",
        ),
        (
            "import uvicorn\nif __name__ == '__main__':\n    uvicorn.run('web:asgi', reload=True, workers=4)",
            "asgi",
        ),
        (
            "import uvicorn\nasync def main():\n    await uvicorn.Server(uvicorn.Config(asgi)).serve()\nasyncio.run(main())",
            "asgi",
        ),
    ] {
        let text = program(rest);
        replace(&server, "web.py", &text);
        server.until_serving("web.py", text.as_bytes()).await;
        assert_eq!(server.get("/").await.body, wanted, "{rest}");
    }
    for rest in [
        "app = tornado.web.Application([])",
        "app = 'nothing to call'",
        "app = lambda request: None",
    ] {
        replace(&server, "web.py", &format!("import tornado.web\n{rest}\n"));
        let status = server.until_swap_is(false).await;
        let error = status["last_swap"]["error"].as_str().unwrap();
        let why =
            "has not listened; it has no `application` or `app` that is a WSGI or an ASGI app";
        assert!(error.contains(why), "{rest}: {error}");
        // Another text each time: what serves already is no change.
        replace(
            &server,
            "web.py",
            &program(&format!("app = asgi  # not {rest}")),
        );
        server.until_swap_is(true).await;
    }
}

#[tokio::test]
async fn a_flask_app_from_the_package_index_serves_unmodified() {
    if !is_there().await {
        return;
    }
    let app = framework(
        include_str!("flask_app.py"),
        &[
            "asgiref==3.13.0 --hash=sha256:f9596a2434512686473d50f96ff6207fbba49ae1a785dfac614df4aeb085674d",
            "blinker==1.9.0 --hash=sha256:ba0efaa9080b619ff2f3459d1d500c57bddea4a6b424b60a91141db6fd2f08bc",
            "click==8.5.1 --hash=sha256:8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37",
            "flask==3.1.3 --hash=sha256:f4bcbefc124291925f1a26446da31a5178f9483862233b23c0c96a20701f670c",
            "itsdangerous==2.2.0 --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef",
            "jinja2==3.1.6 --hash=sha256:85ece4451f492d0c13c5dd7c13a64681a86afae63a5f347908daf103ce6d2f67",
            // With code in C, of which it needs none: for CPython 3.13, as this version has none for 3.14.
            "MarkupSafe==3.0.2 --hash=sha256:15ab75ef81add55874e7ab7055e9c397312385bd9ced94920f2802310c930396",
            "werkzeug==3.1.9 --hash=sha256:6392e50c78460ba618e5b21f08a71f59c99ce99cdc6cf6e3dd7e6ccca8754fab",
        ],
    );
    let server = app.serve().await;
    if server.log.text().contains("Retrying") {
        return println!("no Flask app is tried here: the index is not reached");
    }
    says_hello(&server, "/login", "session").await;
    // A part of a form that Werkzeug would put into a file.
    let said = uploaded(&server, 700_000).await;
    assert_eq!(said, json!({"name": "a.bin", "size": 700_000}));
    assert_eq!(server.get("/async").await.body, "awaited");
}

#[tokio::test]
async fn a_django_app_from_the_package_index_serves_unmodified() {
    if !is_there().await {
        return;
    }
    let app = framework(
        DJANGO,
        &[
            "asgiref==3.13.0 --hash=sha256:f9596a2434512686473d50f96ff6207fbba49ae1a785dfac614df4aeb085674d",
            "django==5.2.19 --hash=sha256:5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00",
            "sqlparse==0.6.1 --hash=sha256:3be5a72d04c873d690d7c6dedd33d6fae2ef82759881ceec02fc2efd0cba564f",
        ],
    );
    let server = app.serve().await;
    if server.log.text().contains("Retrying") {
        return println!("no Django app is tried here: the index is not reached");
    }
    says_hello(&server, "/", "sessionid").await;
    assert_eq!(server.get("/async").await.body, "awaited");
    // The same in ASGI.
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, "[component.\"web.py\"]\nenv = { ASGI = \"1\" }\n").unwrap();
    std::fs::rename(aside, server.app.path().join("waterspout.toml")).unwrap();
    server.until_generation(2).await;
    says_hello(&server, "/", "sessionid").await;
    let answer = server.get("/async").await;
    assert_eq!(answer.body, "awaited");
    assert_eq!(answer.header("x-middle"), Some("1"));
    // Its paths are imported before it serves.
    let broken = DJANGO.replace("ROOT_URLCONF=__name__", "ROOT_URLCONF='nowhere'");
    replace(&server, "web/app.py", &broken);
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(error.contains("No module named 'nowhere'"), "{error}");
}

#[tokio::test]
async fn a_starlette_app_from_the_package_index_serves_unmodified() {
    if !is_there().await {
        return;
    }
    let app = framework(
        include_str!("starlette_app.py"),
        &[
            "anyio==4.16.0 --hash=sha256:c66ae634e0b8228396b801741beb3294326d4b6102f7bba4041c0dfb58c29026",
            "idna==3.20 --hash=sha256:ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c",
            "itsdangerous==2.2.0 --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef",
            "python-multipart==0.0.34 --hash=sha256:ebacd224bd686eee2f9aa1066a657affe07435a185834e05e5235e2e59173e91",
            "starlette==1.10.0 --hash=sha256:478c0ab3b4ced6e82719849c118fa406f0278a3499c1a898cd15cd31bdc38ce4",
            "typing-extensions==4.16.0 --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8",
        ],
    );
    let server = app.serve().await;
    if server.log.text().contains("Retrying") {
        return println!("no Starlette app is tried here: the index is not reached");
    }
    says_hello(&server, "/login", "session").await;
    let said = uploaded(&server, 2_000_000).await;
    assert_eq!(said, json!({"name": "a.bin", "size": 2_000_000}));
    assert_eq!(server.get("/blocking").await.body, "from the lifespan");
    assert_eq!(server.get("/later").await.body, "begun");
    soon(async { while server.get("/blocking").await.body != "from a background task" {} }).await;
    replace(
        &server,
        "web/app.py",
        "def app(environ, start_response):\n    pass\n",
    );
    server.log.line_with("the lifespan has ended").await;
}
