//! `--set` and the environment: what counts more than `waterspout.toml`, in which order, and what is said of what is
//! wrong with it.

use std::path::Path;

use crate::harness::{App, command, guest, versioned};

const CONFIG: &str = "
[settings]
debug = true

[settings.app]
title = 'of the file'
";

fn app() -> App {
    App::new()
        .handler("panic.wasm", guest("panic"))
        .handler("version.wasm", versioned("v1"))
        .config(CONFIG)
}

/// Exit code, and what is said.
fn run(
    app: &App,
    name: &str,
    options: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, String) {
    let mut command = command(name, app.path());
    let output = command
        .args(options)
        .envs(variables.iter().copied())
        .output();
    let output = output.expect("waterspout starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let shows_as = async |command, app: App, options: &[&str]| {
        let server = app.serve_as(command, options).await;
        let page = server.get("/panic").await;
        assert_eq!(page.status, 500);
        page.body.contains("panic.wasm!")
    };
    let shows = async |app, options: &[&str]| shows_as("serve", app, options).await;
    let off = || app().variable("WATERSPOUT_SETTINGS__DEBUG", Path::new("false"));
    assert!(shows(app(), &[]).await);
    assert!(!shows(off(), &[]).await);
    let on = ["--set", "settings.debug=true"];
    assert!(shows(off(), &on).await);
    // Of several, the last counts.
    let both = [&on[..], &["--set", "settings.debug=false"]].concat();
    assert!(!shows(app(), &both).await);
    // What `dev` switches on stays off only where the command line says so.
    assert!(shows_as("dev", off(), &[]).await);
    assert!(!shows_as("dev", app(), &both).await);
}

#[tokio::test]
async fn what_was_set_holds_across_reloads() {
    let options = ["--set", "server.max_body_size=4B"];
    let server = app().serve_as("serve", &options).await;
    let post = async || server.request("POST /version", "", "12345").await.status;
    assert_eq!(post().await, 413);
    let config = server.app.path().join("waterspout.toml");
    std::fs::write(config, "[server]\nmax_body_size = \"1MB\"\n").unwrap();
    server.until_generation(2).await;
    assert_eq!(post().await, 413);
    // A fault that the file and what was set have together refuses the change alone.
    let config = server.app.path().join("waterspout.toml");
    std::fs::write(config, "server = 5\n").unwrap();
    let status = server.until_swap_is(false).await;
    let error = status["last_swap"]["error"].as_str().unwrap();
    assert!(
        error.contains("--set server.max_body_size: there can be no `server.max_body_size`"),
        "{error}"
    );
    assert_eq!(post().await, 413);
}

#[test]
fn a_value_is_toml_or_a_plain_string() {
    let app = app();
    for (set, ok) in [
        ("settings.default_host=example.com", true),
        ("settings.default_host=\"example.com\"", true),
        ("settings.default_host=5", true),
        ("server.max_body_size=1MB", true),
        ("server.header_timeout=off", true),
        ("server.trusted_downstream=[\"10.0.0.1\"]", true),
        ("server.trusted_downstream=10.0.0.1", false),
        ("settings.app.title.deep=1", false),
        ("settings.app.new.deep=1", true),
        ("component.\"panic.wasm\".memory=8MB", true),
        ("component.panic.wasm.memory=8MB", true),
        ("component.nothing.wasm.memory=8MB", false),
    ] {
        let (code, said) = run(&app, "check", &["--set", set], &[]);
        assert_eq!(code, Some(if ok { 0 } else { 2 }), "{set}: {said}");
    }
    let route = "route=[{ pattern = '/there', handler = 'version.wasm' }]";
    let (_, table) = run(&app, "routes", &["--set", route], &[]);
    assert!(table.contains("/there"), "{table}");
}

#[test]
fn a_fault_says_who_said_it_what_is_wrong_and_what_to_do() {
    let app = app();
    for (set, fault) in [
        (
            "settings.debgu=true",
            "--set settings.debgu: unknown key `debgu` in [settings]\n  hint: did you mean `debug`?\n",
        ),
        (
            "servre.watch=true",
            "--set servre.watch: unknown key `servre` at the top level\n  hint: did you mean `server`?\n",
        ),
        (
            "settings.debug=maybe",
            "--set settings.debug: `debug` must be true or false, not \"maybe\"\n  \
             hint: for example `debug = true`\n",
        ),
        (
            "log.access={stauts}",
            "--set log.access: unknown field `stauts`\n  hint: did you mean `status`?\n",
        ),
        (
            "settings.default_handler_class=versoin.wasm",
            "--set settings.default_handler_class: there is no component `versoin.wasm` in handlers/\n  \
             hint: did you mean `version.wasm`?\n",
        ),
        (
            "settings.default_handler_class=version.wasm#Nobody",
            "--set settings.default_handler_class: `version.wasm` has no handler `Nobody`\n  \
             hint: it has `Version`\n",
        ),
        (
            "settings.app.title.deep=1",
            "--set settings.app.title.deep: there can be no `settings.app.title.deep`: \
             `settings.app.title` is no table\n  \
             hint: set all of `settings.app.title`, or take it out of waterspout.toml\n",
        ),
    ] {
        let said = run(&app, "check", &["--set", set], &[]);
        assert_eq!(said, (Some(2), fault.to_owned()), "{set}");
    }
    // The environment is not the command line, but named as well.
    for (name, fault) in [
        (
            "WATERSPOUT_SETTINGS__DEBGU",
            "unknown key `debgu` in [settings]\n  hint: did you mean `debug`?\n",
        ),
        (
            "WATERSPOUT_SETTINGS_DEBUG",
            "two underscores part a table from its key\n  \
             hint: did you mean `WATERSPOUT_SETTINGS__DEBUG`?\n",
        ),
    ] {
        for command in ["check", "serve", "routes"] {
            let said = run(&app, command, &[], &[(name, "true")]);
            assert_eq!(said, (Some(1), format!("{name}: {fault}")), "{command}");
        }
    }
    let (code, said) = run(&app, "check", &["--set", "settings.debug"], &[]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("there is no value: for example `settings.debug=true`"),
        "{said}"
    );
}

#[test]
fn a_fault_of_the_file_keeps_its_place_beside_one_that_was_set() {
    let app = app().config("[server]\n  max_conections = 5\n");
    let (code, said) = run(&app, "check", &["--set", "settings.debug=maybe"], &[]);
    assert_eq!(code, Some(1));
    let file = app.path().join("waterspout.toml");
    let place = format!("{}:2:3: unknown key", file.display());
    assert!(said.contains(&place), "{said}");
    assert!(
        said.contains("--set settings.debug: `debug` must"),
        "{said}"
    );
}

#[test]
fn a_secret_that_was_set_is_in_no_message() {
    let set = ["--set", "settings.cookie_secret=[\"hush\"]"];
    let (code, said) = run(&app(), "check", &set, &[]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("--set settings.cookie_secret: a cookie secret must be a string"),
        "{said}"
    );
    assert!(!said.contains("hush"), "{said}");
}
