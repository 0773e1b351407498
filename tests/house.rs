//! The house as ARCHITECTURE.md draws it: what the documents say of the code, held against the code. Runs no server.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use waterspout::config::Config;

/// A room's floor: its wing's, and its own in the wing.
type Floor = (u32, u32);

/// The rooms of the host by floor, as ARCHITECTURE.md has them: `config`, `edge/server`.
fn floors() -> BTreeMap<String, Floor> {
    let row = Regex::new(r"(?m)^\| (\d+)(?:\.(\d+))? \| ([^|]+) \|").unwrap();
    let name = Regex::new("`([a-z_/]+)`").unwrap();
    let mut floors = BTreeMap::new();
    for row in row.captures_iter(&read("ARCHITECTURE.md")) {
        let number = |group| row.get(group).map_or(0, |at| at.as_str().parse().unwrap());
        for name in name.captures_iter(&row[3]) {
            let other = floors.insert(name[1].to_owned(), (number(1), number(2)));
            assert_eq!(other, None, "`{}` stands on two floors", &name[1]);
        }
    }
    floors
}

/// The five wings: what stands before the slash of a room's name.
fn wings() -> BTreeSet<String> {
    let rooms = floors().into_keys();
    rooms
        .filter_map(|room| Some(room.split_once('/')?.0.to_owned()))
        .collect()
}

/// The room that a file of the host belongs to; the list of a wing's rooms, and of the wings, belongs to none, unless
/// it has a floor of its own.
fn room(path: &Path, wings: &BTreeSet<String>, floors: &BTreeMap<String, Floor>) -> Option<String> {
    let inside = path.strip_prefix(root().join("host/src")).unwrap();
    let names: Vec<&str> = inside
        .iter()
        .map(|name| name.to_str().unwrap().trim_end_matches(".rs"))
        .collect();
    match names[..] {
        ["lib"] => None,
        [wing] if wings.contains(wing) && !floors.contains_key(wing) => None,
        [wing, room, ..] if wings.contains(wing) => Some(format!("{wing}/{room}")),
        [room, ..] => Some(room.to_owned()),
        [] => None,
    }
}

#[test]
fn imports_point_down() {
    let (floors, wings) = (floors(), wings());
    assert_eq!(wings.len(), 5, "{wings:?}");
    let import = Regex::new(r"\b(?:crate|waterspout)::(\w+|\{)(?:::(\w+|\{))?").unwrap();
    let mut seen = BTreeSet::new();
    for (path, text) in sources("host/src") {
        let Some(room) = room(&path, &wings, &floors) else {
            continue;
        };
        let place = path.display();
        let floor = floors
            .get(&room)
            .unwrap_or_else(|| panic!("{place}: ARCHITECTURE.md gives `{room}` no floor"));
        seen.insert(room.clone());
        let code = code(&text);
        for import in import.captures_iter(&code) {
            // `waterspout::` is the crate only in `main`; elsewhere it is the package of the WIT.
            if import[0].starts_with("waterspout") && room != "main" {
                continue;
            }
            let inner = import.get(2).map_or("{", |name| name.as_str());
            let is_type = inner.starts_with(char::is_uppercase);
            let name = match wings.contains(&import[1]) && !is_type {
                true => format!("{}/{inner}", &import[1]),
                false => import[1].to_owned(),
            };
            assert!(
                !name.contains('{'),
                "{place}: write one `use` for each room"
            );
            if name == room {
                continue;
            }
            let other = floors
                .get(&name)
                .unwrap_or_else(|| panic!("{place} imports `{name}`, which has no floor"));
            assert!(
                other < floor,
                "{place}: `{room}` on floor {floor:?} imports `{name}` on floor {other:?}"
            );
        }
        // What is above a room is the crate's root, and its name is `crate`.
        assert!(!code.contains("super::super"), "{place}: `super::super`");
        let own = code.split("#[cfg(test)]").next().unwrap_or_default();
        let depth = path.strip_prefix(root().join("host/src")).unwrap();
        let is_top = depth.components().count() == 1 + room.matches('/').count();
        assert!(!(is_top && own.contains("super::")), "{place}: `super::`");
    }
    let drawn: BTreeSet<String> = floors.into_keys().collect();
    assert_eq!(drawn, seen, "drawn in ARCHITECTURE.md, and there");
}

