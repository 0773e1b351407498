//! Which grants a component can use, by its imports, compared with those that it has. Grants nothing.

use std::path::Path;

use crate::app::generation::{Generation, handlers_folder};
use crate::base::error::Fault;
use crate::config::{self, Config};
use crate::guest::capabilities::{self, Grant};
use crate::guest::imports::Import;

/// The grants that imports suggest, each with its reason. Left out are those that a component has without being named.
pub fn suggestions(imports: &[Import]) -> Vec<[String; 2]> {
    let suggest = |grant: &Grant| {
        let import = (grant.used_by)(imports)?;
        let Grant { keys, does, .. } = grant;
        grant.lacks?;
        let (first, others) = keys.split_first()?;
        let mut allow = format!("allow = {{ {} = [\"…\"] }}", first.name);
        others
            .iter()
            .for_each(|other| allow += &format!(", or {}", other.name));
        Some([allow, format!("has code that {does} ({import})")])
    };
    capabilities::grants().filter_map(suggest).collect()
}

/// What looks wrong with the grants of the components that a generation has loaded itself, or of all.
pub fn warnings_of_all(app: &Path, generation: &Generation, only_new: bool) -> Vec<Fault> {
    let components = generation.components.values();
    let meant = components.filter(|component| {
        let is_new = component.generation == generation.number;
        // The component of Python apps imports what any of them may use.
        (is_new || !only_new) && !config::is_python(&component.file)
    });
    let loaded = meant.filter_map(|component| Some((&component.file, component.pool()?)));
    let faults = loaded.flat_map(|(file, pool)| {
        let imports = Import::all(pool.component());
        warnings(app, &generation.config, file, &imports)
    });
    faults.collect()
}

/// The grants of a component that it can't use, and those that it may lack.
pub fn warnings(app: &Path, config: &Config, file: &str, imports: &[Import]) -> Vec<Fault> {
    let toml = app.join(config::FILE_NAME);
    let allow = &config.component(file).allow;
    let spanned = config.components.get(file);
    let at = |name| spanned.and_then(|spanned| spanned.allow.list(name));
    let (mut unused, mut missing) = (Vec::new(), Vec::new());
    for grant in capabilities::grants() {
        let Grant { keys, does, .. } = grant;
        if (grant.used_by)(imports).is_none() {
            // An empty list says that there is none on purpose.
            let granted = keys.iter().map(|key| key.name);
            for key in granted.filter(|key| allow.texts(key).next().is_some()) {
                let message =
                    format!("`{key}` is granted for nothing: `{file}` has no code that {does}");
                unused.extend(at(key).map(|position| {
                    let fault = config.fault(&toml, position, message);
                    fault.hint("leave it out")
                }));
            }
        } else if let (Some(lacks), Some(first)) = (grant.lacks, keys.first())
            && keys.iter().all(|key| at(key.name).is_none())
        {
            let message = format!("`{file}` has code that {does}, and is granted no {lacks}");
            let hint = format!(
                "grant one, as `allow = {{ {key} = {} }}` in [component.\"{file}\"]; or none, as \
                 `allow = {{ {key} = [] }}`",
                first.example,
                key = first.name
            );
            let fault = match spanned {
                Some(spanned) => config.fault(&toml, spanned.position, message),
                None => Fault::in_file(&handlers_folder(app).join(file), message),
            };
            missing.push(fault.hint(hint));
        }
    }
    unused.append(&mut missing);
    unused
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these imports can use.
    fn uses(imports: &[(&str, &[&str])]) -> Vec<&'static str> {
        let import = |(name, functions): &(&str, &[&str])| Import {
            name: (*name).to_owned(),
            functions: functions.iter().map(|name| (*name).to_owned()).collect(),
        };
        let imports: Vec<Import> = imports.iter().map(import).collect();
        let used = capabilities::grants().filter(|grant| (grant.used_by)(&imports).is_some());
        used.map(|grant| grant.does).collect()
    }

    #[test]
    fn an_import_counts_where_a_grant_would_serve_it() {
        let preopens: (&str, &[&str]) = ("wasi:filesystem/preopens@0.2.6", &["get-directories"]);
        let writes = "[method]descriptor.write-via-stream";
        let opens = "[method]descriptor.open-at";
        let none = [""; 0];
        assert_eq!(uses(&[]), none);
        // As an adapter from WASI 0.1 imports it for standard output.
        let types = "wasi:filesystem/types@0.2.6";
        assert_eq!(uses(&[preopens, (types, &[writes])]), none);
        assert_eq!(uses(&[(types, &[opens])]), none);
        assert_eq!(
            uses(&[preopens, (types, &[writes, opens])]),
            ["opens files or lists folders"]
        );
        for sender in ["outgoing-handler@0.2.6", "client@0.3.0", "handler@0.3.0"] {
            let interface = format!("wasi:http/{sender}");
            assert_eq!(
                uses(&[(&interface, &["handle"])]),
                ["sends requests"],
                "{sender}"
            );
        }
        for store in ["waterspout:kv/kv@0.1.0", "wasi:keyvalue/store@0.2.0-draft"] {
            assert_eq!(uses(&[(store, &["open"])]), ["opens buckets"], "{store}");
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
        assert_eq!(uses(&[tcp]), ["opens streams by TCP"]);
        let newest: (&str, &[&str]) = ("wasi:sockets/types@0.3.0", &["[method]tcp-socket.connect"]);
        assert_eq!(uses(&[newest]), ["opens streams by TCP"]);
        let ours: (&str, &[&str]) = ("waterspout:tcp/tcpclient@0.1.0", &["connect"]);
        assert_eq!(uses(&[ours]), ["opens streams by TCP"]);
        // As wasi-libc's own functions import it, whatever their caller does.
        let listens: (&str, &[&str]) = (
            "wasi:sockets/tcp@0.2.6",
            &["[method]tcp-socket.start-listen"],
        );
        assert_eq!(uses(&[listens]), none);
    }
}
