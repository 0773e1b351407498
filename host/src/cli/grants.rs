//! Which grants a component can use, by its imports, compared with those that it has. Grants nothing.
//!
//! An import exists when linked code calls it, even if that code never runs. So a grant that no import can use is
//! certainly unused, and a grant that seems to be missing is only likely so.

use std::path::Path;

use crate::app::generation::handlers_folder;
use crate::base::error::Fault;
use crate::config::{self, Config};
use crate::guest::engine::Import;

/// What a component can do that needs a grant, and the interface for it.
pub struct Uses<'i> {
    pub files: Option<&'i str>,
    pub http: Option<&'i str>,
    pub kv: Option<&'i str>,
    /// For these there is no grant.
    pub sockets: Option<&'i str>,
}

impl<'i> Uses<'i> {
    pub fn of(imports: &'i [Import]) -> Self {
        let find = |is_meant: fn(&Import) -> bool| {
            let import = imports.iter().find(|import| is_meant(import));
            import.map(|import| import.name.as_str())
        };
        // Code that opens a file first asks for the granted folders.
        let asks_for_folders = find(|import| {
            import.is("wasi:filesystem/preopens") && import.calls(|name| name == "get-directories")
        });
        Self {
            files: asks_for_folders.and_then(|_| find(goes_into_folders)),
            http: find(sends_requests),
            kv: find(opens_buckets),
            sockets: find(|import| import.is("wasi:sockets/") && import.calls(|_| true)),
        }
    }
}

/// Whether it takes paths below a folder, or lists one. Otherwise a granted folder is useless.
fn goes_into_folders(import: &Import) -> bool {
    import.is("wasi:filesystem/types")
        && import.calls(|name| name.ends_with("-at") || name.ends_with(".read-directory"))
}

/// Whether it opens buckets of the app's state, by either interface.
fn opens_buckets(import: &Import) -> bool {
    (import.is("waterspout:web/kv@") || import.is("wasi:keyvalue/store@"))
        && import.calls(|name| name == "open")
}

/// Whether it sends requests of its own: `outgoing-handler` in WASI 0.2, `client` and `handler` in 0.3.
fn sends_requests(import: &Import) -> bool {
    let senders = ["outgoing-handler@", "client@", "handler@"];
    let is_sender = |sender| import.is(&format!("wasi:http/{sender}"));
    senders.iter().any(is_sender) && import.calls(|_| true)
}

impl Import {
    fn is(&self, begin: &str) -> bool {
        self.name.starts_with(begin)
    }

    fn calls(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.functions.iter().any(|name| is_meant(name))
    }
}

/// The grants of a component that it can't use, and those that it may lack.
pub fn warnings(app: &Path, config: &Config, file: &str, imports: &[Import]) -> Vec<Fault> {
    let uses = Uses::of(imports);
    let toml = app.join(config::FILE_NAME);
    let allow = &config.component(file).allow;
    let spanned = config.components.get(file);
    let at = spanned.map(|spanned| spanned.allow).unwrap_or_default();
    let mut warnings = Vec::new();
    let mut unused = |key: &str, position, nothing_to_do: &str| {
        let message = format!("`{key}` is granted for nothing: `{file}` {nothing_to_do}");
        if let Some(position) = position {
            warnings.push(config.fault(&toml, position, message).hint("leave it out"));
        }
    };
    if uses.files.is_none() {
        let nothing_to_do = "has no code that opens files or lists folders";
        if !allow.read.is_empty() {
            unused("read", at.read, nothing_to_do);
        }
        if !allow.write.is_empty() {
            unused("write", at.write, nothing_to_do);
        }
    }
    if uses.http.is_none() && !allow.http.is_empty() {
        unused("http", at.http, "has no code that sends requests by WASI");
    }
    if uses.kv.is_none() && allow.kv.as_ref().is_some_and(|buckets| !buckets.is_empty()) {
        unused("kv", at.kv, "has no code that opens buckets");
    }
    // An empty list says that there is none on purpose.
    let mut missing = |message: String, example: &str, none: &str| {
        let hint = format!(
            "grant one, as `allow = {{ {example} }}` in [component.\"{file}\"]; or none, as \
             `allow = {{ {none} }}`"
        );
        let missing = match spanned {
            Some(spanned) => config.fault(&toml, spanned.position, message),
            None => Fault::in_file(&handlers_folder(app).join(file), message),
        };
        warnings.push(missing.hint(hint));
    };
    if uses.files.is_some() && at.read.is_none() && at.write.is_none() {
        let message = format!(
            "`{file}` has code that opens files or lists folders, and is granted no folder"
        );
        missing(message, "read = [\"data\"]", "read = []");
    }
    if uses.http.is_some() && at.http.is_none() {
        let message = format!("`{file}` has code that sends requests, and is granted no origin");
        missing(message, "http = [\"https://api.example.com\"]", "http = []");
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these imports can use: files, http, sockets.
    fn uses(imports: &[(&str, &[&str])]) -> [bool; 3] {
        let import = |(name, functions): &(&str, &[&str])| Import {
            name: (*name).to_owned(),
            functions: functions.iter().map(|name| (*name).to_owned()).collect(),
        };
        let imports: Vec<Import> = imports.iter().map(import).collect();
        let uses = Uses::of(&imports);
        [uses.files, uses.http, uses.sockets].map(|import| import.is_some())
    }

    #[test]
    fn an_import_counts_where_a_grant_would_serve_it() {
        let preopens: (&str, &[&str]) = ("wasi:filesystem/preopens@0.2.6", &["get-directories"]);
        let writes = "[method]descriptor.write-via-stream";
        let opens = "[method]descriptor.open-at";
        let none = [false; 3];
        assert_eq!(uses(&[]), none);
        // As an adapter from WASI 0.1 imports it for standard output.
        let types = "wasi:filesystem/types@0.2.6";
        assert_eq!(uses(&[preopens, (types, &[writes])]), none);
        assert_eq!(uses(&[(types, &[opens])]), none);
        assert_eq!(
            uses(&[preopens, (types, &[writes, opens])]),
            [true, false, false]
        );
        for sender in ["outgoing-handler@0.2.6", "client@0.3.0", "handler@0.3.0"] {
            let interface = format!("wasi:http/{sender}");
            assert_eq!(
                uses(&[(&interface, &["handle"])]),
                [false, true, false],
                "{sender}"
            );
        }
        assert_eq!(
            uses(&[("wasi:http/types@0.2.6", &["[constructor]fields"])]),
            none
        );
        // An interface with types only has nothing to call.
        assert_eq!(uses(&[("wasi:sockets/network@0.2.6", &[])]), none);
        let tcp = (
            "wasi:sockets/tcp@0.2.6",
            &["[method]tcp-socket.start-connect"][..],
        );
        assert_eq!(uses(&[tcp]), [false, false, true]);
    }
}
