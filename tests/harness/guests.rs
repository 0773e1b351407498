//! Guests and examples, built from source once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The bytes of a guest of `tests/guests`.
pub fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    component(BUILT.get_or_init(|| build("tests/guests")), name)
}

/// The bytes of a component of the demo app.
pub fn example(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    component(BUILT.get_or_init(|| build("examples")), name)
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

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn component(folder: &Path, name: &str) -> Vec<u8> {
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Builds a workspace of guests with `waterspout build`, and tells where they are.
fn build(workspace: &str) -> PathBuf {
    let workspace = root().join(workspace);
    let status = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .arg("build")
        .arg(&workspace)
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
