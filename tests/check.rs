//! `config` and the command: what is wrong with an app is said with its place, before it serves and while it does.

use std::process::Command;

use crate::harness::{App, example, guest, versioned};

/// An app with this configuration, two components and their routes.
fn app(config: &str) -> App {
    App::new()
        .handler("slow.wasm", guest("slow"))
        .handler("version.wasm", versioned("v1"))
        .config(config)
}

/// Faults of a configuration: the file, the place of the fault, and words of what is said.
const FAULTS: &[(&str, &str, &str, &[&str])] = &[
    (
        "an unknown key",
        "[server]\n  max_conections = 5\n",
        "2:3",
        &[
            "unknown key `max_conections` in [server]",
            "hint: did you mean `max_connections`?",
        ],
    ),
    (
        "an unknown table",
        "[sever]\nwatch = true\n",
        "1:2",
        &["unknown key `sever`", "hint: did you mean `server`?"],
    ),
    (
        "a pattern that is none",
        "[[route]]\npattern = '/story/([0-9+'\nhandler = 'version.wasm'\n",
        "2:20",
        &["unclosed character class", "hint: "],
    ),
    (
        "look-ahead",
        "[[route]]\npattern = '/(?!admin).*'\nhandler = 'version.wasm'\n",
        "2:13",
        &["look-around", "hint: "],
    ),
    (
        "a component that is not there",
        "[[route]]\npattern = '/'\nhandler = 'versio.wasm'\n",
        "3:11",
        &[
            "there is no component `versio.wasm`",
            "hint: did you mean `version.wasm`?",
        ],
    ),
    (
        "a table of a component that is not there",
        "\n[component.\"chat.wasm\"]\nisolation = 'fresh'\n",
        "2:12",
        &["there is no component `chat.wasm`", "hint: "],
    ),
    (
        "a class that is not said",
        "[[route]]\npattern = '/'\nhandler = 'slow.wasm'\n",
        "3:11",
        &[
            "has 2 handlers; say which one, as `slow.wasm#Class`",
            "hint: it has `Slow`, `Counts`",
        ],
    ),
    (
        "a class that is not there",
        "[[route]]\npattern = '/'\nhandler = 'slow.wasm#Fast'\n",
        "3:11",
        &[
            "`slow.wasm` has no handler `Fast`",
            "hint: it has `Slow`, `Counts`",
        ],
    ),
    (
        "a name twice",
        "[[route]]\npattern = '/a'\nname = 'a'\nhandler = 'version.wasm'\n\
         [[route]]\npattern = '/b'\nname = 'a'\nhandler = 'version.wasm'\n",
        "7:8",
        &[
            "the name `a` belongs to the route named in line 3",
            "hint: ",
        ],
    ),
    (
        "an emptied file",
        " \n",
        "1:1",
        &["is empty", "hint: remove the file"],
    ),
    (
        "TOML that is none",
        "[server\nwatch = true\n",
        "1:8",
        &["]"],
    ),
    (
        "a pattern in double quotes",
        "[[route]]\npattern = \"/story/(\\d+)\"\nhandler = 'version.wasm'\n",
        "2:21",
        &[
            "hint: in double quotes a `\\` begins an escape",
            "pattern = '/story/(\\d+)'",
        ],
    ),
    (
        "a pattern without its first slash",
        "[[route]]\npattern = 'story'\nhandler = 'version.wasm'\n",
        "2:11",
        &["each begins with `/`", "hint: write `pattern = '/story'`"],
    ),
    (
        "a text where a list has to be",
        "[server]\nlisten = '127.0.0.1:8888'\n",
        "2:10",
        &[
            "`listen` must be an array",
            "hint: for example `listen = [\"127.0.0.1:8888\"]`",
        ],
    ),
    (
        "a text without quotes",
        "[server]\nlisten = [127.0.0.1:8888]\n",
        "2:16",
        &["hint: a text stands in quotes"],
    ),
    (
        "a setting of the app's own",
        "[settings]\ntitle = 'Mine'\n",
        "2:1",
        &[
            "unknown key `title` in [settings]",
            "a setting of the app's own belongs into `app`: `app = { title = … }`",
        ],
    ),
    (
        "a component without its ending",
        "[[route]]\npattern = '/'\nhandler = 'version'\n",
        "3:11",
        &["hint: for example `handler = \"version.wasm\"`"],
    ),
    (
        "a duration without a unit",
        "[component.'version.wasm']\ndeadline = 30\n",
        "2:12",
        &[
            "must be a duration in ms, s, m or h",
            "hint: for example `deadline = \"10s\"`",
        ],
    ),
    (
        "a text where true or false has to be",
        "[settings]\ndebug = 'true'\n",
        "2:9",
        &["must be true or false", "hint: for example `debug = true`"],
    ),
    (
        "a grant that there is not",
        "[component.'version.wasm']\nallow = { htpp = ['https://a.example'] }\n",
        "2:11",
        &[
            "unknown key `htpp` in `allow`",
            "hint: did you mean `http`?",
        ],
    ),
    (
        "one route for several",
        "[route]\npattern = '/'\nhandler = 'version.wasm'\n",
        "1:1",
        &["`route` is an array of tables", "hint: write `[[route]]`"],
    ),
    (
        "the old word for a component",
        "[handler.'version.wasm']\nmemory = '1MB'\n",
        "1:2",
        &[
            "`handler` is no key at the top level",
            "hint: it configures a component",
        ],
    ),
    (
        "a limit past the server's",
        "[component.\"version.wasm\"]\nmemory = '1GB'\n",
        "2:10",
        &["`max_instance_memory`", "hint: raise"],
    ),
];

