//! The files of `docs/deploy`, as they are used: nginx in front of the server, the units of systemd, and release folders.
//! nginx and systemd are tried where they are installed.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::harness::tls::{Authority, connect};
use crate::harness::{App, LONG, Load, cache, guest, root, soon, versioned};

const BINARY: &str = env!("CARGO_BIN_EXE_waterspout");

/// A file of `docs/deploy`.
fn file(name: &str) -> String {
    let path = root().join("docs/deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text with each of these replaced. All have to be there.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in:\n{text}");
        text.replace(from, to)
    })
}

/// The program, where it is installed.
fn installed(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&folders).collect();
    folders.push("/usr/sbin".into());
    let mut files = folders.into_iter().map(|folder| folder.join(program));
    let found = files.find(|file| file.is_file());
    if found.is_none() {
        eprintln!("{program} is not installed: what docs/deploy has for it was not tried");
    }
    found
}

/// nginx with `docs/deploy/nginx.conf`, until this is dropped.
struct Nginx {
    process: Child,
    plain: SocketAddr,
    tls: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nginx {
    /// Starts it in front of the socket `myapp.sock` in this folder.
    async fn start(program: &Path, folder: &Path) -> Self {
        // It can't take a port that the system chooses. A free one may be taken by another before it comes.
        for _ in 0..5 {
            let free = || TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
            let (plain, tls) = (free().expect("a port"), free().expect("a port"));
            let process = spawn(program, folder, plain, tls);
            let mut nginx = Self {
                process,
                plain,
                tls,
            };
            if soon(nginx.listens()).await {
                return nginx;
            }
        }
        let log = std::fs::read_to_string(folder.join("error.log"));
        panic!("nginx does not start:\n{}", log.unwrap_or_default());
    }

    /// Waits until it does, or has ended.
    async fn listens(&mut self) -> bool {
        loop {
            if self.process.try_wait().expect("its status").is_some() {
                return false;
            }
            if TcpStream::connect(self.tls).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn spawn(program: &Path, folder: &Path, plain: SocketAddr, tls: SocketAddr) -> Child {
    let place = folder.display();
    let site = replaced(
        &file("nginx.conf"),
        &[
            ("unix:/run/myapp.sock", &format!("unix:{place}/myapp.sock")),
            ("listen 80;", &format!("listen {plain};")),
            ("listen 443 ssl;", &format!("listen {tls} ssl;")),
            ("/etc/ssl/example.com.pem", &format!("{place}/cert.pem")),
            ("/etc/ssl/example.com.key", &format!("{place}/cert.key")),
            ("/srv/myapp/current", &place.to_string()),
        ],
    );
    std::fs::write(folder.join("site.conf"), site).expect("written");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {place}/{name};\n"))
        .concat();
    // One process, which has the rights of the test.
    let main = format!(
        "daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log {place}/error.log;\n\
         events {{ }}\nhttp {{\naccess_log off;\n{temporary}include {place}/site.conf;\n}}\n"
    );
    std::fs::write(folder.join("main.conf"), main).expect("written");
    let mut nginx = Command::new(program);
    nginx.arg("-e").arg(folder.join("error.log"));
    nginx.arg("-c").arg(folder.join("main.conf"));
    let nginx = nginx.stdin(Stdio::null()).stderr(Stdio::null());
    nginx.spawn().expect("nginx starts")
}

/// Sends a request whose response ends the connection, and reads all of that.
async fn whole(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let read = soon(stream.read_to_string(&mut answer)).await;
    read.expect("an answer");
    answer
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n{headers}\r\n")
}

/// The JSON of a response, which may be in chunks: it is one object on one line.
fn object(answer: &str) -> Value {
    let line = answer.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_default()).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

#[tokio::test]
async fn nginx_passes_on_who_asks_and_holds_nothing_back() {
    let Some(program) = installed("nginx") else {
        return;
    };
    let app = App::new()
        .handler("echo.wasm", guest("echo"))
        .handler("events.wasm", guest("recipe_events"))
        .config("[server]\nxheaders = true\n[settings]\napp = { keep_alive_ms = 200 }\n");
    let folder = app.path().to_owned();
    std::fs::create_dir(folder.join("static")).expect("a folder");
    std::fs::write(folder.join("static/style.css"), "p { }").expect("a file");
    let authority = Authority::new();
    let pair = authority.sign(&["example.com"]);
    std::fs::write(folder.join("cert.pem"), pair.cert).expect("a certificate");
    std::fs::write(folder.join("cert.key"), pair.key).expect("a key");
    let server = app
        .serve_as("serve", &["--listen", "unix:myapp.sock"])
        .await;
    server.log.line_with("myapp.sock").await;
    let nginx = Nginx::start(&program, &folder).await;
    let tls = async || -> TlsStream<TcpStream> {
        let client = authority.client(&[], None);
        let stream = connect(&client, nginx.tls, "example.com").await;
        stream.expect("a connection")
    };

    let plain = TcpStream::connect(nginx.plain).await.expect("a connection");
    let moved = whole(plain, &get("/echo?a=1", "")).await;
    assert!(moved.starts_with("HTTP/1.1 301 "), "{moved}");
    assert!(moved.contains("\r\nLocation: https://example.com/echo?a=1\r\n"));

    // What a client says of itself does not count.
    let forged = "X-Real-Ip: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nX-Scheme: ftp\r\n\
                  X-Forwarded-Proto: ftp\r\nX-Request-Id: forged\r\n";
    let echo = whole(tls().await, &get("/echo", forged)).await;
    let echo = object(&echo);
    for (name, value) in [
        ("remote_ip", "127.0.0.1"),
        ("protocol", "https"),
        ("host", "example.com"),
    ] {
        assert_eq!(echo[name], value, "{echo}");
    }
    assert!(!echo.to_string().contains("forged"), "{echo}");

    let style = whole(tls().await, &get("/static/style.css", "")).await;
    assert!(style.ends_with("\r\n\r\np { }"), "{style}");

    // Each event arrives while the stream goes on, and so does what keeps it alive.
    let mut events = BufReader::new(tls().await);
    let request = "GET /events HTTP/1.1\r\nHost: example.com\r\n\r\n";
    events.write_all(request.as_bytes()).await.expect("sent");
    let mut lines = events.lines();
    let mut until = async |wanted: &str| {
        let found = async {
            while let Some(line) = lines.next_line().await.expect("a line") {
                if line == wanted {
                    return;
                }
            }
            panic!("the stream ended without {wanted:?}");
        };
        soon(found).await;
    };
    until("data: you will be told").await;
    until(": still here").await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\n";
    let post = get("/news", form).replace("GET", "POST") + "text=it+rains";
    let published = whole(tls().await, &post).await;
    assert!(published.starts_with("HTTP/1.1 200 "), "{published}");
    until("data: it rains").await;
}

fn release(app: &Path, root_folder: &Path) -> Output {
    let script = root().join("docs/deploy/release.sh");
    let output = Command::new("sh")
        .arg(script)
        .args([app, root_folder])
        .env("WATERSPOUT", BINARY)
        // What it compiles, the server finds.
        .env("XDG_CACHE_HOME", cache())
        .output();
    output.expect("sh starts")
}

fn releases(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("releases")).expect("releases");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_release_is_swapped_to_and_back_and_a_broken_one_is_not_made() {
    if !cfg!(target_os = "linux") {
        eprintln!(
            "docs/deploy/release.sh was not tried: its `mv -T` and `head -n -5` are those of Linux"
        );
        return;
    }
    let [one, two] = ["v1", "v2"].map(versioned);
    let app = App::new().handler("version.wasm", &one);
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path();
    std::fs::create_dir_all(place.join("shared/data")).expect("a folder");
    let done = release(app.path(), place);
    assert!(done.status.success(), "{done:?}");
    assert!(place.join("current/data").is_dir());
    let server = App::at(&place.join("current"))
        .cache(&cache().join("waterspout"))
        .serve()
        .await;
    let load = Load::start(server.address, "/version", 8, &["v1", "v2"]);
    load.more(50).await;

    load.turns.begin();
    app.replace("version.wasm", &two);
    let done = release(app.path(), place);
    assert!(done.status.success(), "{done:?}");
    server.until_serving("version.wasm", &two).await;
    load.turns.named();
    load.more(50).await;

    app.replace("version.wasm", b"this is no component");
    let before = releases(place);
    let current = std::fs::read_link(place.join("current")).expect("a link");
    let done = release(app.path(), place);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(releases(place), before);
    assert_eq!(
        std::fs::read_link(place.join("current")).expect("a link"),
        current
    );

    // The way back, as the script has it.
    let script = file("release.sh");
    let back = script
        .lines()
        .find_map(|line| line.strip_prefix("#     ln -s "));
    let example = "releases/20260101-120000-000000001";
    let back = replaced(
        &format!("ln -s {}", back.expect("the way back")),
        &[
            (example, &format!("releases/{}", before[0])),
            ("/srv/myapp", &place.display().to_string()),
        ],
    );
    load.turns.begin();
    let done = Command::new("sh").args(["-c", &back]).status();
    assert!(done.expect("sh starts").success(), "{back}");
    server.until_serving("version.wasm", &one).await;
    load.turns.named();
    load.more(50).await;
    load.end().await.assert_flawless();

    app.replace("version.wasm", &two);
    for _ in 0..6 {
        let done = release(app.path(), place);
        assert!(done.status.success(), "{done:?}");
    }
    let left = releases(place);
    assert_eq!(left.len(), 5, "{left:?}");
    let current = std::fs::read_link(place.join("current")).expect("a link");
    assert!(current.ends_with(left.last().expect("a release")));
}

/// The arguments of `ExecStart=`, without the program.
fn arguments(unit: &str) -> Vec<String> {
    let unit = unit.replace("\\\n", " ");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words = line.expect("ExecStart=").split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/waterspout"));
    words.map(str::to_owned).collect()
}

/// Takes an option and its value out of these.
fn take(arguments: &mut Vec<String>, option: &str) -> String {
    let at = arguments.iter().position(|argument| argument == option);
    let at = at.unwrap_or_else(|| panic!("there is no {option}"));
    arguments.drain(at..at + 2).nth(1).expect("a value")
}

#[tokio::test]
async fn the_units_start_the_server_with_its_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("myapp.sock");
    assert!(file("myapp.socket").contains("FileDescriptorName=web\n"));
    let socket = UnixListener::bind(&path).expect("a socket");
    let notify = folder.path().join("notify");
    let manager = UnixDatagram::bind(&notify).expect("a socket");
    manager.set_read_timeout(Some(LONG)).expect("a timeout");

    let unit = file("myapp.service");
    let state = format!("kv.file={}/state.redb", folder.path().display());
    let unit = replaced(&unit, &[("kv.file=/var/lib/myapp/state.redb", &state)]);
    let mut arguments = arguments(&unit);
    // The harness has these of its own.
    assert_eq!(
        arguments.drain(..2).collect::<Vec<_>>(),
        ["serve", "/srv/myapp/current"]
    );
    assert_eq!(take(&mut arguments, "--admin"), "127.0.0.1:8889");
    assert_eq!(take(&mut arguments, "--cache-dir"), "/var/cache/myapp");
    let more: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let app = App::new()
        .handler("echo.wasm", guest("echo"))
        .handler("kv.wasm", guest("kv"))
        .inheriting(socket)
        .variable("NOTIFY_SOCKET", &notify);
    let server = app.serve_as("serve", &more).await;
    let mut said = [0; 100];
    let length = manager.recv(&mut said).expect("a message");
    assert_eq!(said[..length].trim_ascii(), b"READY=1");

    let stream = || async { UnixStream::connect(&path).await.expect("a connection") };
    let headers = "X-Real-Ip: 192.0.2.1\r\nX-Scheme: https\r\n";
    let echo = object(&whole(stream().await, &get("/echo", headers)).await);
    assert_eq!(
        (&echo["remote_ip"], &echo["protocol"]),
        (&json!("192.0.2.1"), &json!("https"))
    );
    whole(stream().await, &get("/kv/set?key=a&value=b", "")).await;
    assert!(folder.path().join("state.redb").is_file());
    assert!(server.stop().await.success());
}

#[test]
fn systemd_takes_the_units() {
    let Some(program) = installed("systemd-analyze") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let unit = replaced(
        &file("myapp.service"),
        &[("/usr/local/bin/waterspout", BINARY)],
    );
    let paths = [
        ("myapp.service", unit),
        ("myapp.socket", file("myapp.socket")),
    ];
    let paths = paths.map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    });
    let output = Command::new(program).arg("verify").args(paths).output();
    let output = output.expect("systemd-analyze starts");
    let said = String::from_utf8_lossy(&output.stderr);
    // It speaks of other units of the system, too.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("myapp")).collect();
    assert!(ours.is_empty(), "{said}");
}
