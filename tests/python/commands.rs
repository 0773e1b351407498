//! What the commands say and make of Python apps, and what the configuration gives to one.

use std::process::Command;

use super::{SEED, is_there};
use crate::harness::{App, cache, root};
use crate::new::{said, waterspout};

/// Says what it sees of a request, and of what it was given.
const SEES: &str = r#"
import asyncio
import os
import sys

import tornado
from tornado.options import define, options

define("greeting", default="hello")
define("often", default=1, type=int)
rest = options.parse_command_line()


class MainHandler(tornado.web.RequestHandler):
    def get(self, *arguments):
        request = self.request
        prefix = request.headers.get("X-Forwarded-Prefix")
        self.write({
            "seen": [request.uri, request.path, request.query, prefix, list(arguments)],
            "options": [options.greeting, options.often, rest, sys.argv[0]],
        })


async def main():
    tornado.web.Application([(r"/(.*)", MainHandler)]).listen(8888)
    await asyncio.Event().wait()


asyncio.run(main())
"#;

const CONFIG: &str = r#"
[[route]]
pattern = '/place(/.*)?'
handler = "sees.py"
strip_prefix = "/place"

[[route]]
pattern = '/other/.*'
handler = "sees.py"
strip_prefix = "/place"

[component."sees.py"]
args = ["--greeting=good day", "--often=3", "rest"]
"#;

#[tokio::test]
async fn an_app_has_its_arguments_and_does_not_see_the_prefix_of_its_route() {
    if !is_there().await {
        return;
    }
    let server = App::new()
        .handler("sees.py", SEES)
        .config(CONFIG)
        .serve()
        .await;
    let get = async |path: &str| -> serde_json::Value {
        serde_json::from_str(&server.get(path).await.body).expect("JSON")
    };
    for (path, seen) in [
        ("/place", serde_json::json!(["/", "/", "", "/place", [""]])),
        (
            "/place?a=b",
            serde_json::json!(["/?a=b", "/", "a=b", "/place", [""]]),
        ),
        ("/place/", serde_json::json!(["/", "/", "", "/place", [""]])),
        (
            "/place/a%20b/c",
            serde_json::json!(["/a%20b/c", "/a%20b/c", "", "/place", ["a b/c"]]),
        ),
        (
            "/place//x",
            serde_json::json!(["//x", "//x", "", "/place", ["/x"]]),
        ),
        // It does not begin so.
        (
            "/other/x",
            serde_json::json!(["/other/x", "/other/x", "", "/place", ["other/x"]]),
        ),
    ] {
        assert_eq!(get(path).await["seen"], seen, "{path}");
    }
    assert_eq!(
        get("/place").await["options"],
        serde_json::json!(["good day", 3, ["rest"], "/handlers/sees.py"])
    );
    // The log has what the client has asked.
    let log = server.logged().await;
    assert!(log.contains(" GET /place/a%20b/c "), "{log}");
}

