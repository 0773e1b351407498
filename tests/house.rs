//! The house as ARCHITECTURE.md draws it: what the documents say of the code, held against the code. Runs no server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use waterspout::config::Config;

/// The modules of the host by floor, as ARCHITECTURE.md has them.
fn floors() -> BTreeMap<String, u32> {
    let row = Regex::new(r"(?m)^\| (\d+) \| ([^|]+) \|").unwrap();
    let name = Regex::new("`([a-z_]+)`").unwrap();
    let mut floors = BTreeMap::new();
    for row in row.captures_iter(&read("ARCHITECTURE.md")) {
        let floor = row[1].parse().unwrap();
        for name in name.captures_iter(&row[2]) {
            let other = floors.insert(name[1].to_owned(), floor);
            assert_eq!(other, None, "`{}` stands on two floors", &name[1]);
        }
    }
    floors
}

#[test]
fn imports_point_down() {
    let floors = floors();
    let import = Regex::new(r"\b(?:crate|waterspout)::(\w+|\{)").unwrap();
    let mut seen = BTreeSet::new();
    for (path, text) in sources("host/src") {
        let inside = path.strip_prefix(root().join("host/src")).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let place = path.display();
        let floor = floors
            .get(module)
            .unwrap_or_else(|| panic!("{place}: ARCHITECTURE.md gives `{module}` no floor"));
        seen.insert(module.to_owned());
        let code = code(&text);
        for import in import.captures_iter(&code) {
            let name = &import[1];
            assert_ne!(name, "{", "{place}: write one `use` for each module");
            // `waterspout::` is the crate only in `main`; elsewhere it is the package of the WIT.
            if name == module || (import[0].starts_with("waterspout") && module != "main") {
                continue;
            }
            let other = floors
                .get(name)
                .unwrap_or_else(|| panic!("{place} imports `{name}`, which has no floor"));
            assert!(
                other < floor,
                "{place}: `{module}` on floor {floor} imports `{name}` on floor {other}"
            );
        }
        // What is above a module is the crate's root, and its name is `crate`.
        assert!(!code.contains("super::super"), "{place}: `super::super`");
        let own = code.split("#[cfg(test)]").next().unwrap_or_default();
        let is_top = inside.components().count() == 1;
        assert!(!(is_top && own.contains("super::")), "{place}: `super::`");
    }
    let drawn: BTreeSet<String> = floors.into_keys().collect();
    assert_eq!(drawn, seen, "drawn in ARCHITECTURE.md, and there");
}

#[test]
fn every_file_says_what_it_owns() {
    for folder in [
        "host",
        "guest-sdk/src",
        "guest-sdk/tests",
        "guest-sdk/macros/src",
        "guest-sdk/testing/src",
        "examples",
        "tests",
    ] {
        for (path, text) in sources(folder) {
            assert!(
                text.starts_with("//! "),
                "{} opens without a `//!` line",
                path.display()
            );
        }
    }
}

#[test]
fn the_router_is_pure() {
    let impure =
        Regex::new(r"std::(env|fs|io|net|process|sync|thread|time)\b|\b(tokio|hyper|tracing)::")
            .unwrap();
    assert_absent(&["router"], &impure);
}

#[test]
fn the_edge_knows_no_guest() {
    let guests =
        Regex::new(r"\bwasmtime|crate::(bindings|generation|instances|invoke|dispatch)\b").unwrap();
    assert_absent(&["listener", "connection", "server"], &guests);
}

#[test]
fn the_wit_becomes_rust_in_one_place() {
    for (folder, macro_name, file) in [
        ("host/src", "bindgen!(", "bindings.rs"),
        (
            "guest-sdk/src",
            "wit_bindgen::generate!(",
            "runtime/bindings.rs",
        ),
    ] {
        let places: Vec<PathBuf> = sources(folder)
            .into_iter()
            .filter(|(_, text)| code(text).contains(macro_name))
            .map(|(path, _)| path)
            .collect();
        assert_eq!(places, [root().join(folder).join(file)]);
    }
}

#[test]
fn few_speak_of_statuses() {
    let status = Regex::new(r"\bStatusCode\b").unwrap();
    let floors = floors();
    let others: Vec<&str> = floors
        .keys()
        .map(String::as_str)
        .filter(|module| !["dispatch", "connection", "admin"].contains(module))
        .collect();
    assert_absent(&others, &status);
}

