//! `engine/compiler`: what compiling a component may take, and what becomes of the process where it is done.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::{App, Load, Running, entry, versioned};

/// A component with as many functions, each of which has as many loops. What these take to compile grows with the
/// square of their number.
pub fn hard(functions: usize, loops: usize) -> Vec<u8> {
    fn number(mut value: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 128 {
            bytes.push((value % 128) as u8 | 128);
            value /= 128;
        }
        bytes.push(value as u8);
        bytes
    }
    let with_length = |bytes: Vec<u8>| [number(bytes.len()), bytes].concat();
    let section = |id: u8, bytes: Vec<u8>| [vec![id], with_length(bytes)].concat();
    // Eight locals of type i32; each loop adds one to the next of them, and goes on while that is not zero.
    let mut function = vec![1, 8, 0x7f];
    for at in 0..loops {
        let (this, next) = ((at % 8) as u8, ((at + 1) % 8) as u8);
        function.extend([
            0x03, 0x40, 0x20, this, 0x41, 1, 0x6a, 0x22, next, 0x0d, 0, 0x0b,
        ]);
    }
    function.extend([0x20, 0, 0x0b]);
    let bodies = with_length(function).repeat(functions);
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\0\x01\x7f".to_vec()),
        section(3, [number(functions), vec![0; functions]].concat()),
        section(10, [number(functions), bodies].concat()),
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, module)].concat()
}

/// The processes in which this server compiles.
fn compilers(server: &Running) -> Vec<PathBuf> {
    let parent = format!("\nPPid:\t{}\n", server.pid());
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let is_compiler = |process: &Path| {
        let read = |name| std::fs::read_to_string(process.join(name)).unwrap_or_default();
        read("status").contains(&parent) && read("cmdline").contains("compiler")
    };
    let paths = processes.map(|process| process.path());
    paths.filter(|process| is_compiler(process)).collect()
}

async fn until(what: &str, is_true: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{what} does not come");
}

/// Serves `version.wasm`, and has compiled nothing yet.
async fn version_v1(config: &str) -> (Running, tempfile::TempDir) {
    let cache = tempfile::tempdir().expect("a folder");
    let app = || {
        App::new()
            .handler("version.wasm", versioned("v1"))
            .cache(cache.path())
    };
    // What is compiled here has all the time that it needs.
    app().serve().await.end().await;
    (app().config(config).serve().await, cache)
}

#[tokio::test]
async fn what_is_hard_to_compile_is_refused_with_the_limit() {
    for (limit, reason) in [
        (
            "compile_timeout = '2s'",
            "longer than `compile_timeout`, 2s",
        ),
        (
            "compile_memory = '128MB'",
            "more memory than `compile_memory`, 128MB",
        ),
    ] {
        let (server, _cache) = version_v1(&format!("[server]\n{limit}\n")).await;
        let load = Load::start(server.address, "/version", 2, &["v1"]);
        server.app.replace("hard.wasm", &hard(1, 60_000));
        let status = server
            .until(|status| status["last_swap"]["error"].to_string().contains(reason))
            .await;
        let hard = entry(&status, "hard.wasm").expect("an entry");
        assert_eq!(hard["state"], "failed", "{status}");
        load.more(10).await;
        load.end().await.assert_flawless();
        std::fs::remove_file(server.app.handler_path("hard.wasm")).expect("removed");
        // The limits of a load are those of its configuration.
        let toml = server.app.path().join("waterspout.toml");
        std::fs::write(toml, "# no other limits\n").expect("a file");
        let next = versioned("v2");
        server.app.replace("version.wasm", &next);
        server.until_serving("version.wasm", &next).await;
    }
}

#[tokio::test]
async fn what_is_removed_is_not_compiled_to_the_end() {
    let (server, _cache) = version_v1("# nothing\n").await;
    server.app.replace("hard.wasm", &hard(8, 60_000));
    server.log.line_with("compiling hard.wasm").await;
    until("the compiler", || !compilers(&server).is_empty()).await;
    let compiler = compilers(&server).remove(0);
    std::fs::remove_file(server.app.handler_path("hard.wasm")).expect("removed");
    let next = versioned("v2");
    server.app.replace("version.wasm", &next);
    server.until_serving("version.wasm", &next).await;
    assert!(!compiler.exists(), "it compiles on");
    let status = server.status().await;
    assert!(entry(&status, "hard.wasm").is_none(), "{status}");
}

#[tokio::test]
async fn a_compiler_that_was_killed_is_started_again() {
    let (server, _cache) = version_v1("# nothing\n").await;
    assert!(compilers(&server).is_empty(), "all was cached");
    for version in ["v2", "v3", "v4"] {
        let bytes = versioned(version);
        server.app.replace("version.wasm", &bytes);
        server.until_serving("version.wasm", &bytes).await;
        let [compiler] = &compilers(&server)[..] else {
            panic!("{:?}", compilers(&server));
        };
        let id = compiler.file_name().expect("a number");
        let killed = std::process::Command::new("kill")
            .arg("-9")
            .arg(id)
            .status();
        assert!(killed.expect("kill").success());
    }
}

#[tokio::test]
async fn the_compiler_ends_with_its_server() {
    for is_killed in [false, true] {
        let (server, _cache) = version_v1("# nothing\n").await;
        server.app.replace("hard.wasm", &hard(8, 60_000));
        until("the compiler", || !compilers(&server).is_empty()).await;
        let compiler = compilers(&server).remove(0);
        match is_killed {
            true => drop(server.kill()),
            false => assert!(server.stop().await.success()),
        }
        until("its end", || !compiler.exists()).await;
    }
}