#[test]
fn arguments_and_prefixes_are_checked() {
    let route = "[[route]]\npattern = '/a'\nhandler = 'sees.py'\n";
    for (config, said) in [
        ("[component.'a.wasm']\nargs = []\n".to_owned(), "only Python apps have `args`"),
        (format!("{route}strip_prefix = 'a'\n"), "the beginning of a path"),
        (format!("{route}strip_prefix = '/a/'\n"), "the beginning of a path"),
        (
            "[[route]]\npattern = '/a'\nhandler = 'builtin:error'\nstrip_prefix = '/a'\nkwargs = { status_code = 410 }\n".to_owned(),
            "a builtin has no use for `strip_prefix`",
        ),
    ] {
        let (code, text) = App::new().config(&config).run("check");
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[tokio::test]
async fn a_program_goes_on_where_what_it_has_run_has_ended() {
    if !is_there().await {
        return;
    }
    const PROGRAM: &str = r#"
import asyncio
import inspect
from tornado.ioloop import IOLoop

async def after(delay, value):
    await asyncio.sleep(delay)
    return value

async def fails():
    raise ValueError("as it was told")

def in_a_function(value):
    """Has a second form."""
    print("in a function", asyncio.run(after(0.01, value)))
    return value

def in_another():
    return in_a_function(1) + in_a_function(2)

print("together", in_another())
print(in_a_function.__doc__, inspect.iscoroutinefunction(in_a_function))
print("run", asyncio.run(after(0.01, 2)))
print("run_sync", IOLoop.current().run_sync(lambda: after(0.01, 3)))
try:
    IOLoop.current().run_sync(lambda: after(60, 4), timeout=0.01)
except Exception as error:
    print(type(error).__name__, error)
try:
    asyncio.run(fails())
except ValueError as error:
    print(error)
with asyncio.Runner() as runner:
    print("runner", runner.run(after(0.01, 5)))
IOLoop.current().call_later(0.01, IOLoop.current().stop)
IOLoop.current().start()
print("stopped")

def inside():
    """What Python says where the loop runs already."""
    coroutine = after(0, 1)
    try:
        asyncio.run(coroutine)
    except RuntimeError as error:
        print(error)

IOLoop.current().call_later(0, inside)
asyncio.run(asyncio.sleep(0.01))
import __main__
print(__main__.after is after, __name__)
"#;
    let server = App::new().handler("goes_on.py", PROGRAM).serve().await;
    server.log.line_with("True __main__").await;
    let log = server.logged().await;
    let lines: Vec<&str> = log
        .lines()
        .filter_map(|line| Some(line.split_once(" app goes_on.py] ")?.1))
        .collect();
    let expected = [
        "in a function 1",
        "in a function 2",
        "together 3",
        "Has a second form. False",
        "run 2",
        "run_sync 3",
        "TimeoutError Operation timed out after 0.01 seconds",
        "as it was told",
        "runner 5",
        "stopped",
        "This event loop is already running",
        "True __main__",
    ];
    assert_eq!(lines[..expected.len()], expected, "{log}");
}

#[tokio::test]
async fn a_program_that_can_never_listen_is_refused_immediately() {
    if !is_there().await {
        return;
    }
    let never = SEED.replace("    app.listen(8888)\n", "");
    let server = App::new().handler("never.py", never).serve().await;
    let error = server.component("never.py").await["error"].to_string();
    assert!(
        error.contains("waits for nothing, and has not listened"),
        "{error}"
    );
}

#[tokio::test]
async fn a_new_app_in_python_serves_and_passes_its_test_as_it_is() {
    if !is_there().await {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let made = waterspout(&["new", "my-app", "--lang", "python"], folder.path());
    assert!(made.status.success(), "{}", said(&made));
    let app = folder.path().join("my-app");
    let server = App::at(&app).serve().await;
    assert_eq!(server.get("/").await.body, "Hello, world");
    assert_eq!(server.get("/?name=%3Cb%3E").await.body, "Hello, &lt;b&gt;");
    // Its test uses the cache of a user, which is that of all tests here.
    let home = folder.path().join("cache");
    std::fs::create_dir(&home).expect("a folder");
    std::os::unix::fs::symlink(cache(), home.join("waterspout")).expect("a link");
    let tested = Command::new("python3")
        .args(["-B", "-m", "unittest"])
        .current_dir(&app)
        .env("WATERSPOUT", env!("CARGO_BIN_EXE_waterspout"))
        .env("XDG_CACHE_HOME", home)
        .output()
        .expect("python3 starts");
    assert!(tested.status.success(), "{}", said(&tested));
    let built = waterspout(&["build", "my-app"], folder.path());
    assert!(built.status.success(), "{}", said(&built));
    let words = "there is nothing to build: Python apps are served from their sources";
    assert!(said(&built).contains(words), "{}", said(&built));
}

#[test]
fn inspect_says_what_a_python_app_is() {
    let examples = root().join("examples/python");
    let inspect = |path: &str| said(&waterspout(&["inspect", path], &examples));
    let chat = inspect("handlers/chat");
    for line in [
        "chat.py: a Python app, 3 files, ",
        "/handlers/chat/app.py as `__main__`, with CPython 3.14 in the component of",
        "tornado==6.6.1",
        "packages that it names\n  none\n",
        "/chat(/.*)?  without `/chat`",
        "no grant, no environment and no arguments",
    ] {
        assert!(chat.contains(line), "{line}: {chat}");
    }
    assert_eq!(inspect("handlers/chat/app.py"), chat);
    assert_eq!(inspect("handlers/chat.py"), chat);
    let crawler = inspect("handlers/crawler");
    assert!(crawler.contains("allow.http  self"), "{crawler}");
    let app = App::new()
        .config("[component.\"packed.py\"]\nargs = [\"--a\"]\nenv = { SECRET = \"hidden\" }\n");
    let folder = app.handler_path("packed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("app.py"), SEED).unwrap();
    let requirements = format!("one==1.0\ntwo==2.0 --hash=sha256:{}\n", "0".repeat(64));
    std::fs::write(folder.join("requirements.txt"), requirements).unwrap();
    let packed = said(&waterspout(
        &["inspect", folder.to_str().unwrap()],
        app.path(),
    ));
    for line in [
        "one==1.0  without a hash",
        "two==2.0  with its hash",
        "every path that nothing else takes",
        "args  --a",
        "env   SECRET\n",
    ] {
        assert!(packed.contains(line), "{line}: {packed}");
    }
    assert!(!packed.contains("hidden"), "{packed}");
    let nothing = waterspout(&["inspect", "handlers/nothing.py"], &examples);
    assert_eq!(nothing.status.code(), Some(1), "{}", said(&nothing));
}

#[test]
fn an_app_whose_file_is_beside_handlers_is_told_where_it_belongs() {
    let app = App::new();
    std::fs::write(app.path().join("app.py"), SEED).unwrap();
    let (_, text) = app.run("check");
    assert!(text.contains("app.py belongs into"), "{text}");
}

#[tokio::test]
async fn a_server_without_python_takes_the_component_that_another_machine_has_made() {
    if !is_there().await {
        return;
    }
    let files = tempfile::tempdir().expect("a folder");
    let runtime = files.path().join("runtime.wasm");
    let mut build = Command::new(env!("CARGO_BIN_EXE_waterspout"));
    build.arg("build").arg("--python-runtime").arg(&runtime);
    build.env("XDG_CACHE_HOME", files.path());
    // That folder is the one of the tests, by another name.
    std::os::unix::fs::symlink(cache(), files.path().join("waterspout")).expect("a link");
    let built = said(&build.output().expect("waterspout starts"));
    assert!(built.contains("runtime.wasm"), "{built}");
    // Compiled code of the tests, and no component for Python apps.
    let empty = files.path().join("cache");
    std::fs::create_dir(&empty).expect("a folder");
    for entry in std::fs::read_dir(cache()).expect("a folder").flatten() {
        if entry.path().extension().is_some_and(|end| end == "cwasm") {
            std::fs::hard_link(entry.path(), empty.join(entry.file_name())).expect("a link");
        }
    }
    let other = files.path().join("other.wasm");
    std::fs::write(&other, "of another version").expect("a file");
    for (file, status) in [(&runtime, 200), (&other, 503)] {
        let server = App::new()
            .handler("seed.py", SEED)
            .cache(&empty)
            .option("--python-runtime", file)
            .variable("PATH", std::path::Path::new("/nowhere"))
            .serve()
            .await;
        let answer = server.get("/").await;
        let component = server.component("seed.py").await;
        assert_eq!(answer.status, status, "{component}");
        if status == 503 {
            let error = component["error"].to_string();
            assert!(
                error.contains("is not the component for Python apps of this version"),
                "{error}"
            );
        }
    }
}