#[test]
fn check_says_what_is_wrong_with_a_configuration_and_where() {
    for (what, config, place, words) in FAULTS {
        let app = app(config);
        let (code, said) = app.run("check");
        assert_eq!(code, Some(1), "{what}: {said}");
        let file = app.path().join("waterspout.toml");
        let place = format!("{}:{place}: ", file.display());
        assert!(
            said.starts_with(&place),
            "{what}: {place} expected in {said}"
        );
        for word in *words {
            assert!(said.contains(word), "{what}: {word:?} expected in {said}");
        }
    }
}

#[tokio::test]
async fn a_fault_on_reload_leaves_the_old_configuration_in_place() {
    let good = "[[route]]\npattern = '/by-name'\nhandler = 'version.wasm'\n";
    let server = app(good).serve().await;
    let file = server.app.path().join("waterspout.toml");
    for (fault, (what, config, place, words)) in FAULTS.iter().enumerate() {
        std::fs::write(&file, config).expect("written");
        let status = server.until_swap_is(false).await;
        let error = status["last_swap"]["error"].as_str().expect("an error");
        let log = server
            .log
            .nth_line_with(fault + 1, "waterspout.toml:")
            .await;
        let place = format!("waterspout.toml:{place}: ");
        assert!(
            error.contains(&place) && log.contains(&place),
            "{what}: {error}\n{log}"
        );
        for word in *words {
            assert!(error.contains(word), "{what}: {error}");
        }
        assert_eq!(server.get("/by-name").await.body, "v1", "{what}");
        std::fs::write(&file, good).expect("written");
        server.until_swap_is(true).await;
    }
}

#[test]
fn every_fault_of_a_file_is_said_at_once() {
    let (code, said) = app("[server]\nwach = true\ngrace = 5\n").run("check");
    assert_eq!(code, Some(1));
    assert!(said.contains(":2:1: ") && said.contains(":3:9: "), "{said}");
}

#[test]
fn check_names_both_of_two_components_that_claim_one_path() {
    let app = app("").without_config().handler("twin.wasm", guest("slow"));
    let (code, said) = app.run("check");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("twin.wasm: claims `/slow`") && said.contains("slow.wasm\n"),
        "{said}"
    );
    assert!(
        said.contains("hint: say in waterspout.toml which"),
        "{said}"
    );
}

