//! The rooms of the SDK as ARCHITECTURE.md draws them, held against the imports of its files.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{File, files, leaves};
use syn::visit::{self, Visit};
use syn::{ItemUse, Macro, Path};

/// The paths that a file names.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let leaves = leaves(&item.tree).into_iter();
        self.0.extend(leaves.map(|(path, _)| path));
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let segments = path.segments.iter();
        self.0
            .push(segments.map(|it| it.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// What is in a macro is no syntax yet: only paths from the root are seen.
    fn visit_macro(&mut self, item: &'ast Macro) {
        let text = item.tokens.to_string().replace(' ', "");
        for path in text.split("crate::").skip(1) {
            let end = path.find(|char: char| !(char.is_alphanumeric() || "_:".contains(char)));
            let names = path[..end.unwrap_or(path.len())].split("::");
            let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
            self.0
                .push([String::from("crate")].into_iter().chain(names).collect());
        }
    }
}

/// Which files each file imports. The root only lists the rooms, and is none of them.
fn imports(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let modules: BTreeSet<&[String]> = files.iter().map(|file| &file.module[..]).collect();
    let mut imports = BTreeMap::new();
    for file in files.iter().filter(|file| !file.module.is_empty()) {
        let mut paths = Paths::default();
        file.items.iter().for_each(|item| paths.visit_item(item));
        let mut imported = BTreeSet::new();
        for path in paths.0 {
            let Some(target) = target(&modules, file, &path) else {
                continue;
            };
            assert!(
                !target.is_empty(),
                "{}: `{}` goes by way of the root; name the file that has it",
                file.name(),
                path.join("::")
            );
            if target != file.module {
                imported.insert(target.join("/"));
            }
        }
        imports.insert(file.name(), imported);
    }
    imports
}

/// The file to which a path leads, if it begins in this crate.
fn target<'a>(
    modules: &BTreeSet<&'a [String]>,
    file: &File,
    path: &[String],
) -> Option<&'a [String]> {
    // One word alone is that of a visibility: `pub(crate)`.
    if path.len() < 2 {
        return None;
    }
    let mut whole = match path[0].as_str() {
        "crate" => Vec::new(),
        "self" => file.module.clone(),
        "super" => file.module[..file.module.len() - 1].to_vec(),
        _ => return None,
    };
    whole.extend_from_slice(&path[1..]);
    (0..=whole.len())
        .rev()
        .find_map(|end| modules.get(&whole[..end]).copied())
}

/// The rooms from the top down, as ARCHITECTURE.md has them.
fn rooms() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).expect("ARCHITECTURE.md");
    let (_, section) = page.split_once("## The SDK").expect("a section of the SDK");
    let section = section.split("\n## ").next().expect("its text");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split('`').next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_sdk_s_files_do_not_import_in_circles() {
    let imports = imports(&files());
    let mut left: BTreeSet<&String> = imports.keys().collect();
    while !left.is_empty() {
        let before = left.len();
        // A file goes when nothing that it imports is left.
        let remaining = left.clone();
        left.retain(|file| imports[*file].iter().any(|other| remaining.contains(other)));
        assert!(
            left.len() < before,
            "these import each other in circles, or what does: {left:?}"
        );
    }
    assert!(imports.len() > 40, "{} files were found", imports.len());
}

#[test]
fn the_sdk_s_rooms_import_downwards() {
    let rooms = rooms();
    let room = |file: &str| {
        let of_it = rooms
            .iter()
            .enumerate()
            .filter(|(_, room)| file == *room || file.starts_with(&format!("{room}/")));
        of_it
            .max_by_key(|(_, room)| room.len())
            .unwrap_or_else(|| panic!("ARCHITECTURE.md has no room for `{file}`"))
    };
    let mut seen = BTreeSet::new();
    for (file, imported) in imports(&files()) {
        // It lists its files and has no code.
        if file == "runtime" {
            continue;
        }
        let (floor, own) = room(&file);
        seen.insert(own.clone());
        for other in imported {
            let (below, its) = room(&other);
            assert!(
                own == its || below > floor,
                "`{file}` of `{own}` imports `{other}` of `{its}`, which is not below it"
            );
        }
    }
    assert_eq!(seen, rooms.into_iter().collect(), "drawn, and there");
}
