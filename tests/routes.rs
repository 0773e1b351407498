//! `waterspout routes`: the table as it would be served, and who takes a URL; and what a route says beside that.

use crate::harness::{App, example, guest};

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

#[tokio::test]
async fn a_route_has_limits_of_its_own() {
    let server = App::new()
        .handler("echo.wasm", guest("echo"))
        .handler("base.wasm", guest("base"))
        .handler("slow.wasm", guest("slow"))
        .config(
            "[server]\nmax_body_size = '100B'\n\
             [component.'echo.wasm']\nmax_body_size = '10B'\n\
             [component.'slow.wasm']\ndeadline = '10m'\n\
             [[route]]\npattern = '/usual'\nhandler = 'echo.wasm'\n\
             [[route]]\npattern = '/large'\nhandler = 'echo.wasm'\nmax_body_size = '1KB'\n\
             [[route]]\npattern = '/small'\nhandler = 'base.wasm#Middle'\nmax_body_size = '5B'\n\
             [[route]]\npattern = '/slow'\nhandler = 'slow.wasm#Slow'\ndeadline = '100ms'\n",
        )
        .serve()
        .await;
    let post = async |path: &str, length: usize| {
        let body = "x".repeat(length);
        server.request(&format!("POST {path}"), "", &body).await
    };
    assert_eq!(post("/usual", 10).await.status, 200);
    assert_eq!(post("/usual", 11).await.status, 413);
    assert_eq!(post("/large", 1000).await.status, 200);
    assert_eq!(post("/large", 1025).await.status, 413);
    // The handler makes the page, as for 405.
    assert_eq!(post("/small", 5).await.status, 200);
    let refused = post("/small", 6).await;
    assert_eq!((refused.status, &*refused.body), (413, "Root: 413"));
    assert_eq!(refused.header("allow"), None);
    assert_eq!(server.get("/slow?ms=600000").await.status, 504);
}
