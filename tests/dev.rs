//! `waterspout dev`: what the terminal and the browser are shown while somebody writes an app.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Answer, App, Client, Running, example, guest, soon, versioned};

/// What browsers send with a request for a page.
const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\
                       Accept-Encoding: gzip, deflate, br, zstd\r\n";

/// An app as `waterspout new` makes it, with all that it depends on compiled, but not itself.
fn new_app(name: &str) -> App {
    // All that it needs is fetched.
    example("hello");
    let waterspout = |command: &str, folder: &Path| {
        let done = Command::new(env!("CARGO_BIN_EXE_waterspout"))
            .args([command, name])
            .current_dir(folder)
            .status();
        assert!(done.expect("waterspout starts").success(), "{command}");
    };
    let folder = tempfile::tempdir().expect("a folder");
    waterspout("new", folder.path());
    let offline = format!(
        // As `dev` builds, so that it finds all that is not the app's own built already.
        "[net]\noffline = true\n[build]\ntarget-dir = {:?}\n[profile.release]\nlto = \"off\"\nopt-level = 1\n\
         codegen-units = 16\nincremental = true\ndebug = \"line-tables-only\"\nstrip = \"none\"\n",
        concat!(env!("CARGO_TARGET_TMPDIR"), "/dev")
    );
    let made = folder.path().join(name);
    std::fs::create_dir(made.join(".cargo")).expect("a folder");
    std::fs::write(made.join(".cargo/config.toml"), offline).expect("a configuration");
    waterspout("build", folder.path());

    let app = App::new();
    for folder in [".cargo", "src"] {
        std::fs::create_dir(app.path().join(folder)).expect("a folder");
    }
    for file in [
        ".cargo/config.toml",
        "Cargo.toml",
        "Cargo.lock",
        "src/lib.rs",
        "waterspout.toml",
    ] {
        std::fs::copy(made.join(file), app.path().join(file)).expect("copied");
    }
    app
}

/// Saves the app's source with something else in the place of `old`.
fn edit(app: &App, old: &str, new: &str) {
    let file = app.path().join("src/lib.rs");
    let text = std::fs::read_to_string(&file).expect("the source");
    assert!(text.contains(old), "{text}");
    std::fs::write(&file, text.replace(old, new)).expect("saved");
}

/// A page, as a browser asks for it.
async fn browse(server: &Running, path: &str) -> Answer {
    server.request(&format!("GET {path}"), BROWSER, "").await
}

/// What a browser gets that asks for the head of a page alone, to the last byte.
async fn head(server: &Running, path: &str) -> String {
    let mut client = server.connect().await;
    let head =
        format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{BROWSER}\r\n");
    client.send(head).await;
    let head = String::from_utf8(client.rest().await).expect("UTF-8");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    head
}

/// The version that a page's script knows.
fn version(page: &Answer) -> &str {
    let (_, rest) = page.body.split_once("data-version=\"").expect("a script");
    rest.split('"').next().expect("a version")
}

/// Asks for something newer than a page, as its script does; the answer is there when there is.
async fn wait_for_newer(server: &Running, page: &Answer) -> Client {
    let mut client = server.connect().await;
    let path = format!("/.waterspout/reload?version={}", version(page));
    client
        .send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .await;
    client
}