#[test]
fn no_files_import_in_a_circle() {
    for folder in ["host/src", "host/benches/hello"] {
        let texts = sources(folder)
            .into_iter()
            .map(|(path, text)| (path, code(&text)));
        let files = circles::Files::of(&root().join(folder), texts.collect());
        assert_eq!(files.circles(), [""; 0], "{folder}");
    }
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
    assert_absent(&["base/router"], &impure);
}

#[test]
fn the_edge_knows_no_guest() {
    // It carries sockets, whatever uses them.
    let guests = r"\bwasmtime|crate::(app|guest)\b|crate::services(::([^s]|s[^o])|[^:]|$)";
    let guests = Regex::new(guests).unwrap();
    assert_absent(
        &["edge/listener", "edge/connection", "edge/server"],
        &guests,
    );
}

#[test]
fn the_wit_becomes_rust_in_one_place() {
    for (folder, file, macro_name) in [
        ("host/src", "guest/bindings.rs", "bindgen!("),
        (
            "guest-sdk/src",
            "runtime/bindings.rs",
            "wit_bindgen::generate!(",
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
        .filter(|module| !["app/dispatch", "edge/connection", "app/admin"].contains(module))
        .collect();
    assert_absent(&others, &status);
}

#[test]
fn one_word_for_each_interface() {
    let world = read("wit/world.wit");
    // The package and the interface.
    let named = |word: &str| -> BTreeSet<(String, String)> {
        let line = Regex::new(&format!(r"(?m)^ +{word} waterspout:([a-z-]+)/([a-z-]+)@")).unwrap();
        line.captures_iter(&world)
            .map(|line| (line[1].to_owned(), line[2].to_owned()))
            .collect()
    };
    let (imports, exports) = (named("import"), named("export"));
    assert!(!imports.is_empty() && !exports.is_empty());
    let mut files = sources("guest-sdk/src");
    // It speaks `wasi:http`, and none of ours.
    files.retain(|(path, _)| !path.starts_with(root().join("guest-sdk/src/httpclient")));
    for (package, interface) in imports.union(&exports) {
        let wit = read(&format!("wit/deps/{package}/{interface}.wit"));
        assert!(
            wit.starts_with(&format!("package waterspout:{package}@")),
            "{package}"
        );
        assert!(
            wit.contains(&format!("interface {interface} {{")),
            "{interface}"
        );
        // These are values, and the SDK shows its own.
        if !["types", "values"].contains(&interface.as_str()) {
            let file = format!("{}.rs", interface.replace('-', "_"));
            let named = files.iter().filter(|(path, _)| path.ends_with(&file));
            assert_eq!(named.count(), 1, "guest-sdk/src has one {file}");
        }
    }
    let imports = imports.into_iter();
    let mut expected: BTreeSet<String> = imports
        .map(|(_, interface)| interface.replace('-', "_"))
        .collect();
    // WASI is another's contract, and so is `wasi:http`: Tornado's `httpclient` to those who write handlers.
    expected.insert("wasi".to_owned());
    expected.insert("http_client".to_owned());
    // What all of them are.
    expected.insert("capability".to_owned());
    read("guest-sdk/src/httpclient.rs");
    assert_eq!(stems("host/src/guest/capabilities", ".rs"), expected);
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
const SECTIONS: [(&str, &str); 14] = [
    ("listen", "### Sockets in the file system"),
    ("server", "## [server]"),
    ("tls", "### TLS"),
    ("settings", "## [settings]"),
    ("cookie_secret", "## [settings]"),
    ("protection", "## [settings]"),
    ("static_files", "### Static files"),
    ("log", "## [log]"),
    ("kv", "## [kv]"),
    ("http_client", "## [http_client]"),
    ("route", "## [[route]]"),
    ("schedule", "## [[schedule]]"),
    ("tcp", "## [[tcp]]"),
    ("component", "## [component.\"file.wasm\"]"),
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
    let (code, page) = (read("host/src/app/admin.rs"), read("docs/status.md"));
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
fn the_packages_show_what_the_repository_shows() {
    for (package, shown) in [
        ("guest-sdk", "examples/hello/src/lib.rs"),
        ("guest-sdk/testing", "host/src/cli/new/app.rs.in"),
    ] {
        let page = format!("{package}/README.md");
        let snippet = format!("```rust\n{}```\n", read(shown));
        assert!(
            read(&page).contains(&snippet),
            "{page} does not show {shown}"
        );
    }
}

#[test]
fn every_page_and_every_example_is_in_its_index() {
    let pages = read("docs/README.md");
    for stem in stems("docs", ".md") {
        assert!(
            stem == "README" || pages.contains(&format!("({stem}.md)")),
            "docs/README.md does not name {stem}.md"
        );
    }
    let ladder = read("examples/README.md");
    for name in packages("examples") {
        assert!(
            ladder.contains(&format!("({name}/src/lib.rs)")),
            "examples/README.md does not name {name}"
        );
    }
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
                    compiled.contains(&format!("include_str!(\"../doc/guide/{stem}.md\")")),
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
fn the_recipes_show_what_is_built() {
    let block = Regex::new(r"(?ms)^```([a-z_,]+)\n(.*?)^```$").unwrap();
    let guests = root().join("tests/guests");
    let built: Vec<String> = sources("tests/guests")
        .into_iter()
        .map(|(_, text)| text)
        .chain(["base.html", "story.html"].map(|name| {
            let path = guests.join("recipe_pages/templates").join(name);
            std::fs::read_to_string(path).expect("a template")
        }))
        .collect();
    let page = read("docs/recipes.md");
    let mut shown = 0;
    for block in block.captures_iter(&page) {
        let (kind, text) = (&block[1], &block[2]);
        match kind {
            "toml" if text.starts_with("[dependencies]") => {
                for line in text.lines().skip(1) {
                    let manifest = read("tests/guests/recipe_accounts/Cargo.toml");
                    assert!(manifest.contains(line), "no recipe has {line}");
                }
            }
            "toml" => {
                let read = Config::parse(text, Path::new("docs/recipes.md"));
                assert!(read.is_ok(), "{:?}\n{text}", read.err());
            }
            "html" if text.starts_with("<script>") => {}
            "rust,ignore" | "html" => {
                assert!(
                    built.iter().any(|built| built.contains(text)),
                    "docs/recipes.md shows what is in no recipe:\n{text}"
                );
                shown += 1;
            }
            other => panic!("nobody looks at a block of `{other}`"),
        }
    }
    assert_eq!(shown, 9, "parts of recipes");
    for name in packages("tests/guests") {
        let Some(recipe) = name.strip_prefix("recipe_") else {
            continue;
        };
        let tests = read("tests/recipes.rs");
        assert!(tests.contains(&format!("guest(\"{name}\")")), "{recipe}");
    }
}

/// What makes a signature one line, however rustfmt breaks it.
fn on_one_line(code: &str) -> String {
    let words = code.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace("( ", "(").replace(", )", ")")
}

#[test]
fn the_reference_has_every_signature() {
    let page = read("docs/reference.md");
    let signature = Regex::new(r"pub (?:async )?fn [^{;]+").unwrap();
    let mut found = BTreeSet::new();
    for file in [
        "iostream/error.rs",
        "iostream/stream.rs",
        "kv/bucket.rs",
        "kv/entry.rs",
        "kv/watcher.rs",
        "tcpclient.rs",
        "web/context/events.rs",
        "web/request_body.rs",
        "web/sse.rs",
        "websocket/compression_options.rs",
        "websocket/connection.rs",
        "websocket/error.rs",
        "websocket/message.rs",
        "websocket/sockets.rs",
        "websocket/websocket_client.rs",
        "websocket/websocket_request.rs",
    ] {
        let text = on_one_line(&code(&read(&format!("guest-sdk/src/{file}"))));
        let own = signature.find_iter(&text);
        found.extend(own.map(|own| own.as_str().trim().to_owned()));
    }
    // These are of a request, and other pages have them.
    for elsewhere in ["set_max_body_size", "set_body_timeout", "trailers"] {
        found.retain(|own| !own.contains(&format!("fn {elsewhere}(")));
    }
    let shown: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with("pub "))
        .map(str::to_owned)
        .collect();
    assert_eq!(shown, found, "in docs/reference.md, and in the SDK");
    for variants in [
        "iostream/error.rs",
        "kv/bucket.rs",
        "kv/error.rs",
        "websocket/error.rs",
    ] {
        let text = code(&read(&format!("guest-sdk/src/{variants}")));
        let (_, body) = text.split_once("pub enum ").expect("an enum");
        let (body, _) = body.split_once("\n}").expect("its end");
        for variant in body.lines().skip(1) {
            let variant = variant.trim().trim_end_matches(',');
            assert!(page.contains(&format!("| `{variant}` |")), "{variant}");
        }
    }
}

#[test]
fn the_page_on_testing_shows_the_test_that_new_makes() {
    let snippet = format!("```rust\n{}```\n", read("host/src/cli/new/app.rs.in"));
    assert!(
        read("docs/testing.md").contains(&snippet),
        "docs/testing.md does not show host/src/cli/new/app.rs.in"
    );
}

/// Words that readers whose second language is English need not know, and what to write instead.
const UNCOMMON: [(&str, &str); 16] = [
    (r"who(?:m|so)?ever\b", "the noun: `a client that …`"),
    (r"be it\b", "`whether it is`"),
    (r"of late[.,;:)]", "`recently`"),
    (r"(?:are|be|is) dear\b", "`costs much`"),
    (r"so many\b", "the number"),
    (r"but for\b", "`except`"),
    (r"(?:hears? of|heard of)\b", "`gets`, `is notified`"),
    (r"shall\b", "`must`, `will`"),
    (r"anew\b", "`again`"),
    (r"at once\b", "`concurrently`, `immediately`"),
    (r"in vain\b", "`without effect`"),
    (r"by and by\b", "`in several steps`"),
    (r"by way of\b", "`through`, `by`"),
    (r"for the sake of\b", "`because of`"),
    (r"(?:albeit|ere|lest|naught|nought)\b", "the common word"),
    (
        r"(?:(?:here|there|where)(?:by|in|of|upon|with)|hitherto|thence|whence)\b",
        "a second sentence",
    ),
];

/// Figures for a worker, a part of a queue, a wake, a request that does not react to cancellation, and the like.
const FIGURATIVE: &str = r"(?:bells?|census|commons|deaf|hard of hearing|lanes?|roll calls?|scenes?|seats?|tenures?|undertakers?)\b";

#[test]
fn the_words_are_common() {
    let word = |word: &str| Regex::new(&format!(r"(?i)\b{word}")).unwrap();
    let figurative = word(FIGURATIVE);
    let uncommon = UNCOMMON.map(|(uncommon, instead)| (word(uncommon), instead));
    let mut found = Vec::new();
    let mut look = |place: &str, text: &str| {
        // A line's end may stand between two words.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (uncommon, instead) in &uncommon {
            for hit in uncommon.find_iter(&text) {
                found.push(format!("{place}: `{}` for {instead}", hit.as_str()));
            }
        }
        for hit in figurative.find_iter(&text) {
            found.push(format!("{place}: `{}` for the field's word", hit.as_str()));
        }
    };
    for page in pages() {
        look(&page, &read(&page));
    }
    for folder in ["host", "guest-sdk", "examples", "tests"] {
        for (path, text) in sources(folder) {
            let lines = text
                .lines()
                .filter_map(|line| line.trim_start().strip_prefix("//!"));
            look(
                &path.display().to_string(),
                &lines.collect::<Vec<_>>().join(" "),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
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

/// No file of these rooms of the host has it in its code.
fn assert_absent(rooms: &[&str], what: &Regex) {
    let wings = wings();
    let mut looked_at = BTreeSet::new();
    for (path, text) in sources("host/src") {
        let Some(room) =
            room(&path, &wings, &floors()).filter(|room| rooms.contains(&room.as_str()))
        else {
            continue;
        };
        if let Some(found) = what.find(&code(&text)) {
            panic!("{}: {}", path.display(), found.as_str());
        }
        looked_at.insert(room);
    }
    assert_eq!(looked_at.len(), rooms.len(), "{rooms:?}");
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

/// The pages for users, except those that a program makes.
fn pages() -> Vec<String> {
    let mut pages = [
        "README.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "examples/README.md",
        "guest-sdk/README.md",
        "guest-sdk/macros/README.md",
        "guest-sdk/testing/README.md",
        "host/README.md",
    ]
    .map(str::to_owned)
    .to_vec();
    for folder in ["docs", "docs/guide"] {
        let stems = stems(folder, ".md").into_iter();
        pages.extend(stems.map(|stem| format!("{folder}/{stem}.md")));
    }
    pages.retain(|page| page != "docs/results.md");
    assert!(pages.len() > 10, "{pages:?}");
    pages
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
