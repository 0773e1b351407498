//! Guests and examples, built from source once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The bytes of a guest of `tests/guests`.
pub fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    component(
        BUILT.get_or_init(|| build(&root().join("tests/guests"))),
        name,
    )
}

/// The bytes of a component of the demo app.
pub fn example(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    component(BUILT.get_or_init(|| build(&root().join("examples"))), name)
}

/// The example `hello` with another greeting: a copy of its sources that differs in nothing else, built separately.
pub fn hello_saying(greeting: &str) -> Vec<u8> {
    const NAME: &str = "hello_again";
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(NAME);
    let example = |path: &str| {
        let path = root().join("examples").join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let sdk = root().join("guest-sdk");
    let workspace = example("Cargo.toml").replace("../guest-sdk", &sdk.display().to_string());
    let members = workspace
        .lines()
        .map(|line| match line.starts_with("members") {
            true => "members = [\"hello\"]\n".to_owned(),
            false => format!("{line}\n"),
        });
    // With another name, because otherwise it would replace the example in the target folder.
    let package =
        example("hello/Cargo.toml").replace("name = \"hello\"", &format!("name = {NAME:?}"));
    let source = example("hello/src/lib.rs");
    let other = source.replace("Hello, world", greeting);
    assert_ne!(source, other, "the example says `Hello, world`");
    std::fs::create_dir_all(copy.join("hello/src")).expect("a folder");
    for (path, text) in [
        ("Cargo.toml", members.collect()),
        ("Cargo.lock", example("Cargo.lock")),
        ("hello/Cargo.toml", package),
        ("hello/src/lib.rs", other),
    ] {
        let path = copy.join(path);
        // A file that exists is not written again, so that Cargo finds it built.
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(&path, text).expect("a source");
        }
    }
    component(&build(&copy), NAME)
}

/// The guest `version` with another version in it, of at most 18 bytes. Only those bytes differ.
pub fn versioned(version: &str) -> Vec<u8> {
    const MARKER: &[u8] = b"GUEST_VERSION=";
    const LENGTH: usize = 32;
    let mut bytes = guest("version");
    let at = bytes
        .windows(MARKER.len())
        .position(|window| window == MARKER)
        .expect("the guest has its marker");
    let place = &mut bytes[at + MARKER.len()..at + LENGTH];
    place.fill(b'.');
    place[..version.len()].copy_from_slice(version.as_bytes());
    bytes
}

/// The same component in other bytes: with an unused section, which has this number in it.
pub fn renumbered(mut bytes: Vec<u8>, number: u8) -> Vec<u8> {
    // A custom section of four bytes: its name of two, and one byte of contents.
    bytes.extend([0, 4, 2, b'n', b'o', number]);
    bytes
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn component(folder: &Path, name: &str) -> Vec<u8> {
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Builds a workspace of guests with `waterspout build`, and returns the folder of its components.
fn build(workspace: &Path) -> PathBuf {
    let status = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .arg("build")
        .arg(workspace)
        .env("CARGO", env!("CARGO"))
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests"),
        )
        .status()
        .expect("waterspout starts");
    assert!(status.success(), "{} did not build", workspace.display());
    workspace.join("handlers")
}
