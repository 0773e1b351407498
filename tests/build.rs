//! `waterspout build`: which crates become components, what becomes of their files, and what it says of it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A folder with these files. Their crates need nothing but the standard library: they are built, and not served.
fn sources(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        write(&folder.path().join(path), text);
    }
    folder
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// A manifest of a crate that makes a component, with more lines.
fn manifest(name: &str, more: &str) -> String {
    format!(
        "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n{more}"
    )
}

/// Builds what is there, with this in its environment; tells what was said.
fn build(app: &Path, variables: &[(&str, &str)]) -> (bool, String) {
    let done = Command::new("sh")
        .args([
            "-c",
            "umask 022; exec \"$0\" build .",
            env!("CARGO_BIN_EXE_waterspout"),
        ])
        .current_dir(app)
        .env("CARGO", env!("CARGO"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TERM_COLOR", "never")
        .envs(variables.iter().copied())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    (done.status.success(), said)
}

/// The names in `handlers/`.
fn components(app: &Path) -> Vec<String> {
    let names = std::fs::read_dir(app.join("handlers")).expect("handlers/");
    let names = names.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn only_the_crates_that_are_meant_make_components() {
    let app = sources(&[
        (
            "Cargo.toml",
            &manifest(
                "app",
                "[dependencies]\ninside = { path = \"inside\" }\n[workspace]\n",
            ),
        ),
        ("src/lib.rs", "pub fn app() -> u32 { inside::number() }\n"),
        // A member by being used, and one that nobody builds here.
        ("inside/Cargo.toml", &manifest("inside", "")),
        ("inside/src/lib.rs", "pub fn number() -> u32 { 1 }\n"),
    ]);
    let (well, said) = build(app.path(), &[]);
    assert!(well, "{said}");
    assert_eq!(components(app.path()), ["app.wasm"], "{said}");
    // Who may read it is as with any file.
    let file = std::fs::metadata(app.path().join("handlers/app.wasm")).expect("a component");
    assert_eq!(file.permissions().mode() & 0o777, 0o644);
}

#[test]
fn every_component_that_the_workspace_lists_is_built() {
    let more = "[workspace]\nmembers = [\"second\", \"crates/*\"]\n";
    let app = sources(&[
        ("Cargo.toml", &manifest("first", more)),
        ("src/lib.rs", "pub fn app() {}\n"),
        (
            "second/Cargo.toml",
            &manifest(
                "second",
                "[dependencies]\nshared = { path = \"../crates/shared\" }\n",
            ),
        ),
        (
            "second/src/lib.rs",
            "pub fn app() -> u32 { shared::number() }\n",
        ),
        ("crates/third/Cargo.toml", &manifest("third", "")),
        ("crates/third/src/lib.rs", "pub fn app() {}\n"),
        (
            "crates/shared/Cargo.toml",
            "[package]\nname = \"shared\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        ),
        ("crates/shared/src/lib.rs", "pub fn number() -> u32 { 1 }\n"),
    ]);
    let (well, said) = build(app.path(), &[]);
    assert!(well, "{said}");
    let all = ["first.wasm", "second.wasm", "third.wasm"];
    assert_eq!(components(app.path()), all, "{said}");

    // Who names default members means these alone.
    let more = more.to_owned() + "default-members = [\".\", \"second\"]\n";
    write(&app.path().join("Cargo.toml"), &manifest("first", &more));
    let (well, said) = build(app.path(), &[]);
    assert!(well, "{said}");
    assert_eq!(components(app.path()), all[..2], "{said}");
}

#[test]
fn the_component_of_a_renamed_crate_goes_and_nothing_else() {
    let app = sources(&[
        ("Cargo.toml", &manifest("before", "")),
        ("src/lib.rs", "pub fn app() {}\n"),
        ("handlers/mine.wasm", "somebody's own"),
    ]);
    let (well, said) = build(app.path(), &[]);
    assert!(well, "{said}");
    assert_eq!(components(app.path()), ["before.wasm", "mine.wasm"]);

    write(&app.path().join("Cargo.toml"), &manifest("after", ""));
    let (well, said) = build(app.path(), &[]);
    assert!(well, "{said}");
    assert_eq!(components(app.path()), ["after.wasm", "mine.wasm"]);
    assert!(
        said.contains("before.wasm, which no crate makes now"),
        "{said}"
    );

    // What somebody has put in its place is not ours.
    write(&app.path().join("handlers/after.wasm"), "somebody's own");
    write(&app.path().join("Cargo.toml"), &manifest("last", ""));
    let (well, said) = build(app.path(), &[]);
    assert!(well, "{said}");
    let all = ["after.wasm", "last.wasm", "mine.wasm"];
    assert_eq!(components(app.path()), all, "{said}");
}

#[test]
fn a_flood_of_warnings_is_cut_and_the_error_behind_it_is_not() {
    let many: String = (0..5000)
        .map(|number| format!("pub fn f{number}() {{}}\n"))
        .collect();
    let app = sources(&[
        ("Cargo.toml", &manifest("flood", "")),
        ("src/lib.rs", &many),
    ]);
    let flags = [("RUSTFLAGS", "-Wmissing-docs")];
    let (well, said) = build(app.path(), &flags);
    assert!(well, "{said}");
    assert!(said.len() < 600_000, "{}", said.len());
    assert!(said.contains("   Left out: "), "{said}");
    assert!(said.contains(" KB more of warnings\n"), "{said}");

    write(
        &app.path().join("src/lib.rs"),
        &format!("{many}pub fn g() {{ nowhere() }}\n"),
    );
    let (well, said) = build(app.path(), &flags);
    assert!(!well, "{said}");
    assert!(said.contains("error[E0425]"), "{said}");
}
