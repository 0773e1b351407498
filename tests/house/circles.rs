//! Which file imports which, read from the text, and the circles among them. What a file takes from the one that it is
//! part of, or from the crate's root, counts for nothing: it lies inside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

/// A module's path in its crate: empty for the root.
type Module = Vec<String>;

/// The files of a crate by their modules, each with its text.
pub struct Files(BTreeMap<Module, String>);

impl Files {
    /// Of the sources below `folder`, with no comments in them.
    pub fn of(folder: &Path, sources: Vec<(PathBuf, String)>) -> Self {
        let module = |path: &Path| -> Module {
            let inside = path.strip_prefix(folder).unwrap().with_extension("");
            let names = inside.iter().map(|name| name.to_str().unwrap().to_owned());
            names
                .filter(|name| !["lib", "main"].contains(&&**name))
                .collect()
        };
        let files = sources.into_iter().map(|(path, text)| {
            let own = text.split("#[cfg(test)]").next().unwrap_or_default();
            (module(&path), own.to_owned())
        });
        Self(
            files
                .filter(|(module, _)| module.last().is_none_or(|name| name != "tests"))
                .collect(),
        )
    }

    /// The circles: files that import each other, directly or by way of others.
    pub fn circles(&self) -> Vec<String> {
        let imports: BTreeMap<&Module, BTreeSet<&Module>> = self
            .0
            .keys()
            .map(|file| (file, self.imports(file)))
            .collect();
        let reached = |from: &Module| {
            let mut reached = BTreeSet::new();
            let mut next: Vec<&Module> = imports[from].iter().copied().collect();
            while let Some(file) = next.pop() {
                if reached.insert(file) {
                    next.extend(&imports[file]);
                }
            }
            reached
        };
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.0.keys().map(|file| (file, reached(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, others) in &reached {
            let circle: Vec<String> = others
                .iter()
                .filter(|other| reached[*other].contains(file))
                .map(|other| other.join("/"))
                .collect();
            if circle.len() > 1 {
                circles.insert(circle.join(", "));
            }
        }
        circles.into_iter().collect()
    }

    fn imports(&self, file: &Module) -> BTreeSet<&Module> {
        let paths = paths(&self.0[file]);
        let found = paths.iter().filter_map(|path| self.find(file, path, 0));
        found
            .filter(|other| !file.starts_with(other) && !other.is_empty())
            .collect()
    }

    /// The file that has what `path` names, as `file` says it.
    fn find(&self, file: &Module, path: &[String], depth: usize) -> Option<&Module> {
        let mut from = file.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                from.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    from.pop()?;
                    rest = &rest[1..];
                }
            }
            _ => {
                let child = [file.as_slice(), &rest[..1]].concat();
                self.0.get(&child)?;
            }
        }
        let steps = rest
            .iter()
            .scan(from.clone(), |at, name| {
                at.push(name.clone());
                Some(at.clone())
            })
            .take_while(|at| self.0.contains_key(at))
            .count();
        let owner = [from.as_slice(), &rest[..steps]].concat();
        // What it hands on is another's.
        let handed_on = rest.get(steps).filter(|_| depth < 8).and_then(|name| {
            let exports = exports(self.0.get(&owner)?);
            let export = exports
                .into_iter()
                .find(|export| export.last() == Some(name))?;
            self.find(&owner, &export, depth + 1)
        });
        handed_on.or_else(|| Some(self.0.get_key_value(&owner)?.0))
    }
}

/// All paths that a text imports, or says where it uses them.
fn paths(text: &str) -> Vec<Vec<String>> {
    let import = Regex::new(r"\buse\s+([^;]+);").unwrap();
    let said = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap();
    let imported = import.captures_iter(text).flat_map(|use_| flat(&use_[1]));
    let rest = import.replace_all(text, "");
    let said: Vec<String> = said
        .find_iter(&rest)
        .map(|path| path.as_str().to_owned())
        .collect();
    imported.chain(said).map(|path| names(&path)).collect()
}

/// The paths of what a text hands on to others.
fn exports(text: &str) -> Vec<Vec<String>> {
    let export = Regex::new(r"\bpub(?:\([^)]*\))?\s+use\s+([^;]+);").unwrap();
    let exported = export.captures_iter(text).flat_map(|use_| flat(&use_[1]));
    exported.map(|path| names(&path)).collect()
}

fn names(path: &str) -> Vec<String> {
    path.split("::").map(str::to_owned).collect()
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn flat(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, body)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return if path.is_empty() {
            Vec::new()
        } else {
            vec![path.to_owned()]
        };
    };
    let body = body.rsplit_once('}').map_or(body, |(body, _)| body);
    let mut depth = 0;
    let branches = body.split(|sign: char| {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        sign == ',' && depth == 0
    });
    let paths = branches.flat_map(flat);
    paths.map(|path| format!("{}{path}", head.trim())).collect()
}

#[test]
fn a_circle_is_seen() {
    let file = |path: &str, text: &str| (PathBuf::from("/x").join(path), text.to_owned());
    let files = |texts: [(&str, &str); 4]| {
        let texts = texts.map(|(path, text)| file(path, text));
        Files::of(Path::new("/x"), texts.to_vec()).circles()
    };
    let lib = ("lib.rs", "mod a; mod b; mod c; pub use b::B;");
    let circle = [
        lib,
        ("a.rs", "use crate::{b::B, c};"),
        ("b.rs", "pub struct B; fn f() { crate::c::g() }"),
        ("c.rs", "use super::a::{self, A as Other};"),
    ];
    assert_eq!(files(circle), ["a, b, c"]);
    let none = [
        lib,
        ("a.rs", "use crate::{b::B, c};"),
        ("b.rs", "use crate::B; fn f() { crate::c::g() }"),
        ("c.rs", "use std::a::A; // use super::a"),
    ];
    assert_eq!(
        files(none.map(|(path, text)| (path, text.split("//").next().unwrap()))),
        [""; 0]
    );
}
