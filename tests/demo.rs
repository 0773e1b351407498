//! The demo app as its visitors see it: the front page lists every example, every link and every route answers, and every
//! page works in a browser, where there is one.

mod browser;

use std::collections::BTreeSet;

use browser::{Browser, Tab};
use regex::Regex;

use crate::harness::{Running, root};
use crate::oracle::demo;

const DESKTOP: u32 = 1200;
const PHONE: u32 = 390;

/// What the workspace of the examples lists, without the crate of the front page itself.
fn examples() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("examples/Cargo.toml")).expect("a file");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let members = manifest["workspace"]["members"].as_array().expect("a list");
    let names = members.iter().map(|name| name.as_str().expect("a name"));
    names
        .filter(|name| *name != "front")
        .map(str::to_owned)
        .collect()
}

/// The paths of the files in a folder of the repository.
fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| format!("{folder}/{}", name.display()))
        .collect()
}

/// The paths of all pages that links lead to from the front page. Each link is followed.
async fn pages(server: &Running) -> BTreeSet<String> {
    let link = Regex::new(r#"(?:href|src)="(/[^"]*)""#).unwrap();
    let mut seen = BTreeSet::from(["/".to_owned()]);
    let mut pages = BTreeSet::new();
    let mut left = vec!["/".to_owned()];
    while let Some(path) = left.pop() {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        for link in link.captures_iter(&answer.body) {
            if seen.insert(link[1].to_owned()) {
                left.push(link[1].to_owned());
            }
        }
        if answer.header("content-type") == Some("text/html; charset=UTF-8") {
            pages.insert(path);
        }
    }
    pages
}

#[tokio::test]
async fn the_front_page_lists_every_example_and_every_link_and_route_answers() {
    let server = demo().serve().await;
    let front = server.get("/").await.body;
    let item = Regex::new(r#"(?s)<li id="([a-z-]+)">(.*?)</li>"#).unwrap();
    let route = Regex::new(r"<code>(/[^<]*|127\.0\.0\.1:[0-9]+)</code>").unwrap();
    pages(&server).await;
    let mut listed = BTreeSet::new();
    for item in item.captures_iter(&front) {
        let (name, text) = (&item[1], &item[2]);
        assert!(text.contains("<cite"), "{name} has no chapter");
        let source = format!("/source/{name}");
        assert!(text.contains(&source), "{name} has no source");
        let shown = server.get(&source).await.body;
        for file in files(&format!("examples/{name}/src")) {
            assert!(shown.contains(&file), "{source} does not show {file}");
        }
        let routes: Vec<_> = route.captures_iter(text).collect();
        assert!(!routes.is_empty(), "{name} has no route");
        // What is no path is where streams are taken.
        for route in routes.into_iter().filter(|route| route[1].starts_with('/')) {
            let answer = server.get(&route[1]).await;
            assert_ne!(answer.status, 404, "{name}: {}", &route[1]);
        }
        listed.insert(name.to_owned());
    }
    assert_eq!(listed, examples());
}

#[tokio::test]
async fn every_page_loads_in_a_browser_without_a_complaint() {
    let Some(mut browser) = browser() else { return };
    let server = demo().serve().await;
    for path in pages(&server).await {
        let url = format!("http://{}{path}", server.address);
        let tab = browser.open(&url, PHONE).await;
        // The form of Tornado's guide, as bare as it is there.
        if path != "/myform" {
            for condition in [
                "document.styleSheets[0].cssRules.length > 20",
                "document.querySelector('h1').offsetHeight > 0",
                "document.documentElement.lang === 'en'",
                // It fits a phone.
                "document.documentElement.scrollWidth <= innerWidth",
                "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]\
                 .every(field => field.labels.length > 0)",
            ] {
                let holds = browser.run(&tab, condition).await;
                assert_eq!(holds, true, "{path}: {condition}");
            }
        }
        assert_eq!(browser.complaints(), [""; 0], "{path}");
        browser.close(tab).await;
    }
    browser.end().await;
}

#[tokio::test]
async fn a_visitor_uses_the_examples_in_a_browser() {
    let Some(browser) = browser() else { return };
    let server = demo().serve().await;
    let mut visitor = Visitor { browser, server };
    for (path, button, answer) in [
        ("/try/hello", "GET /hello", "Hello, world"),
        ("/try/stories", "GET /story/42", "this is story 42"),
        ("/try/forms", "POST /myform", "You wrote hello there"),
        ("/try/redirects", "GET /pictures/cat", "the photo cat"),
        ("/try/redirects", "POST /guestbook", "thank you"),
        (
            "/try/json",
            "PUT /json",
            r#"{"name":"waterspout","works":true}"#,
        ),
        ("/try/allowlist", "GET /staff", "staff only"),
        (
            "/try/interleave",
            "GET /interleave",
            "chunk 1\nchunk 2\nchunk 3",
        ),
        ("/try/fetch", "GET /fetch", "/hello: 12 bytes"),
        ("/try/fetch", "GET /fetch/many", "/hello\":12"),
        (
            "/try/blocking",
            "GET /blocking/offloaded",
            "78498 primes below 1000000",
        ),
        ("/files", "GET a part", "206 bytes 0-30/"),
        ("/crawler", "Crawl", "Pages: 31"),
        ("/try/ws-echo", "Send", "hello there"),
    ] {
        let tab = visitor.open(path).await;
        visitor.click(&tab, button).await;
        visitor.until_shown(&tab, answer).await;
        visitor.browser.close(tab).await;
    }
    visitor.uploads("/upload", "POST /upload").await;
    visitor.uploads("/stream", "Send").await;
    visitor.chats("/chat").await;
    visitor.chats("/websocket-chat").await;
    visitor.sees_the_ticker().await;
    visitor.has_an_account().await;
    assert_eq!(visitor.browser.complaints(), [""; 0]);
    visitor.browser.end().await;
}

/// Somebody at a browser, and what they look at.
struct Visitor {
    browser: Browser,
    server: Running,
}

impl Visitor {
    async fn open(&mut self, path: &str) -> Tab {
        let url = format!("http://{}{path}", self.server.address);
        self.browser.open(&url, DESKTOP).await
    }

    async fn click(&mut self, tab: &Tab, button: &str) {
        let script = format!(
            "[...document.querySelectorAll('button')].find(it => it.textContent === {button:?}).click()"
        );
        self.browser.run(tab, &script).await;
    }

    async fn until_shown(&mut self, tab: &Tab, text: &str) {
        let condition = format!("document.querySelector('main').innerText.includes({text:?})");
        self.browser.until(tab, &condition).await;
    }

    /// A file of three bytes.
    async fn uploads(&mut self, path: &str, button: &str) {
        let tab = self.open(path).await;
        if path == "/stream" {
            let clock = "document.getElementById('clock').textContent.includes(':')";
            self.browser.until(&tab, clock).await;
        }
        let choose = "const chosen = new DataTransfer();\n\
                      chosen.items.add(new File(['abc'], 'a.txt', { type: 'text/plain' }));\n\
                      document.querySelector('[type=file]').files = chosen.files;";
        self.browser.run(&tab, choose).await;
        self.click(&tab, button).await;
        self.until_shown(&tab, "3 bytes").await;
        self.browser.close(tab).await;
    }

    /// In two windows.
    async fn chats(&mut self, path: &str) {
        let (one, other) = (self.open(path).await, self.open(path).await);
        if path == "/websocket-chat" {
            self.until_shown(&one, "Connected.").await;
        }
        let write = "document.getElementById('message').value = '<b> & co'";
        self.browser.run(&one, write).await;
        self.click(&one, "Post").await;
        self.until_shown(&other, "<b> & co").await;
        self.until_shown(&one, "<b> & co").await;
    }

    /// Is sent to log in, makes an account, and leaves again.
    async fn has_an_account(&mut self) {
        let stranger = self.open("/auth").await;
        self.until_shown(&stranger, "Make an account").await;
        let form = self.open("/auth/register").await;
        self.until_shown(&form, "Password").await;
        for (name, value) in [("name", "Ada <b>"), ("password", "long enough")] {
            let fill = format!("document.querySelector('[name={name}]').value = {value:?}");
            self.browser.run(&form, &fill).await;
        }
        self.submits(&form, "You are").await;
        let account = self.open("/auth").await;
        self.until_shown(&account, "You are Ada <b>.").await;
        self.submits(&account, "Make an account").await;
        for tab in [stranger, form, account] {
            self.browser.close(tab).await;
        }
    }

    /// Sends the form of a page, and sees this on the page that follows.
    async fn submits(&mut self, tab: &Tab, text: &str) {
        let submit = "(async () => {\n\
                      const form = document.querySelector('form');\n\
                      const body = new URLSearchParams(new FormData(form));\n\
                      const answer = await fetch(form.action, { method: form.method, body });\n\
                      return await answer.text();\n\
                      })()";
        let page = self.browser.run(tab, submit).await;
        let page = page.as_str().expect("a page");
        assert!(page.contains(text), "{page}");
    }

    async fn sees_the_ticker(&mut self) {
        let tab = self.open("/ticker").await;
        let clock = "document.getElementById('clock').textContent.includes(':')";
        self.browser.until(&tab, clock).await;
    }
}

fn browser() -> Option<Browser> {
    let browser = Browser::start();
    if browser.is_none() {
        eprintln!("chromium is not installed: the pages of the demo are not opened in a browser");
    }
    browser
}
