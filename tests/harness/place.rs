//! The ways in which files are put in their places.

use std::io::Write;

use super::App;

/// A way in which a new version is put in its place.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    Renamed,
    Copied,
    Rewritten,
}

pub const WAYS: [Way; 3] = [Way::Renamed, Way::Copied, Way::Rewritten];

/// Puts `bytes` in the place of `file`.
pub fn put(way: Way, app: &App, file: &str, bytes: &[u8]) {
    let place = app.handler_path(file);
    let aside = app.path().join("incoming");
    match way {
        Way::Renamed => {
            std::fs::write(&aside, bytes).expect("a file aside");
            std::fs::rename(&aside, &place).expect("renamed");
        }
        Way::Copied => {
            std::fs::write(&aside, bytes).expect("a file aside");
            std::fs::copy(&aside, &place).expect("copied");
        }
        Way::Rewritten => {
            let mut file = std::fs::File::create(&place).expect("truncated");
            let (first, second) = bytes.split_at(bytes.len() / 2);
            file.write_all(first).expect("the first half");
            file.write_all(second).expect("the second half");
        }
    }
}