#[test]
fn one_word_for_each_interface() {
    let world = read("wit/world.wit");
    let named = |word: &str| -> BTreeSet<String> {
        let line = Regex::new(&format!(r"(?m)^ +{word} ([a-z-]+);")).unwrap();
        line.captures_iter(&world)
            .map(|line| line[1].replace('-', "_"))
            .collect()
    };
    let (imports, exports) = (named("import"), named("export"));
    assert!(!imports.is_empty() && !exports.is_empty());
    let mut files = sources("guest-sdk/src");
    // It speaks `wasi:http`, and none of ours.
    files.retain(|(path, _)| !path.starts_with(root().join("guest-sdk/src/httpclient")));
    for interface in imports.union(&exports) {
        let wit = read(&format!("wit/{}.wit", interface.replace('_', "-")));
        assert!(
            wit.contains(&format!("interface {} {{", interface.replace('_', "-"))),
            "{interface}"
        );
        // `types` are values, and the SDK shows its own.
        if interface != "types" {
            let file = format!("{interface}.rs");
            let named = files.iter().filter(|(path, _)| path.ends_with(&file));
            assert_eq!(named.count(), 1, "guest-sdk/src has one {file}");
        }
    }
    // WASI is another's contract.
    let mut expected = imports;
    // WASI is another's contract, and so is `wasi:http`: Tornado's `httpclient` to those who write handlers.
    expected.insert("wasi".to_owned());
    expected.insert("http_client".to_owned());
    read("guest-sdk/src/httpclient.rs");
    assert_eq!(stems("host/src/capabilities", ".rs"), expected);
}

