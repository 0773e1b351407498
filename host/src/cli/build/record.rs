//! A record of what the last build of an app has made, in its target folder. With it, the component of a crate that
//! was removed or renamed is removed. Files that others have made, or changed since, are not touched.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The components that a build has made.
pub struct Record {
    /// Where it is kept.
    file: PathBuf,
    made: Made,
}

#[derive(Default, Deserialize, Serialize)]
struct Made {
    /// The app, for people.
    app: PathBuf,
    /// Their file names in `handlers/`, with the SHA-256 of their bytes.
    components: BTreeMap<String, String>,
}

impl Record {
    /// The record of an app. One that does not exist, or can't be read, is empty.
    pub fn of(app: &Path, target: &Path) -> Self {
        let app = app.canonicalize().unwrap_or_else(|_| app.to_path_buf());
        // Apps may share a target folder.
        let name = &digest(app.as_os_str().as_encoded_bytes())[..16];
        let file = target.join("waterspout").join(format!("{name}.json"));
        let text = std::fs::read(&file).unwrap_or_default();
        let made: Made = serde_json::from_slice(&text).unwrap_or_default();
        Self {
            file,
            made: Made { app, ..made },
        }
    }

    /// The files in this folder that are as a build has made them, and that the newest build has not made.
    pub fn left_over(&self, folder: &Path, newest: &BTreeMap<String, String>) -> Vec<PathBuf> {
        let before = self.made.components.iter();
        let gone = before.filter(|(name, _)| !newest.contains_key(*name));
        gone.map(|(name, digest)| (folder.join(name), digest))
            .filter(|(path, made)| std::fs::read(path).is_ok_and(|bytes| digest(&bytes) == **made))
            .map(|(path, _)| path)
            .collect()
    }

    /// Keeps what the newest build has made.
    pub fn keep(mut self, newest: BTreeMap<String, String>) -> io::Result<()> {
        self.made.components = newest;
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&self.file, serde_json::to_string_pretty(&self.made)?)
    }
}

/// The SHA-256 of these bytes, in hex.
pub fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
