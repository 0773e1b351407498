//! `waterspout new`: a new app that builds, serves and passes its test. Never touches what exists already.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::{Language, New, secret};

/// The files of a new app, by their paths in it.
const RUST: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("new/Cargo.toml.in")),
    ("src/lib.rs", include_str!("new/lib.rs.in")),
    ("tests/app.rs", include_str!("new/app.rs.in")),
    ("waterspout.toml", include_str!("new/waterspout.toml.in")),
    (".gitignore", "/target\n/handlers\n/cookie_secret\n"),
];

/// The same of one in Python.
const PYTHON: [(&str, &str); 4] = [
    ("handlers/@FILE@.py", include_str!("new/app.py.in")),
    ("test_app.py", include_str!("new/test_app.py.in")),
    ("waterspout.toml", include_str!("new/python.toml.in")),
    (".gitignore", "__pycache__/\n"),
];

/// The sources of this program. They do not exist where it was built from a package, or elsewhere.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

pub fn new(options: &New) -> anyhow::Result<()> {
    let files = match options.lang {
        Language::Rust => &RUST[..],
        Language::Python => &PYTHON[..],
    };
    let folder = &options.name;
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.context("the app needs a name")?;
    check_crate_name(name)?;
    if folder.exists() {
        bail!("{}: is there already", folder.display());
    }
    for (path, text) in files {
        write(&folder.join(filled_in(path, name)), &filled_in(text, name))?;
    }
    if let Language::Rust = options.lang {
        secret::write(&folder.join(secret::FILE))?;
    }
    println!(
        "{} is there. Serve it while you write it: waterspout dev {}",
        folder.display(),
        folder.display()
    );
    Ok(())
}

/// The text of a file for a crate of this name.
pub fn filled_in(text: &str, name: &str) -> String {
    let sources = Path::new(SOURCES);
    text.replace("@NAME@", name)
        .replace("@FILE@", &name.replace('-', "_"))
        .replace("@SDK@", &dependency(sources, "guest-sdk"))
        .replace("@TEST@", &dependency(sources, "guest-sdk/testing"))
}

/// Where the app finds a crate of Waterspout: in the sources of this program, or else published.
fn dependency(sources: &Path, folder: &str) -> String {
    let folder = sources.join(folder).canonicalize();
    match folder.ok().filter(|path| path.is_dir()) {
        Some(path) => format!("{{ path = {:?} }}", path.display().to_string()),
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    }
}

pub fn check_crate_name(name: &str) -> anyhow::Result<()> {
    let is_one = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    ensure!(
        is_one,
        "`{name}` can't be the name of a crate: say it with letters, digits, `-` and `_`, beginning with a letter"
    );
    Ok(())
}

pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let done = match path.parent() {
        Some(parent) => fs::create_dir_all(parent),
        None => Ok(()),
    };
    done.and_then(|()| fs::write(path, text))
        .with_context(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_crates_are_those_of_the_sources_or_else_the_published() {
        let sources = tempfile::tempdir().unwrap();
        let sdk = sources.path().join("guest-sdk");
        fs::create_dir(&sdk).unwrap();
        let path = sdk.canonicalize().unwrap().display().to_string();
        let from_sources = dependency(sources.path(), "guest-sdk");
        assert_eq!(from_sources, format!("{{ path = {path:?} }}"));
        let published = dependency(sources.path(), "guest-sdk/testing");
        assert_eq!(published, format!("{:?}", env!("CARGO_PKG_VERSION")));
    }
}
