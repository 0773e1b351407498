//! The SDK's own source, parsed: what its tests of structure stand on. Tests in it are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Token, UseTree};

/// A file of `src`.
pub struct File {
    /// Its module: `["web", "context"]` for `src/web/context.rs`, nothing for `src/lib.rs`.
    pub module: Vec<String>,
    /// What is in it, without tests.
    pub items: Vec<Item>,
}

impl File {
    /// Its path below `src`, without `.rs`.
    pub fn name(&self) -> String {
        self.module.join("/")
    }
}

/// All files of `src` that are not tests.
pub fn files() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<File> = rust_files(&src)
        .iter()
        .map(|path| read(&src, path))
        .collect();
    let tests: BTreeSet<Vec<String>> = files.iter().flat_map(tests_of).collect();
    files.retain(|file| !tests.contains(&file.module));
    for file in &mut files {
        file.items.retain(|item| !is_test(attributes(item)));
    }
    files
}

/// The leaves of a `use`: each path as a list, with the name that it has in the file.
pub fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let mut leaves = leaves(&path.tree);
            for (leaf, _) in &mut leaves {
                leaf.insert(0, path.ident.to_string());
            }
            for (leaf, name) in &mut leaves {
                if leaf.last().is_some_and(|last| last == "self") {
                    leaf.pop();
                    if name == "self" {
                        name.clone_from(leaf.last().expect("`self` stands in something"));
                    }
                }
            }
            leaves
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(rename) => {
            vec![(vec![rename.ident.to_string()], rename.rename.to_string())]
        }
        UseTree::Glob(_) => vec![(vec!["*".to_owned()], "*".to_owned())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether rustdoc leaves it out.
#[allow(dead_code, reason = "not every test asks")]
pub fn is_hidden(attributes: &[Attribute]) -> bool {
    has(attributes, "doc", "hidden")
}

fn is_test(attributes: &[Attribute]) -> bool {
    has(attributes, "cfg", "test") || has(attributes, "cfg", "doctest")
}

fn has(attributes: &[Attribute], name: &str, argument: &str) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident(name)
            && attribute
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .is_ok_and(|arguments| arguments.iter().any(|it| it.path().is_ident(argument)))
    })
}

/// The modules that a file declares for tests only.
fn tests_of(file: &File) -> Vec<Vec<String>> {
    let modules = file.items.iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => {
            let mut path = file.module.clone();
            path.push(module.ident.to_string());
            Some(path)
        }
        _ => None,
    });
    modules.collect()
}

fn read(src: &Path, path: &Path) -> File {
    let text = std::fs::read_to_string(path).expect("a file that was listed");
    let parsed =
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let inside = path.strip_prefix(src).expect("it is inside");
    let mut module: Vec<String> = inside
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if module == ["lib"] {
        module.clear();
    }
    File {
        module,
        items: parsed.items,
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder that was listed");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