/// The page that the script loads then.
async fn reloaded(server: &Running, mut waiting: Client) -> Answer {
    let answer = soon(waiting.answer()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = browse(server, "/").await;
    assert_eq!(version(&page), answer.body, "{}", page.body);
    page
}

#[tokio::test]
async fn a_typo_is_shown_in_the_terminal_and_in_the_browser_until_it_is_mended() {
    let app = new_app("my-typo");
    edit(&app, "{name}", "<b>{nam}</b>");
    let config = "[server]\ngrace = '10m'\n[[route]]\npattern = '/'\nhandler = 'my_typo.wasm'\n";
    let server = app.config(config).serve_as("dev", &[]).await;

    // It has never built. All are told, and browsers have a page for it.
    server.log.line_with("error[E0425]").await;
    server.log.line_with("browsers are shown why").await;
    let page = browse(&server, "/anything").await;
    assert_eq!(page.status, 500);
    assert!(
        page.body.contains("<h1>The app does not build</h1>"),
        "{page:?}"
    );
    assert!(page.body.contains("src/lib.rs:"), "{page:?}");
    assert!(page.body.contains("&lt;b&gt;{nam}&lt;/b&gt;"), "{page:?}");
    assert!(page.body.contains("<span style='color:var(--"), "{page:?}");
    assert!(!page.body.contains('\x1b'), "{page:?}");
    let head = head(&server, "/").await;
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    let plain = server.get("/").await;
    assert_eq!(plain.status, 500);
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; charset=UTF-8")
    );
    assert!(plain.body.contains("error[E0425]"), "{plain:?}");
    assert!(!plain.body.contains('\x1b'), "{plain:?}");
    let readyz = soon(Client::connect(server.admin).await.get("/readyz")).await;
    assert_eq!(readyz.status, 503);
    server.log.line_with("500 GET /anything").await;

    // Mended, it is there.
    let waiting = wait_for_newer(&server, &page).await;
    edit(&server.app, "{nam}", "{name}");
    let page = reloaded(&server, waiting).await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("Hello, <b>world</b><script "));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(server.get("/").await.body, "Hello, <b>world</b>");
    server.log.line_with("built in ").await;
    server
        .log
        .line_with("generation 1: 1 component, 1 route")
        .await;
    let readyz = soon(Client::connect(server.admin).await.get("/readyz")).await;
    assert_eq!(readyz.status, 200);

    // Edited, it is loaded anew.
    let waiting = wait_for_newer(&server, &page).await;
    edit(&server.app, "Hello, ", "Good morning, ");
    let page = reloaded(&server, waiting).await;
    assert!(page.body.starts_with("Good morning, <b>world</b><script "));
    let swapped = "generation 2 serves: my_typo.wasm changed (";
    server.log.line_with(swapped).await;

    // A typo again: whoever is no browser gets the old version.
    let waiting = wait_for_newer(&server, &page).await;
    edit(&server.app, "format!", "fromat!");
    let page = reloaded(&server, waiting).await;
    assert_eq!(page.status, 500);
    assert!(page.body.contains("fromat"), "{page:?}");
    assert_eq!(server.get("/").await.body, "Good morning, <b>world</b>");

    // What Cargo itself finds is shown, too.
    let waiting = wait_for_newer(&server, &page).await;
    let manifest = server.app.path().join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    std::fs::write(&manifest, format!("{text}\nstray\n")).expect("saved");
    let page = reloaded(&server, waiting).await;
    assert_eq!(page.status, 500);
    assert!(page.body.contains("stray"), "{page:?}");
    let waiting = wait_for_newer(&server, &page).await;
    std::fs::write(&manifest, text).expect("saved");
    let page = reloaded(&server, waiting).await;
    assert!(page.body.contains("fromat"), "{page:?}");

    // Taken back, there is nothing to swap, and the page goes all the same.
    let waiting = wait_for_newer(&server, &page).await;
    edit(&server.app, "fromat!", "format!");
    let page = reloaded(&server, waiting).await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("Good morning, <b>world</b><script "));

    // A page that waits is nothing to wait for.
    let mut waiting = wait_for_newer(&server, &page).await;
    assert!(server.stop().await.success());
    assert_eq!(soon(waiting.answer()).await.status, 204);
}

/// Puts a file into the app.
fn write(app: &App, path: &str, text: &str) {
    let path = app.path().join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("saved");
}

