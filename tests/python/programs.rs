//! The programs of Tornado's guides, which are in `examples/python`, held against native Tornado. `programs.json` is the
//! record of what they answer and print there; `tests/oracle/renew.py` renews it. `docs/python-programs.md` has a table of
//! them, which is made here.

use std::collections::BTreeMap;
use std::path::Path;

use hyper::{Response, StatusCode};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::is_there;
use crate::harness::peer::whole;
use crate::harness::{App, Peer, Ws, root, soon};
use crate::oracle::record::compare;

/// The record.
#[derive(Deserialize)]
struct Record {
    answers: Vec<Value>,
    streams: Streams,
    /// By the program's file.
    prints: BTreeMap<String, Vec<String>>,
    /// What the spider finds, by path.
    pages: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Streams {
    sent: String,
    received: String,
}

fn record() -> Record {
    serde_json::from_str(include_str!("programs.json")).expect("the record")
}

/// How a program is tried.
enum Tried {
    /// At this place of `examples/python`: it answers as in Tornado.
    Answers(&'static str),
    /// It prints what it prints in Tornado.
    Prints,
    /// Its streams are served.
    Streams,
}

/// A program as a guide has it: its file in `examples/python/handlers`, its place, and how it is tried.
struct Program {
    file: &'static str,
    place: &'static str,
    tried: Tried,
}

const fn program(file: &'static str, place: &'static str, tried: Tried) -> Program {
    Program { file, place, tried }
}

const PROGRAMS: [Program; 11] = [
    program(
        "hello_world.py",
        "Quick start: hello world",
        Tried::Answers("/hello"),
    ),
    program(
        "structure.py",
        "Structure of a Tornado web application: hello world",
        Tried::Answers("/structure"),
    ),
    program(
        "scripts/blocking_fetch.py",
        "Asynchronous and non-blocking I/O: a synchronous function",
        Tried::Prints,
    ),
    program(
        "scripts/asynchronous_fetch.py",
        "Asynchronous and non-blocking I/O: the same as a native coroutine",
        Tried::Prints,
    ),
    program(
        "scripts/coroutine_fetch.py",
        "Asynchronous and non-blocking I/O: the same as a decorated coroutine",
        Tried::Prints,
    ),
    program(
        "scripts/future_fetch.py",
        "Asynchronous and non-blocking I/O: the same with a Future",
        Tried::Prints,
    ),
    program("scripts/multi.py", "Coroutines: parallelism", Tried::Prints),
    program(
        "scripts/async_generator.py",
        "Coroutines: looping",
        Tried::Prints,
    ),
    program(
        "minute_loop.py",
        "Coroutines: running in the background",
        Tried::Prints,
    ),
    program(
        "crawler/webspider.py",
        "Queue example: a concurrent web spider",
        Tried::Prints,
    ),
    program(
        "echo_server.py",
        "TCPServer: an echo server, with coroutines in place of callbacks",
        Tried::Streams,
    ),
];

/// The apps around what the guides show in parts.
const APPS: [(&str, &str, &str); 5] = [
    (
        "guide",
        "/guide",
        "handlers of the guide: names of routes, forms, files, JSON, error pages, redirects, coroutines",
    ),
    ("chat", "/chat", "a chat by long polling"),
    ("crawler", "/crawler", "the web spider behind a page"),
    (
        "upload",
        "/upload",
        "an upload that is read as it arrives, an answer that is sent as it is made",
    ),
    (
        "scripts",
        "/scripts",
        "the programs that only print, behind a page",
    ),
];

fn handlers() -> std::path::PathBuf {
    root().join("examples/python/handlers")
}

/// The app of `examples/python`, which listens for streams on a free port, with one app more.
fn examples() -> App {
    let folder = root().join("examples/python");
    let config = std::fs::read_to_string(folder.join("waterspout.toml")).expect("a configuration");
    let port = "127.0.0.1:12345";
    assert!(config.contains(port), "it listens on {port}");
    let gone =
        "[[route]]\npattern = '/gone(/.*)?'\nhandler = \"gone.py\"\nstrip_prefix = \"/gone\"\n";
    let app = App::new()
        .handler("gone.py", include_str!("gone.py"))
        .config(&(config.replace(port, "127.0.0.1:0") + gone));
    copy(&folder.join("handlers"), &app.path().join("handlers"));
    app
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(&from, &to).expect("a copy")),
        }
    }
}

#[tokio::test]
async fn the_programs_answer_as_in_tornado() {
    if !is_there().await {
        return;
    }
    let answers = serde_json::to_string(&record().answers).unwrap();
    compare(examples(), &[&answers]).await;
}

#[tokio::test]
async fn the_echo_server_sends_back_what_it_sends_back_in_tornado() {
    if !is_there().await {
        return;
    }
    let Streams { sent, received } = record().streams;
    let server = examples().serve().await;
    let line = server.log.line_with("streams on ").await;
    let (_, rest) = line.split_once("streams on ").expect("an address");
    let address = rest.split(' ').next().expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(sent.as_bytes()).await.expect("written");
    stream.shutdown().await.expect("its end");
    let mut answer = String::new();
    let read = soon(stream.read_to_string(&mut answer)).await;
    read.expect("an answer");
    assert_eq!(answer, received);
}