#[test]
fn check_names_every_component_that_can_not_serve() {
    let app = App::new()
        .handler("one.wasm", "no component")
        .handler("two.wasm", guest("missing_import"))
        .handler("three.wasm", guest("bad_start"));
    let (code, said) = app.run("check");
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "one.wasm: not WebAssembly",
        "two.wasm: imports",
        "three.wasm: `start` failed",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn check_names_the_line_that_grants_a_folder_which_is_not_there() {
    let granted = "[component.'version.wasm']\nallow = { read = ['data'] }\n";
    let app = app(granted);
    let (code, said) = app.run("check");
    assert_eq!(code, Some(1), "{said}");
    let folder = app.path().join("data");
    let words = format!("the granted folder {} is not there", folder.display());
    assert!(said.contains("waterspout.toml:2:"), "{said}");
    assert!(
        said.contains(&words) && said.contains("hint: make it (`mkdir -p "),
        "{said}"
    );
    std::fs::create_dir(folder).expect("a folder");
    let (code, said) = app.run("check");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn check_says_where_components_belong() {
    let app = App::new();
    let (_, said) = app.run("check");
    assert!(said.contains("there is nothing to serve"), "{said}");
    assert!(
        said.contains("hint: put components or Python apps into "),
        "{said}"
    );
    std::fs::write(app.path().join("here.wasm"), versioned("v1")).expect("a file");
    let (_, said) = app.run("check");
    assert!(said.contains("here.wasm belongs into "), "{said}");
    std::fs::rename(app.path().join("here.wasm"), app.path().join("here.py")).expect("renamed");
    let (_, said) = app.run("check");
    assert!(said.contains("here.py belongs into "), "{said}");
}

#[test]
fn what_is_no_app_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    for (path, words) in [
        (file.clone(), "an app is a folder, and this is a file"),
        (
            folder.path().join("nowhere"),
            "there is no such folder; `waterspout new ",
        ),
    ] {
        for command in ["check", "serve"] {
            let done = Command::new(env!("CARGO_BIN_EXE_waterspout"))
                .arg(command)
                .arg(&path)
                .output()
                .expect("waterspout starts");
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(1), "{said}");
            assert!(said.contains(words), "{command}: {said}");
        }
    }
}

#[test]
fn check_finds_nothing_wrong_with_a_fine_app() {
    let (code, said) = app("[[route]]\npattern = '/x'\nhandler = 'slow.wasm#Slow'\n").run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("fine"), "{said}");
    assert_eq!(
        App::new().run("check").0,
        Some(0),
        "an empty app is fine too"
    );
}

#[test]
fn check_warns_of_grants_that_a_component_can_not_use() {
    let rules = "allow = { http = ['self'], read = ['handlers'], write = ['handlers'] }";
    let app = app(&format!("[component.'version.wasm']\n{rules}\n"));
    let (code, said) = app.run("check");
    assert_eq!(code, Some(0), "{said}");
    let file = app.path().join("waterspout.toml");
    for (column, key, length) in [(18, "http", 8), (35, "read", 12), (57, "write", 12)] {
        let begin = format!(
            "{}:2:{column}: warning: `{key}` is granted for nothing: `version.wasm` has no code that ",
            file.display()
        );
        assert!(said.contains(&begin), "{said}");
        let caret = format!("  | {}{}\n", " ".repeat(column - 1), "^".repeat(length));
        assert!(said.contains(&caret), "{said}");
    }
    assert_eq!(said.matches("warning").count(), 3, "{said}");
    assert!(said.contains("fine"), "{said}");
}

#[test]
fn a_grant_that_is_none_is_a_fault_with_its_place() {
    for (grants, column, words) in [
        ("reads = []", 11, "hint: did you mean `read`?"),
        (
            "execute = ['ls']",
            11,
            "hint: known keys: `read`, `write`, `http`, `kv`",
        ),
        (
            "http = ['self', 'example.com']",
            27,
            "`http` must be `self` or an origin without a path, not \"example.com\"",
        ),
    ] {
        let app = app(&format!(
            "[component.'version.wasm']\nallow = {{ {grants} }}\n"
        ));
        let (code, said) = app.run("check");
        assert_eq!(code, Some(1), "{said}");
        let place = format!("waterspout.toml:2:{column}: ");
        assert!(said.contains(&place) && said.contains(words), "{said}");
    }
}

#[test]
fn check_does_not_warn_of_a_bucket_that_can_be_used() {
    for component in ["kv", "keyvalue"] {
        let file = format!("{component}.wasm");
        let app = App::new().handler(&file, guest(component)).config(&format!(
            "[component.'{file}']\nallow = {{ kv = ['mine'] }}\n"
        ));
        let (code, said) = app.run("check");
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("granted for nothing"), "{said}");
    }
}

