//! `waterspout inspect` of a Python app: its files, its packages, and what the configuration says of it. Runs nothing, so
//! it says nothing of what its code does.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{counted, table};
use crate::base::error::{Fault, Faults};
use crate::config::{self, Config, Target};
use crate::log::plain;
use crate::services::python::{ENTRY, MADE_OF, Tree, VERSION};

/// A Python app: the folder where it is, and its name.
pub struct Program {
    handlers: PathBuf,
    name: String,
}

impl Program {
    /// The app that a path means: its file, its folder, or the file in that folder that is run.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let handlers = path.parent()?;
        if path.join(ENTRY).is_file() {
            return Some(Self {
                handlers: handlers.to_owned(),
                name: format!("{name}{}", config::PYTHON),
            });
        }
        let is_inside = handlers.file_name().is_some_and(|name| name != "handlers");
        if name == ENTRY && is_inside && path.is_file() {
            return Self::of(handlers);
        }
        config::is_python(name).then(|| Self {
            handlers: handlers.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Where its file is, or would be if it were not a folder.
    pub fn path(&self) -> PathBuf {
        self.handlers.join(&self.name)
    }

    /// All that is known of it.
    pub fn inspect(&self, app: Option<(PathBuf, Config)>) -> anyhow::Result<String> {
        let path = self.path();
        let fault = |what: String| Faults::from(Fault::in_file(&path, what));
        let tree = Tree::read(&self.handlers, &self.name)
            .map_err(|error| fault(format!("can't be read: {error}")))?;
        let requirements = tree
            .requirements()
            .map_err(|error| fault(error.to_string()))?;
        let sizes: Vec<usize> = tree.sizes().collect();
        let (count, size) = (sizes.len(), sizes.iter().sum::<usize>());
        let mut text = format!(
            "{}: a Python app, {}, {} KB, sha256 {}\n",
            plain(&self.name),
            counted(count, "file"),
            size.div_ceil(1024),
            tree.sha256()
        );
        let made_of = MADE_OF.join(" and ");
        let _ = write!(
            text,
            "\nwhat runs it\n  {} as `__main__`, with CPython {VERSION} in the component of {made_of}\n",
            tree.entry()
        );
        text += "\npackages that it names\n";
        let rows = requirements.iter().flat_map(|all| all.lines());
        let rows: Vec<[String; 2]> = rows
            .map(|line| match line.split_once(" --hash") {
                Some((package, _)) => [package.to_owned(), "with its hash".to_owned()],
                None => [
                    line.to_owned(),
                    "without a hash: only `dev` installs it".to_owned(),
                ],
            })
            .collect();
        text += &match rows.is_empty() {
            true => "  none\n".to_owned(),
            false => table("  ", &rows),
        };
        text += "\ngrants that an app may need\n";
        text += &table("  ", &GRANTS.map(|row| row.map(str::to_owned)));
        if let Some((_, config)) = app {
            text += &self.configured(&config);
        }
        Ok(text)
    }

    /// What `waterspout.toml` says of it.
    fn configured(&self, config: &Config) -> String {
        let leads_here = |route: &&config::Route| matches!(&route.destination.target, Target::Component { file, .. } if *file == self.name);
        let routes = config.routes.iter().filter(leads_here).map(|route| {
            let strip = route.strip_prefix.as_ref();
            let strip = strip.map(|prefix| format!("without `{prefix}`"));
            [route.pattern.text().to_owned(), strip.unwrap_or_default()]
        });
        let routes: Vec<_> = routes.collect();
        let mut text = "\npaths\n".to_owned();
        text += &match routes.is_empty() {
            true => "  every path that nothing else takes\n".to_owned(),
            false => table("  ", &routes),
        };
        let settings = config.component(&self.name);
        let mut rows = Vec::new();
        let mut row = |key: &str, values: Vec<String>| {
            if !values.is_empty() {
                rows.push([key.to_owned(), values.join(", ")]);
            }
        };
        for key in ["http", "tcp", "read", "write"] {
            let granted = settings.allow.texts(key).map(str::to_owned);
            row(&format!("allow.{key}"), granted.collect());
        }
        row("args", settings.args.clone());
        // Their values may be secrets.
        row("env", settings.env.keys().cloned().collect());
        text += "\nwhat the configuration gives it\n";
        text += &match rows.is_empty() {
            true => "  no grant, no environment and no arguments\n".to_owned(),
            false => table("  ", &rows),
        };
        text
    }
}

/// What of Tornado and of Python does nothing without a grant.
const GRANTS: [[&str; 2]; 3] = [
    [
        "allow = { http = [\"…\"] }",
        "for AsyncHTTPClient and websocket_connect",
    ],
    ["allow = { tcp = [\"…\"] }", "for TCPClient"],
    [
        "allow = { read = [\"…\"] }",
        "for files that are not the app's own",
    ],
];
