//! Static files, where Tornado's record, in `oracle`, has nothing to compare: what is newer, what is elsewhere, and what
//! changes while it is served.

mod asked;
mod encoded;
mod escapes;
mod large;
mod pages;
mod race;
mod refusals;
mod versions;

use sha2::{Digest, Sha512};

use crate::harness::{App, Running, example};

/// The hash of a file as Tornado has it in its URLs.
fn version(bytes: &[u8]) -> String {
    format!("{:x}", Sha512::digest(bytes))
}

/// Writes a file of an app, with the folders around it.
fn write(app: &App, path: &str, bytes: &[u8]) {
    let path = app.path().join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).expect("a file");
}

/// Puts a file in the place of another, in one step.
fn replace(app: &App, path: &str, bytes: &[u8]) {
    let aside = app.path().join("aside");
    std::fs::write(&aside, bytes).expect("a file aside");
    std::fs::rename(aside, app.path().join(path)).expect("renamed");
}

/// An app with these files in `static/`.
fn app(files: &[(&str, &[u8])]) -> App {
    let app = App::new().handler("hello.wasm", example("hello"));
    for (path, bytes) in files {
        write(&app, &format!("static/{path}"), bytes);
    }
    app
}

/// Serves them.
async fn serve(files: &[(&str, &[u8])]) -> Running {
    app(files).serve().await
}

const FOREVER: Option<&str> = Some("max-age=315360000");
const NO_CACHE: Option<&str> = Some("no-cache");
