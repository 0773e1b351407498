//! Static files: `static_path` with its arguments, and the kwargs of `builtin:static`, which are the same. Looks at no
//! folder.

use std::path::PathBuf;

use toml::de::DeValue;

use crate::base::error::Position;

use super::section::Section;
use super::value::Value;

/// The folder of an app's static files, where its configuration says nothing.
pub const STATIC_FOLDER: &str = "static";

/// `static_path`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StaticPath {
    /// [`STATIC_FOLDER`], where the app has one.
    #[default]
    Usual,
    /// The app has none.
    Off,
    /// A folder, from the app's own.
    At {
        /// The folder.
        path: PathBuf,
        /// The place of the value, for later checks.
        position: Position,
    },
}

/// How the files of a folder are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticArgs {
    /// The file that a folder's own URL shows.
    pub default_filename: Option<String>,
    /// Whether files are served whose names begin with a dot, or that are in such folders.
    pub dot_files: bool,
}

/// Reads `static_path`.
pub(super) fn path(value: Value<'_, '_>) -> Option<StaticPath> {
    match value.item() {
        DeValue::Boolean(false) => Some(StaticPath::Off),
        DeValue::String(_) => Some(StaticPath::At {
            path: value.path()?,
            position: value.position(),
        }),
        _ => value.expected("a folder, or false for none", "\"static\""),
    }
}

/// Reads the arguments that `static_path` and `builtin:static` share, and wants no others.
pub(super) fn args(mut section: Section<'_, '_>) -> Option<StaticArgs> {
    let args = StaticArgs {
        default_filename: section.get("default_filename", file_name),
        dot_files: section.or("dot_files", false, Value::boolean),
    };
    section.renamed(
        "allowed_symlink_directory",
        "links are followed only inside of the folder itself",
    );
    section.finish();
    Some(args)
}

fn file_name(value: Value<'_, '_>) -> Option<String> {
    let name = value.text()?;
    match name.contains('/') || [".", ".."].contains(&name) {
        true => value.expected("the name of a file", "\"index.html\""),
        false => Some(name.to_owned()),
    }
}