#[test]
fn check_warns_where_files_are_used_and_no_folder_is_granted() {
    let app = |config: &str| {
        let app = App::new().handler("grants.wasm", guest("grants"));
        app.config(config)
    };
    let words = "warning: `grants.wasm` has code that opens files or lists folders, and is granted no folder";
    let untold = app("").without_config();
    let (code, said) = untold.run("check");
    assert_eq!(code, Some(0), "{said}");
    let place = untold.handler_path("grants.wasm");
    assert!(
        said.contains(&format!("{}: {words}\n  hint: ", place.display())),
        "{said}"
    );

    let told = app("[component.'grants.wasm']\nisolation = 'fresh'\n");
    let (code, said) = told.run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(&format!("waterspout.toml:1:12: {words}\n")),
        "{said}"
    );

    for settled in ["read = ['handlers']", "write = ['handlers']", "read = []"] {
        let config = format!("[component.'grants.wasm']\nallow = {{ {settled}, tcp = [] }}\n");
        let (code, said) = app(&config).run("check");
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("warning"), "{settled}: {said}");
    }
}

#[test]
fn check_knows_which_servers_a_component_may_reach() {
    let app = |name: &str, allow: &str| {
        let config = format!("[component.'{name}.wasm']\nallow = {{ {allow} }}\n");
        App::new()
            .handler(&format!("{name}.wasm"), guest(name))
            .config(&config)
    };
    let words = "`tcp_client.wasm` has code that opens streams by TCP, and is granted no server";
    let (code, said) = app("tcp_client", "read = []").run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(words), "{said}");
    assert!(
        said.contains("`allow = { tcp = [\"db.internal:5432\"] }`"),
        "{said}"
    );
    let (code, said) = app("tcp_client", "read = [], tcp = ['localhost:1']").run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("granted"), "{said}");
    let (code, said) = app("version", "tcp = ['localhost:1']").run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("`tcp` is granted for nothing"), "{said}");
    let (code, said) = app("tcp_client", "tcp = ['localhost']").run("check");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("`tcp` must be host and port, not \"localhost\""),
        "{said}"
    );
}

#[test]
fn check_warns_of_nothing_that_the_standard_library_imports_for_itself() {
    let mut app = App::new();
    for name in ["hello", "json", "forms", "upload", "errors"] {
        app = app.handler(&format!("{name}.wasm"), example(name));
    }
    for name in [
        "version",
        "blocking",
        "lifecycle",
        "outputs",
        "panic",
        "slow",
    ] {
        app = app.handler(&format!("{name}.wasm"), guest(name));
    }
    let (code, said) = app.run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("granted"), "{said}");
}

#[test]
fn serving_begins_only_with_a_configuration_that_is_right() {
    for (what, config, place, _) in FAULTS {
        let (code, said) = app(config).run("serve");
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(
            said.contains(&format!("waterspout.toml:{place}: ")),
            "{what}: {said}"
        );
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for arguments in [
        &["sevre"][..],
        &["serve", "--lissten", "127.0.0.1:0"],
        &["serve", "--listen", "nowhere"],
        &["check", "one", "two"],
        &[],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_waterspout"))
            .args(arguments)
            .output();
        let output = output.expect("waterspout starts");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_the_app_s_fault() {
    let app = App::new();
    std::fs::remove_dir_all(app.path()).expect("removed");
    for command in ["check", "serve"] {
        let (code, said) = app.run(command);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("there is no such folder"), "{said}");
    }
}

#[test]
fn check_warns_where_requests_are_sent_and_no_origin_is_granted() {
    let app = |config: &str| {
        let app = App::new().handler("http_client.wasm", guest("http_client"));
        app.config(config)
    };
    let words =
        "warning: `http_client.wasm` has code that sends requests, and is granted no origin";
    let (code, said) = app("[component.'http_client.wasm']\nmax_clients = 7\n").run("check");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains(&format!("waterspout.toml:1:12: {words}\n")),
        "{said}"
    );
    for settled in ["http = ['self']", "http = []"] {
        let config = format!("[component.'http_client.wasm']\nallow = {{ {settled} }}\n");
        let (code, said) = app(&config).run("check");
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains(words), "{settled}: {said}");
    }
}
