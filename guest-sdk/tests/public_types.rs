//! Which types, traits, functions and macros of other crates are in the public API of the SDK: each is a promise that
//! the SDK makes for another crate. The list is in the documentation of the SDK; this test reads the SDK's source.
//!
//! It sees what is `pub use`d, the signatures and public fields of what rooms show, the traits that it implements, and
//! `pub fn` in the bodies of macros. It goes by names: of two types with one name, where one is public, it reads both.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{File, attributes, files, is_hidden, leaves};
use syn::visit::{self, Visit};
use syn::{Attribute, Fields, ImplItem, Item, Path, TraitItem, Type, Visibility};

/// What other crates have in the public API, as `crate::Name`; a crate that is there as a whole by its name alone.
struct Found {
    crates: BTreeSet<String>,
    /// The names that the file has imported.
    imported: BTreeMap<String, Vec<String>>,
    found: BTreeSet<String>,
}

impl Found {
    fn note(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        let whole = self.imported.get(first).cloned();
        let mut whole = whole.unwrap_or_else(|| vec![first.clone()]);
        whole.extend_from_slice(rest);
        if !self.crates.contains(&whole[0]) {
            return;
        }
        self.found.insert(match &whole[..] {
            [alone] => alone.clone(),
            [first, .., last] => format!("{first}::{last}"),
            [] => unreachable!("it has a first name"),
        });
    }