/// What a program has printed, as the record has it.
fn printed(log: &str, file: &str) -> Vec<String> {
    let time = Regex::new(r"in (\d+ seconds|[A-Z].*)").unwrap();
    let own = format!(" app {file}] ");
    let lines = log.lines().filter_map(|line| line.split_once(&own));
    lines
        .map(|(_, line)| time.replace(line, "in …").into_owned())
        .collect()
}

/// The name of a program as an app of its own.
fn name_of(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

#[tokio::test]
async fn the_programs_that_serve_nothing_print_what_they_print_in_tornado() {
    if !is_there().await {
        return;
    }
    let Record { prints, pages, .. } = record();
    let peer = Peer::start(move |request| {
        // The spider comes by a proxy, the others directly.
        let path = request.uri().path();
        let found = match path {
            "/" => Some("Hello, world".to_owned()),
            path => pages.get(path).cloned(),
        };
        async move {
            let mut response = Response::new(whole(found.clone().unwrap_or_default()));
            if found.is_none() {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            response
        }
    })
    .await;
    let mut config = format!("[http_client]\nproxy = \"http://{}\"\n", peer.address);
    let mut app = App::new();
    for file in prints.keys() {
        let text = std::fs::read_to_string(handlers().join(file)).expect("a program");
        // Where the program of the guide expects another to serve.
        let text = text.replace("127.0.0.1:8888", &peer.address.to_string());
        let name = name_of(file);
        let origins = format!("\"http://{}\", \"http://www.tornadoweb.org\"", peer.address);
        config += &format!(
            "[component.\"{name}\"]\nallow = {{ http = [{origins}] }}\n\
             [[route]]\npattern = '/{name}'\nhandler = \"{name}\"\n"
        );
        app = app.handler(name, text);
    }
    let server = app.config(&config).serve().await;
    let log = server.logged().await;
    for (file, expected) in &prints {
        let name = name_of(file);
        let mut lines = printed(&log, name);
        if file.ends_with("webspider.py") {
            lines.sort();
        }
        assert_eq!(&lines, expected, "{file}: {log}");
        let component = server.component(name).await;
        if file == "minute_loop.py" {
            assert_eq!(component["state"], "serving", "it works in the background");
            continue;
        }
        let error = component["error"].to_string();
        assert!(error.contains("has ended, and has not listened"), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_is_wrong_in_a_guide_is_refused_for_what_is_wrong() {
    if !is_there().await {
        return;
    }
    // One guide has all of it inside of the class, which is there only after that.
    let right = std::fs::read_to_string(handlers().join("structure.py")).unwrap();
    let (before, after) = right.split_once("def make_app").unwrap();
    let after = format!("def make_app{after}");
    let after: Vec<String> = after
        .lines()
        .map(|line| match line.is_empty() {
            true => String::new(),
            false => format!("    {line}"),
        })
        .collect();
    let wrong = before.to_owned() + &after.join("\n") + "\n";
    let server = App::new().handler("structure.py", wrong).serve().await;
    let error = server.component("structure.py").await["error"].to_string();
    for said in [
        "structure.py\\\", line 10, in make_app",
        "NameError: name 'MainHandler' is not defined",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[tokio::test]
async fn the_chat_hands_a_message_to_all_that_wait() {
    if !is_there().await {
        return;
    }
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
    let server = examples().serve().await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut client = server.connect().await;
        client
            .send("POST /chat/a/message/updates HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            .await;
        waiting.push(client);
    }
    server.until_in_flight("chat.py", 50).await;
    // One leaves, and costs nobody else the message.
    drop(waiting.pop());
    server.until_in_flight("chat.py", 49).await;
    let said = server
        .request("POST /chat/a/message/new", FORM, "body=%3Cb%3E")
        .await;
    let said: Value = serde_json::from_str(&said.body).expect("JSON");
    for mut client in waiting {
        let answer = soon(client.answer()).await;
        let news: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(news["messages"], Value::Array(vec![said.clone()]));
    }
    let page = server.get("/chat/").await.body;
    assert!(page.contains("&lt;b&gt;"), "{page}");
    assert!(page.contains("action=\"/chat/a/message/new\""), "{page}");
}

#[tokio::test]
async fn the_chat_by_sockets_says_a_message_to_all_that_have_it_open() {
    if !is_there().await {
        return;
    }
    let server = examples().serve().await;
    let page = server.get("/socket_chat/").await.body;
    assert!(
        page.contains("\"/socket_chat\" + \"/chatsocket\""),
        "{page}"
    );
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(Ws::connect(server.address, "/socket_chat/chatsocket").await);
    }
    sockets[0].send_text("{\"body\": \"<b>\"}").await;
    for socket in &mut sockets {
        let said = socket.next().await.payload;
        let said: Value = serde_json::from_slice(&said).expect("JSON");
        assert_eq!(said["body"], "<b>");
        assert!(said["html"].as_str().expect("text").contains("&lt;b&gt;"));
    }
    let page = server.get("/socket_chat/").await.body;
    assert!(page.contains("&lt;b&gt;"), "{page}");
}

#[tokio::test]
async fn the_crawler_finds_every_page_of_its_own_server() {
    if !is_there().await {
        return;
    }
    let server = examples().serve().await;
    let origin = format!("http://{}", server.address);
    let page = server.get(&format!("/crawler/?url={origin}/")).await.body;
    for place in [
        "/hello",
        "/guide/",
        "/chat/",
        "/upload/",
        "/scripts/run/multi",
    ] {
        assert!(
            page.contains(&format!("fetched {origin}{place}\n")),
            "{place}: {page}"
        );
    }
    assert!(page.contains("Done in "), "{page}");
    // It is granted this server, and no other.
    let page = server
        .get("/crawler/?url=http://denied.example/")
        .await
        .body;
    assert!(
        page.contains("http://denied.example is not granted"),
        "{page}"
    );
}

/// The answers of the record at a place.
fn answers_at(record: &Record, place: &str) -> usize {
    let sent = record
        .answers
        .iter()
        .filter_map(|answer| answer["sent"][0].as_str());
    let start = format!(" {place}/");
    sent.filter(|sent| {
        sent.lines()
            .next()
            .is_some_and(|line| line.contains(&start))
    })
    .count()
}

/// The tables of the page.
fn tables() -> String {
    let record = record();
    let mut text =
        "| program | where a guide has it | what is held against Tornado |\n|---|---|---|\n"
            .to_owned();
    let answered = |place: &str| match answers_at(&record, place) {
        0 => panic!("nothing is asked at {place}"),
        1 => "1 answer".to_owned(),
        count => format!("{count} answers"),
    };
    let link = |file: &str| format!("[`{file}`](../examples/python/handlers/{file})");
    for Program { file, place, tried } in &PROGRAMS {
        let held = match tried {
            Tried::Answers(place) => answered(place),
            Tried::Prints => match record.prints[*file].len() {
                1 => "the line that it prints".to_owned(),
                count => format!("the {count} lines that it prints"),
            },
            Tried::Streams => "what its streams send".to_owned(),
        };
        text += &format!("| {} | {place} | {held} |\n", link(file));
    }
    text += "\n| app | what it has | what is held against Tornado |\n|---|---|---|\n";
    for (name, place, what) in APPS {
        let file = format!("{name}/app.py");
        text += &format!("| {} | {what} | {} |\n", link(&file), answered(place));
    }
    text
}

#[test]
fn the_page_of_the_programs_has_what_was_measured() {
    let record = record();
    for file in record.prints.keys() {
        let is_there = PROGRAMS.iter().any(|program| program.file == file);
        assert!(is_there, "{file} is in the record, and not in the table");
    }
    let file = root().join("docs/python-programs.md");
    let page = std::fs::read_to_string(&file).expect("the page");
    const HEADING: &str = "## What runs as it is\n\n";
    let (before, rest) = page.split_once(HEADING).expect("the heading");
    let (_, after) = rest.split_once("\n## ").expect("the next heading");
    let made = format!("{before}{HEADING}{}\n## {after}", tables());
    if std::env::var_os("WATERSPOUT_RECORD").is_some() {
        std::fs::write(&file, made).unwrap();
        return;
    }
    assert!(
        page == made,
        "docs/python-programs.md does not have this. `WATERSPOUT_RECORD=1 cargo test the_page_of_the_programs` \
         writes it:\n{}",
        tables()
    );
}

#[test]
fn the_page_of_the_programs_has_every_line_that_is_gone() {
    let page = std::fs::read_to_string(root().join("docs/python-programs.md")).expect("the page");
    let record = record();
    let gone = record.answers.iter().find(|answer| {
        answer["sent"][0]
            .as_str()
            .is_some_and(|sent| sent.starts_with("GET /gone/"))
    });
    let body = gone.expect("an answer")["answers"][0]["body"]
        .as_str()
        .expect("a body");
    let lines: BTreeMap<String, String> = serde_json::from_str(body).expect("JSON");
    assert!(lines.len() > 5, "{lines:?}");
    let name = Regex::new(r"(\w+)(\(.*)?$").unwrap();
    for (line, becomes) in lines {
        assert_ne!(becomes, "runs", "{line}");
        let name = &name.captures(&line).expect("a name")[1];
        let named = ["callback", "replace_callback", "io_loop"];
        let name = named
            .into_iter()
            .find(|name| line.contains(&format!("{name}=")))
            .unwrap_or(name);
        assert!(
            page.contains(name),
            "docs/python-programs.md says nothing of {name}"
        );
    }
}