#[tokio::test]
async fn all_that_a_build_reads_is_watched_and_what_it_writes_is_not() {
    let app = new_app("my-sources");
    let manifest = std::fs::read_to_string(app.path().join("Cargo.toml")).expect("a manifest");
    let near = "[dependencies]\nnear = { path = \"near\" }\n";
    let manifest = manifest.replacen("[dependencies]\n", near, 1);
    write(&app, "Cargo.toml", &manifest);
    let package =
        |name: &str, more: &str| format!("[package]\nname = {name:?}\nedition = \"2024\"\n{more}");
    let uses_far = "[dependencies]\nfar = { path = \"../far\" }\n";
    write(&app, "near/Cargo.toml", &package("near", uses_far));
    write(&app, "near/src/lib.rs", "pub use far::TEXT;\n");
    // One that would be a component, too, if it were meant.
    let is_cdylib = "[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n";
    write(&app, "far/Cargo.toml", &package("far", is_cdylib));
    write(
        &app,
        "far/src/lib.rs",
        "pub const TEXT: &str = \"far 1\";\n",
    );
    write(&app, "src/page.html", "page 1");
    // Is run in each build, since it changes what it may depend on.
    let script = "fn main() {\n    std::fs::write(\"src/made.rs\", \"pub const MADE: &str = \\\"made\\\";\").unwrap();\n}\n";
    write(&app, "build.rs", script);
    let all = "{name} {} {} {}\", include_str!(\"page.html\"), near::TEXT, made::MADE)";
    edit(&app, "{name}\")", all);
    let source = std::fs::read_to_string(app.path().join("src/lib.rs")).expect("the source");
    write(&app, "src/lib.rs", &format!("{source}\nmod made;\n"));
    let server = app.serve_as("dev", &[]).await;
    server.log.line_with("generation 1: 1 component, ").await;
    assert_eq!(server.get("/").await.body, "Hello, world page 1 far 1 made");
    write(&server.app, "src/page.html", "page 2");
    server.log.line_with("generation 2 serves").await;
    assert_eq!(server.get("/").await.body, "Hello, world page 2 far 1 made");
    write(
        &server.app,
        "far/src/lib.rs",
        "pub const TEXT: &str = \"far 2\";\n",
    );
    server.log.line_with("generation 3 serves").await;
    assert_eq!(server.get("/").await.body, "Hello, world page 2 far 2 made");
    // One build for each, though each writes a source.
    let text = server.log.text();
    assert_eq!(text.matches("] built in ").count(), 3, "{text}");

    // Away for a moment, and watched as before.
    let (src, aside) = (server.app.path().join("src"), server.app.path().join("x"));
    std::fs::rename(&src, &aside).expect("renamed");
    std::fs::rename(&aside, &src).expect("renamed");
    write(&server.app, "src/page.html", "page 3");
    server.log.line_with("generation 4 serves").await;
    assert_eq!(server.get("/").await.body, "Hello, world page 3 far 2 made");
}

