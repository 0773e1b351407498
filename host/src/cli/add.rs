//! `waterspout add`: one more component in an app, with its route. Changes of what exists only the list of the workspace's
//! members and the end of `waterspout.toml`.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::Add;
use super::build;
use super::new::{check_crate_name, filled_in, write};
use crate::config::{self, Config};

/// The files of a new component, by their paths in its folder.
const FILES: [(&str, &str); 2] = [
    ("Cargo.toml", include_str!("add/Cargo.toml.in")),
    ("src/lib.rs", include_str!("add/lib.rs.in")),
];

pub fn add(options: &Add) -> anyhow::Result<()> {
    let (app, name) = (&options.app, &options.name);
    check_crate_name(name)?;
    ensure!(
        build::has_sources(app),
        "{}: no Cargo.toml in this folder: `waterspout new` makes an app",
        app.display()
    );
    let folder = app.join(name);
    if folder.exists() {
        bail!("{}: is there already", folder.display());
    }
    let path = format!("/{name}");
    let configuration = with_route(app, &path, name)?;
    let manifest = with_member(app, name)?;
    for (file, text) in FILES {
        write(&folder.join(file), &filled_in(text, name))?;
    }
    write(&app.join("Cargo.toml"), &manifest)?;
    write(&app.join(config::FILE_NAME), &configuration)?;
    println!(
        "{} is there, and serves {path}. `waterspout build` and `waterspout dev` build it with the others.",
        folder.display()
    );
    Ok(())
}

/// The app's manifest, with this folder among the members of its workspace.
fn with_member(app: &Path, name: &str) -> anyhow::Result<String> {
    let path = app.join("Cargo.toml");
    let place = || format!("{} can't be read", path.display());
    let text = fs::read_to_string(&path).with_context(place)?;
    let mut manifest: DocumentMut = text.parse().with_context(place)?;
    let workspace = manifest
        .entry("workspace")
        .or_insert(Item::Table(Table::new()));
    let members = workspace
        .as_table_like_mut()
        .map(|workspace| workspace.entry("members").or_insert(value(Array::new())));
    let members = members.and_then(Item::as_array_mut);
    let members = members
        .with_context(|| format!("{}: `members` in [workspace] is no list", path.display()))?;
    members.push(name);
    Ok(manifest.to_string())
}

/// The app's configuration, with one more route at its end.
fn with_route(app: &Path, path: &str, name: &str) -> anyhow::Result<String> {
    let file = app.join(config::FILE_NAME);
    let mut text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("{} can't be read", file.display()))?,
    };
    // What is at fault already is not for this command to mend.
    Config::load(app, &[])?;
    if !text.is_empty() {
        text += if text.ends_with('\n') { "\n" } else { "\n\n" };
    }
    let component = name.replace('-', "_");
    text += &format!("[[route]]\npattern = '{path}'\nhandler = \"{component}.wasm\"\n");
    Ok(text)
}