#[test]
fn every_guest_and_example_has_a_test() {
    let tests: String = sources("tests")
        .into_iter()
        .filter(|(path, _)| !path.starts_with(root().join("tests/guests")))
        .filter(|(path, _)| !path.starts_with(root().join("tests/harness")))
        .filter(|(path, _)| !path.ends_with("house.rs"))
        .map(|(_, text)| code(&text))
        .collect();
    let mut untested = Vec::new();
    for folder in ["tests/guests", "examples"] {
        for name in packages(folder) {
            // Libraries for guests.
            if ["raw", "gate"].contains(&&*name) {
                continue;
            }
            // A guest of its own function in the harness, which patches it.
            let patched = name == "version" && tests.contains("versioned(");
            let named = Regex::new(&format!(r#""{name}(\.wasm)?""#)).unwrap();
            if !patched && !named.is_match(&tests) {
                untested.push(format!("{folder}/{name}"));
            }
        }
    }
    assert!(untested.is_empty(), "no test names {untested:?}");
}

/// Where the keys that a file of `host/src/config` asks for are said: a heading of docs/configuration.md.
const SECTIONS: [(&str, &str); 10] = [
    ("listen", "### Sockets in the file system"),
    ("server", "## [server]"),
    ("tls", "### TLS"),
    ("settings", "## [settings]"),
    ("log", "## [log]"),
    ("kv", "## [kv]"),
    ("http_client", "## [http_client]"),
    ("route", "## [[route]]"),
    ("schedule", "## [[schedule]]"),
    ("handler", "## [handler.\"file.wasm\"]"),
];

#[test]
fn every_key_is_documented() {
    let asked = [
        r#"\.(?:get|or|require|take)\(\s*"([a-z0-9_]+)""#,
        r#"\bdestination\(\s*&mut section,\s*"([a-z_]+)""#,
        r#"\bdestination\(\s*&mut section,\s*"[a-z_]+",\s*"([a-z_]+)""#,
    ]
    .map(|asked| Regex::new(asked).unwrap());
    let page = read("docs/configuration.md");
    let mut keys = 0;
    for (path, text) in sources("host/src/config") {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap();
        if stem == "tests" {
            continue;
        }
        for key in asked.iter().flat_map(|asked| asked.captures_iter(&text)) {
            keys += 1;
            let (_, heading) = SECTIONS
                .iter()
                .find(|(file, _)| *file == stem)
                .unwrap_or_else(|| panic!("which section has the keys of {stem}.rs?"));
            assert!(
                section(&page, heading).contains(&format!("`{}`", &key[1])),
                "docs/configuration.md says nothing of `{}` under {heading}",
                &key[1]
            );
        }
    }
    assert!(
        keys > 70,
        "{keys} keys were found: does the code still ask for them in this way?"
    );
}

#[test]
fn every_option_is_documented() {
    let page = read("docs/commands.md");
    let command = Regex::new(r"(?m)^  ([a-z]+)  ").unwrap();
    let option = Regex::new(r"(?m)^ +(?:-\w, )?--([a-z-]+)").unwrap();
    let as_of = Regex::new(r"options\s+of\s+`([a-z]+)`").unwrap();
    let heading = |command: &str| format!("## `waterspout {command}");
    let mut options = 0;
    for command in command.captures_iter(&help(&[])) {
        let command = &command[1];
        if command == "help" {
            continue;
        }
        // Its own section, and those that it says it takes the options of.
        let own = section(&page, &heading(command));
        let others = as_of.captures_iter(own);
        let said: Vec<&str> = others
            .map(|other| section(&page, &heading(&other[1])))
            .chain([own])
            .collect();
        for option in option.captures_iter(&help(&[command])) {
            if &option[1] == "help" {
                continue;
            }
            options += 1;
            let shown = Regex::new(&format!("`--{}[ `]", &option[1])).unwrap();
            assert!(
                said.iter().any(|section| shown.is_match(section)),
                "docs/commands.md does not say that {command} has --{}",
                &option[1]
            );
        }
    }
    assert!(options > 15, "{options} options were found");
}

/// What stands in a page from the line that begins with this heading to the next of its kind, or of one above it.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page
        .find(&format!("\n{heading}"))
        .unwrap_or_else(|| panic!("no section begins with {heading}"));
    let rest = &page[start + 1 + heading.len()..];
    let depth = heading.chars().take_while(|sign| *sign == '#').count();
    let ends = (1..=depth).filter_map(|depth| rest.find(&format!("\n{} ", "#".repeat(depth))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

#[test]
fn every_field_of_the_status_is_documented() {
    let field = Regex::new(r#"(?m)^\s+"([a-z0-9_]+)": "#).unwrap();
    let (code, page) = (read("host/src/admin.rs"), read("docs/status.md"));
    let fields: Vec<&str> = field
        .captures_iter(&code)
        .map(|field| field.extract::<1>().1[0])
        .collect();
    assert!(fields.len() > 15, "{fields:?}");
    for field in fields {
        assert!(
            page.contains(&format!("`{field}`")),
            "docs/status.md says nothing of `{field}`"
        );
    }
}

#[test]
fn the_readme_shows_the_example_hello() {
    let snippet = format!("```rust\n{}```\n", read("examples/hello/src/lib.rs"));
    assert!(
        read("README.md").contains(&snippet),
        "README.md does not show examples/hello/src/lib.rs"
    );
}

#[test]
fn the_guide_shows_what_is_built() {
    let block = Regex::new(r"(?ms)^```([a-z_,]+)\n(.*?)^```$").unwrap();
    let examples: Vec<String> = sources("examples")
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let compiled = read("guest-sdk/src/lib.rs");
    let mut shown = 0;
    for stem in stems("docs/guide", ".md") {
        let page = format!("docs/guide/{stem}.md");
        for block in block.captures_iter(&read(&page)) {
            let (kind, text) = (&block[1], &block[2]);
            match kind {
                "rust" | "rust,standalone_crate" => assert!(
                    compiled.contains(&format!("include_str!(\"../../{page}\")")),
                    "{page} has code of its own, and the SDK does not compile it"
                ),
                // Not compiled there, because it is compiled here.
                "rust,ignore" => assert!(
                    examples.iter().any(|example| example.contains(text)),
                    "{page} shows what is in no example:\n{text}"
                ),
                "toml" => {
                    let read = Config::parse(text, Path::new(&page));
                    assert!(read.is_ok(), "{page}: {:?}\n{text}", read.err());
                }
                "python" | "sh" | "text" => continue,
                other => panic!("{page}: nobody looks at a block of `{other}`"),
            }
            shown += 1;
        }
    }
    assert!(shown > 30, "{shown} blocks were found");
}

#[test]
fn the_page_on_testing_shows_the_test_that_new_makes() {
    let snippet = format!("```rust\n{}```\n", read("host/src/cli/new/app.rs.in"));
    assert!(
        read("docs/testing.md").contains(&snippet),
        "docs/testing.md does not show host/src/cli/new/app.rs.in"
    );
}

#[test]
fn the_tests_named_in_architecture_exist() {
    let page = read("ARCHITECTURE.md");
    let (_, table) = page
        .split_once("## What always holds")
        .expect("the section");
    let row = Regex::new(r"(?m)^\| [^|]+ \| ([^|]+) \|$").unwrap();
    let name = Regex::new("`([a-z0-9_]+)`").unwrap();
    let code: String = ["host/src", "tests", "guest-sdk/src", "guest-sdk/tests"]
        .into_iter()
        .flat_map(sources)
        .map(|(_, text)| text)
        .collect();
    let mut tests = 0;
    for row in row.captures_iter(table) {
        for name in name.captures_iter(&row[1]) {
            tests += 1;
            assert!(
                code.contains(&format!("fn {}()", &name[1])),
                "there is no test `{}`",
                &name[1]
            );
        }
    }
    assert!(tests > 20, "{tests} tests were found");
}

/// No file of these modules of the host has it in its code.
fn assert_absent(modules: &[&str], what: &Regex) {
    for (path, text) in sources("host/src") {
        let inside = path.strip_prefix(root().join("host/src")).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap();
        if modules.contains(&module.trim_end_matches(".rs"))
            && let Some(found) = what.find(&code(&text))
        {
            panic!("{}: {}", path.display(), found.as_str());
        }
    }
}

/// The text without its comments.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn help(command: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .args(command)
        .arg("--help")
        .output();
    String::from_utf8(output.expect("waterspout starts").stdout).expect("UTF-8")
}

/// All Rust files below a folder, in order. What is built or meant not to compile is none of them.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                if !path.ends_with("target") && !path.ends_with("ui") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} is empty");
    found.sort();
    found
}

/// The names of the packages that lie in a folder.
fn packages(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// The names of the files in a folder that end like this, without their end.
fn stems(folder: &str, end: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap());
    entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(end)?.to_owned()))
        .collect()
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