/// A build script that goes on until the app has a file `go`, and writes its process to `waits`.
const WAITING_SCRIPT: &str = r#"
fn main() {
    std::fs::write("waits", std::process::id().to_string()).unwrap();
    while !std::fs::exists("go").unwrap() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
"#;

/// The process of the build script, once that waits.
async fn waiting_script(app: &App) -> u32 {
    let file = app.path().join("waits");
    let read = async {
        loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Ok(process) = text.parse() {
                return process;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    soon(read).await
}

#[tokio::test]
async fn a_panic_is_shown_with_its_lines_until_it_is_mended() {
    let app = new_app("my-panic");
    edit(
        &app,
        "let name",
        "let nothing: Option<u8> = None;\n        nothing.expect(\"a number\");\n        let name",
    );
    let server = app.serve_as("dev", &[]).await;
    server.log.line_with("generation 1: 1 component").await;

    let plain = server.get("/").await;
    assert_eq!(plain.status, 500);
    let first = plain.body.lines().next().expect("a line");
    assert!(first.starts_with("panicked at src/lib.rs:"), "{plain:?}");
    let line = first
        .trim_start_matches("panicked at ")
        .trim_end_matches(':');
    let in_the_stack = format!("at {}/{line}", server.app.path().display());
    assert!(
        plain.body.contains(&in_the_stack),
        "{in_the_stack} in {plain:?}"
    );

    let page = browse(&server, "/").await;
    assert_eq!(page.status, 500);
    assert!(
        page.body.contains("<h1>500: Internal Server Error</h1>"),
        "{page:?}"
    );
    assert!(page.body.contains("a number\n"), "{page:?}");
    let waiting = wait_for_newer(&server, &page).await;
    edit(
        &server.app,
        "nothing.expect(\"a number\");",
        "let _ = nothing;",
    );
    let page = reloaded(&server, waiting).await;
    assert!(page.body.starts_with("Hello, world<script "), "{page:?}");
}

/// How often a file is looked for that another process makes.
const POLL: Duration = Duration::from_millis(10);

#[tokio::test]
async fn a_browser_that_comes_before_the_first_build_has_ended_sees_it_go_on() {
    let app = new_app("my-progress");
    write(&app, "build.rs", WAITING_SCRIPT);
    let server = app.serve_as("dev", &[]).await;
    waiting_script(&server.app).await;

    let page = browse(&server, "/").await;
    assert_eq!((page.status, page.header("retry-after")), (503, Some("1")));
    assert!(page.body.contains("<h1>Building …</h1>"), "{page:?}");
    let plain = server.get("/").await;
    assert_eq!(plain.status, 503);
    assert!(plain.body.starts_with("Building …\n"), "{plain:?}");
    let readyz = soon(Client::connect(server.admin).await.get("/readyz")).await;
    assert_eq!(readyz.status, 503);

    // Whatever is saved meanwhile is built once.
    for hello in ["Hi, ", "Hey, ", "Good day, "] {
        let old = std::fs::read_to_string(server.app.path().join("src/lib.rs"));
        let old = old.expect("the source");
        let (before, rest) = old.split_once("format!(\"").expect("a greeting");
        let (_, after) = rest.split_once('{').expect("a name");
        write(
            &server.app,
            "src/lib.rs",
            &format!("{before}format!(\"{hello}{{{after}"),
        );
    }
    write(&server.app, "go", "");
    let served = async {
        loop {
            let answer = server.get("/").await;
            if answer.body == "Good day, world" {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    soon(served).await;
    let built = server.log.text().matches("] built in ").count();
    assert!(built <= 2, "{}", server.log.text());
}

#[tokio::test]
async fn a_build_ends_with_dev() {
    let app = new_app("my-end");
    write(&app, "build.rs", WAITING_SCRIPT);
    let server = app.serve_as("dev", &[]).await;
    let process = waiting_script(&server.app).await;
    assert!(server.stop().await.success());
    let gone = async {
        while is_running(process) {
            tokio::time::sleep(POLL).await;
        }
    };
    soon(gone).await;
}

/// Whether a process exists that is more than an exit code which nobody has asked for.
fn is_running(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat"));
    state.is_ok_and(|state| !state.contains(") Z "))
}

#[tokio::test]
async fn an_address_that_is_taken_is_reported_before_anything_is_built() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let app = new_app("my-port");
    let done = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .args(["dev", "--listen", &address])
        .arg(app.path())
        .output()
        .expect("waterspout starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(
        said.contains("does another server run there already?"),
        "{said}"
    );
    assert!(!said.contains("Compiling"), "{said}");
}

#[tokio::test]
async fn pages_have_the_script_under_dev_and_nothing_else_has() {
    let app = || {
        App::new()
            .config("[settings]\ndebug = true\ncompress_response = true\n")
            .handler("version.wasm", versioned("v1"))
            .handler("oracle.wasm", guest("oracle"))
    };
    let server = app().serve_as("dev", &[]).await;
    let script = server.get("/.waterspout/reload.js").await;
    assert_eq!(script.status, 200);
    assert_eq!(
        script.header("content-type"),
        Some("text/javascript; charset=UTF-8")
    );

    // A page comes whole and uncompressed, whatever the browser has of it.
    let tag = server.get("/version").await;
    let tag = tag.header("etag").expect("a tag").to_owned();
    let known = format!("{BROWSER}If-None-Match: {tag}\r\n");
    let page = server.request("GET /version", &known, "").await;
    assert_eq!((page.status, page.header("etag")), (200, None));
    assert!(page.body.starts_with("v1<script "), "{page:?}");
    let long = browse(&server, "/long/5000?type=text/html").await;
    assert_eq!(long.header("content-encoding"), None);
    assert!(long.body.contains("x<script "), "{long:?}");
    let missing = browse(&server, "/missing").await;
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("<script "), "{missing:?}");
    assert!(missing.body.ends_with("</body></html>"), "{missing:?}");

    // What is no page, or is not asked for as one, is as ever.
    for (path, head) in [
        ("/version", ""),
        ("/version", "Accept: */*\r\n"),
        ("/version", "Accept: text/html\r\nSec-Fetch-Mode: cors\r\n"),
        ("/long/10?type=text/plain", BROWSER),
        ("/long/10?type=text/html&coding=other", BROWSER),
    ] {
        let answer = server.request(&format!("GET {path}"), head, "").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("<script"), "{path} {head}");
        assert!(answer.header("etag").is_some(), "{path} {head}");
    }
    let unchanged = format!("If-None-Match: {tag}\r\n");
    let answer = server.request("GET /version", &unchanged, "").await;
    assert_eq!(answer.status, 304);
    let head = head(&server, "/long/10?type=text/html").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("\r\ncontent-length: 10\r\n"), "{head}");

    // And `serve` knows nothing of it.
    let server = app().serve().await;
    for path in ["/.waterspout/reload.js", "/.waterspout/reload"] {
        assert_eq!(server.get(path).await.status, 404);
    }
    assert_eq!(server.get("/version").await.body, "v1");
    let page = server.request("GET /version", "Accept: text/html\r\n", "");
    assert_eq!(page.await.body, "v1");
}

#[tokio::test]
async fn pages_of_other_sites_get_nothing_under_dev() {
    let server = App::new()
        .handler("version.wasm", versioned("v1"))
        .config(
            "[server]\nadmin_hosts = ['me.example']\n\
             [[route]]\npattern = '/version'\nhost = '(www\\.)?app\\.example'\nhandler = 'version.wasm'\n\
             [[route]]\npattern = '/version'\nhandler = 'version.wasm'\n",
        )
        .serve_as("dev", &[])
        .await;
    let asked = async |path: &str, head: &str| {
        let mut client = server.connect().await;
        client
            .send(format!("GET {path} HTTP/1.1\r\n{head}\r\n"))
            .await;
        soon(client.answer()).await
    };
    for own in [
        "127.0.0.1",
        "localhost:8888",
        "me.example",
        "www.app.example",
    ] {
        let answer = asked("/version", &format!("Host: {own}\r\n")).await;
        assert_eq!((answer.status, &*answer.body), (200, "v1"), "{own}");
    }
    let other = "Host: localhost\r\nOrigin: https://evil.example\r\n";
    // What the app answers to other sites is its own affair.
    assert_eq!(asked("/version", other).await.status, 200);
    for (path, head) in [
        ("/version", "Host: evil.example\r\n"),
        ("/.waterspout/reload.js", "Host: evil.example\r\n"),
        ("/.waterspout/reload.js", other),
        ("/.waterspout/reload", other),
    ] {
        let answer = asked(path, head).await;
        assert_eq!(answer.status, 403, "{path} {head}");
        assert!(answer.body.contains("`admin_hosts`"), "{answer:?}");
    }
}

#[tokio::test]
async fn each_swap_is_told_and_reloads_and_a_refused_one_is_shown() {
    let server = App::new()
        .handler("index.wasm", versioned("v1"))
        .serve_as("dev", &[])
        .await;
    let page = browse(&server, "/").await;

    let waiting = wait_for_newer(&server, &page).await;
    std::fs::write(server.app.path().join("aside"), versioned("v2")).expect("a file");
    let aside = server.app.path().join("aside");
    std::fs::rename(aside, server.app.handler_path("index.wasm")).expect("renamed");
    let page = reloaded(&server, waiting).await;
    assert!(page.body.starts_with("v2<script "), "{page:?}");
    let told = "generation 2 serves: index.wasm changed (";
    server.log.line_with(told).await;

    let waiting = wait_for_newer(&server, &page).await;
    let config = server.app.path().join("waterspout.toml");
    std::fs::write(&config, "[server]\nlisten_to = '<all>'\n").expect("saved");
    let page = reloaded(&server, waiting).await;
    assert_eq!(page.status, 500);
    assert!(page.body.contains("<h1>The change is refused</h1>"));
    assert!(page.body.contains("waterspout.toml:2:1"), "{page:?}");
    assert_eq!(server.get("/").await.body, "v2");

    let waiting = wait_for_newer(&server, &page).await;
    std::fs::remove_file(&config).expect("removed");
    let page = reloaded(&server, waiting).await;
    assert!(page.body.starts_with("v2<script "), "{page:?}");

    let waiting = wait_for_newer(&server, &page).await;
    std::fs::write(&config, "[component.'index.wasm']\ninstances = 1\n").expect("saved");
    reloaded(&server, waiting).await;
    let told = "serves: index.wasm loaded anew, waterspout.toml came (";
    server.log.line_with(told).await;
}

#[tokio::test]
async fn serve_tells_what_it_swapped() {
    let server = App::new()
        .handler("one.wasm", versioned("v1"))
        .serve()
        .await;
    let aside = server.app.path().join("aside");
    std::fs::write(&aside, versioned("v2")).expect("a file");
    std::fs::rename(&aside, server.app.handler_path("two.wasm")).expect("renamed");
    let told = "generation 2 serves: two.wasm came (";
    assert!(server.log.line_with(told).await.ends_with(" ms)"));
    std::fs::remove_file(server.app.handler_path("one.wasm")).expect("removed");
    let told = "generation 3 serves: one.wasm went (";
    server.log.line_with(told).await;
}
