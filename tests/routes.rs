//! `waterspout routes`: the table as it would be served, and who takes a URL.

use crate::harness::{App, example};

fn app() -> App {
    App::new()
        .handler("stories.wasm", example("stories"))
        .handler("hello.wasm", example("hello"))
        .config(
            r#"
            [settings]
            default_host = "www.example.com"

            [[route]]
            host = 'www\.example\.com'
            prefix = '/old'

            [[route.route]]
            pattern = '/(?P<page>.*)'
            handler = "builtin:redirect"
            kwargs = { url = '/{page}' }

            [[route]]
            pattern = '/stories'
            handler = "stories.wasm#Stories"

            [[route]]
            pattern = '/story/([0-9]+)(/.*)?'
            handler = "stories.wasm#Story"
            name = "story"
            kwargs = { db = "main" }
            "#,
        )
}

#[test]
fn the_table_has_all_routes_in_their_order() {
    let table = [
        "pattern                handler               name   host",
        "/old/(?P<page>.*)      builtin:redirect             www\\.example\\.com",
        "/stories               stories.wasm#Stories",
        "/story/([0-9]+)(/.*)?  stories.wasm#Story    story",
        "/hello                 hello.wasm#Hello",
        "",
    ];
    assert_eq!(app().run("routes"), (Some(0), table.join("\n")));
}

#[test]
fn a_url_is_taken_by_one_route_or_none() {
    let app = app();
    let story = "/story/([0-9]+)(/.*)? → stories.wasm#Story\n  0 = \"42\"\n  1 is not there\n";
    let old = "/old/(?P<page>.*) → builtin:redirect\n  page = \"a b\"\n";
    for (url, said) in [
        ("/story/42", story),
        ("http://other.org:8888/story/42?x=1", story),
        ("/old/a%20b", old),
        ("https://www.example.com/old/a%20b", old),
        ("/nowhere", "no route: 404\n"),
        (
            "/old/%FF",
            "/old/(?P<page>.*): 400, an argument is not UTF-8\n",
        ),
    ] {
        assert_eq!(
            app.run_with("routes", &[url]),
            (Some(0), said.to_owned()),
            "{url}"
        );
    }
    let (code, said) = app.run_with("routes", &["no url"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("`no url` is no URL"), "{said}");
}
