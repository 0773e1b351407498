//! The difference between a generation and the one before, as a list of files. Compares; reads no file.

use std::fmt;
use std::sync::Arc;

use super::Generation;
use crate::config;

/// How many files are named, so that the message stays one line.
const NAMED: usize = 8;

/// Which files came, changed and went.
pub struct Changes(Vec<(String, &'static str)>);

impl Generation {
    /// The changes since another generation.
    pub fn changes_since(&self, old: &Generation) -> Changes {
        let mut changes = Vec::new();
        for (file, component) in &self.components {
            let change = match old.components.get(file) {
                None => "came",
                Some(before) if Arc::ptr_eq(before, component) => continue,
                Some(before) if before.sha256 != component.sha256 => "changed",
                Some(_) if component.pool().is_none() => "still fails",
                // Its settings have changed, or it did not load the last time.
                Some(_) => "loaded anew",
            };
            changes.push((file.clone(), change));
        }
        let gone = old.components.keys();
        let gone = gone.filter(|file| !self.components.contains_key(*file));
        changes.extend(gone.map(|file| (file.clone(), "went")));
        let files = self.static_files.changes_since(&old.static_files);
        changes.extend(files.into_iter().map(|(path, change)| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            (name.to_string_lossy().into_owned(), change)
        }));
        if self.config != old.config {
            let change = match (old.is_configured, self.is_configured) {
                (true, false) => "went",
                (false, true) => "came",
                _ => "changed",
            };
            changes.push((config::FILE_NAME.to_owned(), change));
        }
        if self.tls != old.tls {
            changes.push(("certificates".to_owned(), "changed"));
        }
        Changes(changes)
    }
}

/// `hello.wasm changed, new.wasm came`
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (file, change)) in self.0.iter().take(NAMED).enumerate() {
            let separator = if number > 0 { ", " } else { "" };
            write!(f, "{separator}{file} {change}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
