//! Folders that can't be served: said with the place in the configuration, and what served before serves on.

use super::{app, serve};
use crate::harness::{App, example};

fn hello() -> App {
    App::new().handler("hello.wasm", example("hello"))
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_fault_with_its_place() {
    for (config, place) in [
        (
            "[settings]\nstatic_path = 'public'\n",
            "waterspout.toml:2:15",
        ),
        (
            "[[route]]\npattern = '/files/(.*)'\nhandler = 'builtin:static'\nkwargs = { path = 'public' }\n",
            "waterspout.toml:3:11",
        ),
    ] {
        let (code, said) = hello().config(config).run("check");
        assert_eq!(code, Some(1), "{said}");
        for words in [place, "public", "there is no such folder"] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}

#[tokio::test]
async fn the_app_s_own_folder_is_not_to_be_served() {
    for path in [".", "../", "/"] {
        let config = format!("[settings]\nstatic_path = '{path}'\n");
        let (code, said) = hello().config(&config).run("check");
        assert_eq!(code, Some(1), "{path}: {said}");
        // `/` has more files than may be, too.
        assert!(
            said.contains("own files")
                || said.contains("can't be read")
                || said.contains("more than"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_change_that_can_not_be_served_is_refused_and_the_files_serve_on() {
    let server = serve(&[("a.txt", b"text")]).await;
    let config = "[settings]\nstatic_path = 'nowhere'\n";
    std::fs::write(server.app.path().join("waterspout.toml"), config).unwrap();
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(
        error.contains("nowhere: there is no such folder"),
        "{error}"
    );
    assert_eq!(server.get("/static/a.txt").await.body, "text");
    std::fs::write(
        server.app.path().join("waterspout.toml"),
        "[settings]\nstatic_path = 'static'\n",
    )
    .unwrap();
    server.until_swap_is(true).await;
    assert_eq!(server.get("/static/a.txt").await.body, "text");
}

#[test]
fn a_pattern_without_a_group_has_no_file() {
    let config =
        "[[route]]\npattern = '/files'\nhandler = 'builtin:static'\nkwargs = { path = 'static' }\n";
    let (code, said) = app(&[("a.txt", b"text")]).config(config).run("check");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("waterspout.toml:2:11") && said.contains("no group"),
        "{said}"
    );
}
