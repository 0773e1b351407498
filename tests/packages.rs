//! The crates as they are published: what is in their packages, and that an app outside of the repository builds
//! against them. Publishes nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{App, example, root};
use crate::new::{said, waterspout};

/// Those that an app depends on.
const FOR_APPS: [&str; 3] = ["waterspout-sdk", "waterspout-sdk-macros", "waterspout-test"];

/// Runs `cargo package` on these crates.
fn package(crates: &[&str], options: &[&str]) -> String {
    let packed = Command::new(env!("CARGO"))
        .args(["package", "--allow-dirty"])
        .args(options)
        .args(crates.iter().flat_map(|name| ["--package", name]))
        .current_dir(root())
        // All that they need was fetched for the tests.
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", target())
        .output()
        .expect("cargo starts");
    let output = said(&packed);
    assert!(packed.status.success(), "{output}");
    output
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages")
}

#[test]
fn each_package_has_what_it_needs() {
    for (name, needs) in [
        (
            "waterspout",
            &[
                "wit/world.wit",
                "python/waterspout_python/__init__.py",
                "src/cli/new/lib.rs.in",
            ][..],
        ),
        (
            "waterspout-sdk",
            &["wit/world.wit", "doc/hello.rs", "doc/guide/handlers.md"],
        ),
        ("waterspout-sdk-macros", &[]),
        ("waterspout-test", &["doc/app.rs"]),
    ] {
        let list = package(&[name], &["--list"]);
        let files: Vec<&str> = list.lines().collect();
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "src/lib.rs"] {
            assert!(files.contains(&file), "{name} lacks {file}:\n{list}");
        }
        for file in needs {
            assert!(files.contains(file), "{name} lacks {file}:\n{list}");
        }
    }
}

#[tokio::test]
async fn a_new_app_builds_against_the_packages_and_serves() {
    // So that all that they depend on is there.
    example("hello");
    package(&FOR_APPS, &["--no-verify"]);
    let folder = tempfile::tempdir().expect("a folder");
    let mut patch = "[patch.crates-io]\n".to_owned();
    for name in FOR_APPS {
        let version = env!("CARGO_PKG_VERSION");
        let file = target().join(format!("package/{name}-{version}.crate"));
        let unpacked = Command::new("tar")
            .arg("xzf")
            .arg(&file)
            .current_dir(folder.path())
            .status()
            .expect("tar starts");
        assert!(unpacked.success(), "{}", file.display());
        let path = folder.path().join(format!("{name}-{version}"));
        patch += &format!("{name} = {{ path = {:?} }}\n", path.display().to_string());
    }
    // What Cargo finds here stands for what it would find where they are published.
    std::fs::create_dir(folder.path().join(".cargo")).expect("a folder");
    std::fs::write(folder.path().join(".cargo/config.toml"), patch).expect("a configuration");

    let made = waterspout(&["new", "my-app"], folder.path());
    assert!(made.status.success(), "{}", said(&made));
    // This program was built from the sources, and names them; one that was installed names a version.
    let manifest = folder.path().join("my-app/Cargo.toml");
    let text = std::fs::read_to_string(&manifest).expect("Cargo.toml");
    let published = |line: &str| match line.split_once(" = { path = ") {
        Some((name, _)) => format!("{name} = {:?}\n", env!("CARGO_PKG_VERSION")),
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(published).collect();
    assert!(!text.contains("path"), "{text}");
    std::fs::write(&manifest, text).expect("Cargo.toml");

    let built = waterspout(&["build", "my-app"], folder.path());
    assert!(built.status.success(), "{}", said(&built));
    let handler = folder.path().join("my-app/handlers/my_app.wasm");
    let server = App::new()
        .handler("index.wasm", std::fs::read(handler).expect("a component"))
        .serve()
        .await;
    assert_eq!(server.get("/?name=you").await.body, "Hello, you");
}
