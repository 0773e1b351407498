//! What components take by themselves, where no `[[route]]` names them: first each its own name, then the rest.

use crate::harness::{App, guest, soon, versioned};

/// `greedy.wasm` declares what looks like `beside.wasm`, and much more; `beside.wasm` declares nothing.
fn app() -> App {
    App::new()
        .handler("a-greedy.wasm", guest("claims"))
        .handler("beside.wasm", versioned("beside"))
        .handler("index.wasm", versioned("index"))
}

#[tokio::test]
async fn what_belongs_to_a_name_is_its_component_s_whoever_comes_first() {
    let server = app().serve().await;
    for (path, body) in [
        // `/besid[e]`, `/(.*)` and `/` are declared by a file that comes before.
        ("/beside", "beside"),
        ("/", "index"),
        // What is its own is in the order in which it is declared, with what is wider among it.
        ("/a-greedy/first", "wide"),
        ("/a-greedy/second", "own"),
        // What nobody else's name gives him it has.
        ("/beside/below", "rest"),
        ("/elsewhere", "rest"),
    ] {
        assert_eq!(server.get(path).await.body, body, "{path}");
    }
    let warning =
        "a-greedy.wasm: takes `/besid[e]`, `/(?:a-greedy|other)/first`, `/(.*)` by itself";
    server.log.line_with(warning).await;

    // Once for each version, and not for what others do.
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, versioned("other")).expect("a file");
    std::fs::rename(&aside, server.app.handler_path("other.wasm")).expect("renamed");
    server.until_generation(2).await;
    assert_eq!(server.get("/other").await.body, "other");
    assert_eq!(server.get("/other/first").await.body, "wide");
    let status = server.status().await;
    let routes = status["routes"].as_array().expect("routes");
    assert_eq!(routes.len(), 7, "{status}");
    assert_eq!(server.log.text().matches("takes `/besid[e]`").count(), 1);
    assert!(soon(server.stop()).await.success());
}

#[test]
fn check_says_what_is_wider_than_a_name() {
    let (code, said) = app().run("check");
    assert_eq!(code, Some(0), "{said}");
    let warning = "handlers/a-greedy.wasm: warning: takes `/besid[e]`, `/(?:a-greedy|other)/first`, `/(.*)` by itself, which is more than its own `/a-greedy`";
    assert!(said.contains(warning), "{said}");
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    assert!(said.contains("fine (3 components, 6 routes)"), "{said}");

    // A line of configuration, and nothing is taken by itself.
    let (code, said) = app()
        .config("[[route]]\npattern = '/greedy'\nhandler = 'a-greedy.wasm#Rest'\n")
        .run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[tokio::test]
async fn a_file_of_any_name_is_at_its_name() {
    let server = App::new()
        .handler("a b.wasm", versioned("space"))
        .handler("ä.wasm", versioned("umlaut"))
        .handler("c#.wasm", versioned("sharp"))
        .handler("100%.wasm", versioned("percent"))
        .handler("a+(b).wasm", versioned("others"))
        .serve()
        .await;
    for (path, body) in [
        ("/a%20b", "space"),
        ("/%C3%A4", "umlaut"),
        ("/%c3%a4", "umlaut"),
        ("/c%23", "sharp"),
        ("/100%25", "percent"),
        ("/a+(b)", "others"),
        ("/a%2B%28b%29", "others"),
    ] {
        assert_eq!(server.get(path).await.body, body, "{path}");
    }
    assert_eq!(server.get("/c").await.status, 404);
}
