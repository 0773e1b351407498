//! A folder to serve in an app's stead, with another configuration. Copies nothing, and changes nothing in the app.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

/// The app's configuration.
const CONFIG: &str = "waterspout.toml";

/// Everything in the app except its configuration, which is this text.
pub fn with_config(app: &Path, config: &str) -> Result<TempDir, String> {
    set(app, config).map_err(|error| {
        let app = app.display();
        format!("no folder for {app} with the test's configuration: {error}")
    })
}

fn set(app: &Path, config: &str) -> io::Result<TempDir> {
    let stage = tempfile::Builder::new()
        .prefix("waterspout-test-")
        .tempdir()?;
    for entry in std::fs::read_dir(app)? {
        let entry = entry?;
        if entry.file_name() != CONFIG {
            symlink(entry.path(), stage.path().join(entry.file_name()))?;
        }
    }
    std::fs::write(stage.path().join(CONFIG), config)?;
    Ok(stage)
}