    /// `pub fn` in the body of a macro, up to its block.
    fn note_macro(&mut self, text: &str) {
        for function in text.split("pub ").skip(1) {
            let signature = function.split('{').next().unwrap_or_default();
            let names = signature.split(|char: char| !(char.is_alphanumeric() || char == '_'));
            names.for_each(|name| self.note(&[name.to_owned()]));
        }
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_path(&mut self, path: &'ast Path) {
        let segments = path.segments.iter().map(|it| it.ident.to_string());
        self.note(&segments.collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// The names in `[dependencies]`, as Rust has them. The SDK's own macros are no other crate's.
fn dependencies() -> BTreeSet<String> {
    let manifest = include_str!("../Cargo.toml");
    let (_, section) = manifest.split_once("[dependencies]\n").expect("a section");
    let section = section.split("\n[").next().expect("its text");
    let names = section.lines().filter_map(|line| line.split_once(" = "));
    let names = names.map(|(name, _)| name.trim_start_matches("# ").replace('-', "_"));
    names
        .filter(|name| name != "waterspout_sdk_macros")
        .collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The modules that users can name, and what they show of other files.
fn shown(files: &[File]) -> (BTreeSet<String>, BTreeSet<String>) {
    let root = files.iter().find(|file| file.module.is_empty());
    let root = root.expect("lib.rs");
    let modules: BTreeSet<String> = root
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(it) if is_public(&it.vis) && !is_hidden(&it.attrs) => {
                Some(it.ident.to_string())
            }
            _ => None,
        })
        .chain([String::new()])
        .collect();
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| modules.contains(&file.name())) {
        for item in &file.items {
            if let Item::Use(item) = item
                && is_public(&item.vis)
            {
                names.extend(leaves(&item.tree).into_iter().map(|(_, name)| name));
            }
        }
    }
    (modules, names)
}

fn read(file: &File, found: &mut Found, is_open: bool, names: &BTreeSet<String>) {
    let is_shown = |visibility: &Visibility, name: &syn::Ident| {
        is_public(visibility) && (is_open || names.contains(&name.to_string()))
    };
    for item in file.items.iter().filter(|it| !is_hidden(attributes(it))) {
        match item {
            Item::Use(it) if is_open && is_public(&it.vis) => {
                found.imported.clear();
                leaves(&it.tree)
                    .iter()
                    .for_each(|(path, _)| found.note(path));
                found.imported = imported(file);
            }
            Item::Mod(it) if is_open && is_public(&it.vis) => {
                let items = it.content.clone().map(|(_, items)| items);
                let inner = File {
                    module: file.module.clone(),
                    items: items.unwrap_or_default(),
                };
                read(&inner, found, true, names);
            }
            Item::Fn(it) if is_shown(&it.vis, &it.sig.ident) => found.visit_signature(&it.sig),
            Item::Type(it) if is_shown(&it.vis, &it.ident) => found.visit_item_type(it),
            Item::Enum(it) if is_shown(&it.vis, &it.ident) => found.visit_item_enum(it),
            Item::Struct(it) if is_shown(&it.vis, &it.ident) => {
                found.visit_generics(&it.generics);
                let fields = match &it.fields {
                    Fields::Named(fields) => fields.named.iter().collect(),
                    Fields::Unnamed(fields) => fields.unnamed.iter().collect(),
                    Fields::Unit => Vec::new(),
                };
                let fields = fields.into_iter().filter(|field| is_public(&field.vis));
                fields.for_each(|field| found.visit_field(field));
            }
            Item::Trait(it) if is_shown(&it.vis, &it.ident) => {
                found.visit_generics(&it.generics);
                it.supertraits
                    .iter()
                    .for_each(|bound| found.visit_type_param_bound(bound));
                for item in &it.items {
                    match item {
                        TraitItem::Fn(item) => found.visit_signature(&item.sig),
                        item => found.visit_trait_item(item),
                    }
                }
            }
            Item::Impl(it) => {
                let own = match &*it.self_ty {
                    Type::Path(own) => own.path.segments.last(),
                    _ => None,
                };
                let of = it.trait_.as_ref().and_then(|(_, of, _)| of.segments.last());
                let mut parts = own.into_iter().chain(of);
                let is_shown = is_open || parts.any(|part| names.contains(&part.ident.to_string()));
                if !is_shown {
                    continue;
                }
                match &it.trait_ {
                    Some((_, of, _)) => {
                        found.visit_generics(&it.generics);
                        found.visit_path(of);
                        found.visit_type(&it.self_ty);
                    }
                    None => found.visit_generics(&it.generics),
                }
                for item in &it.items {
                    match item {
                        ImplItem::Fn(item) if is_public(&item.vis) => {
                            found.visit_signature(&item.sig);
                        }
                        ImplItem::Type(item) => found.visit_impl_item_type(item),
                        _ => {}
                    }
                }
            }
            Item::Macro(it) => found.note_macro(&it.mac.tokens.to_string()),
            _ => {}
        }
    }
}

fn imported(file: &File) -> BTreeMap<String, Vec<String>> {
    let uses = file.items.iter().filter_map(|item| match item {
        Item::Use(item) => Some(leaves(&item.tree)),
        _ => None,
    });
    uses.flatten().map(|(path, name)| (name, path)).collect()
}

/// What the documentation lists: each name in backticks in the section's table.
fn listed() -> BTreeSet<String> {
    let text = include_str!("../src/lib.rs");
    let (_, section) = text
        .split_once("# Types of other crates")
        .expect("a section");
    let rows = section
        .lines()
        .take_while(|line| line.starts_with("//!") || line.is_empty());
    let rows = rows.filter(|line| line.starts_with("//! | `"));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    // The SDK's own names stand in the table, too.
    let crates = dependencies();
    let names = names.filter(|name| {
        let first = name.split("::").next().unwrap_or_default();
        crates.contains(first)
    });
    names.map(str::to_owned).collect()
}

#[test]
fn the_types_of_other_crates_are_listed() {
    let files = files();
    let (modules, names) = shown(&files);
    let mut found = Found {
        crates: dependencies(),
        imported: BTreeMap::new(),
        found: BTreeSet::new(),
    };
    // What is private as a whole.
    for file in files
        .iter()
        .filter(|file| !file.name().starts_with("runtime"))
    {
        found.imported = imported(file);
        read(file, &mut found, modules.contains(&file.name()), &names);
    }
    assert_eq!(
        found.found,
        listed(),
        "in the source, and in the list of src/lib.rs"
    );
}
