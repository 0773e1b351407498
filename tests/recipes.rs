//! The programs that `docs/recipes.md` shows, as their users meet them. That the page shows them is seen by `house`.

use std::io::{BufRead, BufReader, Lines};

use waterspout_test::{App, HttpRequest, StreamedResponse};

use crate::harness::{App as Folder, guest};
use crate::testing::testing;

fn form(path: &str, body: &str) -> HttpRequest {
    HttpRequest::new(path).with_method("POST").with_body(body)
}

/// The lines of a stream of events, and how it greets.
fn listen(app: &App) -> Lines<BufReader<StreamedResponse>> {
    let events = app.fetch_streaming("/events");
    assert_eq!(events.header("Content-Type"), Some("text/event-stream"));
    let mut lines = BufReader::new(events).lines();
    let greeting = lines.by_ref().take(4).map(|line| line.expect("a line"));
    let greeting: Vec<_> = greeting.collect();
    assert_eq!(
        greeting,
        [
            "event: welcome",
            "retry: 1000",
            "data: you will be told",
            ""
        ]
    );
    lines
}

fn next(lines: &mut Lines<BufReader<StreamedResponse>>) -> String {
    lines.next().expect("one more line").expect("a line")
}

#[test]
fn news_go_to_all_clients_and_a_drain_ends_the_streams_in_good_order() {
    let folder = Folder::new()
        .handler("events.wasm", guest("recipe_events"))
        .config("[settings]\napp = { keep_alive_ms = 60_000 }\n[component.'events.wasm']\ninstances = 2");
    let app = testing(&folder).serve();
    let mut clients = [listen(&app), listen(&app), listen(&app)];
    let readers = app.fetch(form("/news", "text=it+rains")).json();
    assert_eq!(readers, 3);
    for lines in &mut clients {
        assert_eq!(next(lines), "data: it rains");
        assert_eq!(next(lines), "");
    }
    app.stop();
    for mut lines in clients {
        assert!(lines.next().is_none(), "it ends, and is not cut off");
    }
}

#[test]
fn a_stream_without_news_is_kept_alive_by_comments() {
    let folder = Folder::new()
        .handler("events.wasm", guest("recipe_events"))
        .config("[settings]\napp = { keep_alive_ms = 20 }");
    let app = testing(&folder).serve();
    let mut lines = listen(&app);
    for _ in 0..3 {
        assert_eq!(next(&mut lines), ": still here");
        assert_eq!(next(&mut lines), "");
    }
}

#[test]
fn passwords_are_kept_as_hashes_and_sessions_are_random() {
    let folder = Folder::new()
        .handler("accounts.wasm", guest("recipe_accounts"))
        .config("[kv]\nfile = 'state'");
    let app = testing(&folder).serve();
    let ada = "name=ada&password=correct+horse";
    assert_eq!(app.fetch(form("/register", ada)).code(), 200);
    assert_eq!(app.fetch(form("/register", ada)).code(), 409);
    for wrong in ["name=ada&password=battery", "name=bob&password=battery"] {
        assert_eq!(app.fetch(form("/login", wrong)).code(), 403, "{wrong}");
    }
    let (one, other) = (app.session(), app.session());
    assert_eq!(one.fetch("/me").code(), 403);
    for session in [&one, &other] {
        let response = session.fetch(form("/login", ada));
        let cookie = response.header("Set-Cookie").expect("a cookie");
        for attribute in ["HttpOnly", "SameSite=Lax", "Secure"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert_eq!(session.fetch("/me").text(), "ada");
    }
    let id = one.cookie("/", "session").expect("a session");
    assert_eq!(id.len(), 64);
    assert_ne!(Some(id), other.cookie("/", "session"));
}

#[test]
fn templates_of_other_crates_escape_what_they_show() {
    let folder = Folder::new().handler("pages.wasm", guest("recipe_pages"));
    let app = testing(&folder).serve();
    let page = app.fetch("/stories?title=Rain&title=a+%3C+b");
    assert_eq!(
        page.header("Content-Type"),
        Some("text/html; charset=UTF-8")
    );
    let list = "<h1>Stories</h1><ul><li>Rain</li><li>a &lt; b</li></ul>";
    assert!(page.text().contains(list), "{}", page.text());
    let page = app.fetch("/story?title=a+%3C+b&page=One&page=Two");
    for part in ["<title>a &#60; b</title>", "<p>One</p>", "<p>Two</p>"] {
        assert!(page.text().contains(part), "{}", page.text());
    }
    let empty = app.fetch("/story?title=Rain");
    assert!(empty.text().contains("<p>There are no pages yet.</p>"));
    assert_eq!(app.fetch("/story").code(), 400);
}
