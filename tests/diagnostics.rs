//! `cli`: a fault is shown with its line, coloured on a terminal, and plain everywhere else.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Command;
use std::ptr::null_mut;

use regex::Regex;

use crate::harness::{App, command, versioned};

const CONFIG: &str = "[server]\n  max_conections = 5\n\n\
                      [[route]]\npattern = '/ä\t([0-9'\nhandler = 'version.wasm'\n";

fn app(config: &str) -> App {
    App::new()
        .handler("version.wasm", versioned("v1"))
        .config(config)
}

/// What is said of `CONFIG`, with the name of its file.
fn drawn(app: &App) -> String {
    let file = app.path().join("waterspout.toml");
    let file = file.display();
    let hint = "patterns are those of https://docs.rs/regex/#syntax; `\\` before a character takes it as it is";
    [
        &format!("{file}:2:3: unknown key `max_conections` in [server]"),
        "  |",
        "2 |   max_conections = 5",
        "  |   ^^^^^^^^^^^^^^",
        "  |",
        "  = hint: did you mean `max_connections`?",
        &format!("{file}:5:16: unclosed character class"),
        "  |",
        "5 | pattern = '/ä    ([0-9'",
        "  |                   ^",
        "  |",
        &format!("  = hint: {hint}"),
        "",
    ]
    .join("\n")
}

#[test]
fn a_fault_is_shown_with_its_line_and_where_in_it() {
    let app = app(CONFIG);
    for name in ["check", "routes", "serve"] {
        assert_eq!(app.run(name), (Some(1), drawn(&app)), "{name}");
    }
}

#[test]
fn an_address_that_is_taken_is_the_fault_of_who_said_it() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("its address").to_string();
    let config = format!("[server]\nlisten = ['{taken}']\n");
    let (code, said) = app(&config).run("serve");
    let words = format!("cannot listen on {taken}: ");
    assert!(
        said.contains(&format!("waterspout.toml:2:10: {words}")),
        "{said}"
    );
    assert!(said.contains("2 | listen = ["), "{said}");
    assert_eq!(code, Some(1), "{said}");
    let set = format!("server.listen=['{taken}']");
    for (said_by, arguments) in [
        ("--set server.listen", ["--set", &set]),
        ("--listen", ["--listen", &taken]),
        ("--admin", ["--admin", &taken]),
    ] {
        let elsewhere = "[server]\nlisten = ['127.0.0.1:0']\n";
        let (code, said) = app(elsewhere).run_with("serve", &arguments);
        assert!(said.contains(&format!("{said_by}: {words}")), "{said}");
        assert_eq!(code, Some(2), "{said}");
    }
}

/// What a command says on standard error, where that is a terminal.
#[allow(unsafe_code, reason = "only the system opens terminals")]
fn on_a_terminal(mut command: Command) -> String {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: it writes two descriptors where it is told to, and takes nothing else.
    let opened =
        unsafe { libc::openpty(&mut ours, &mut theirs, null_mut(), null_mut(), null_mut()) };
    assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were opened just now, and belong to nobody else.
    let (mut ours, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let mut child = command.stderr(theirs).spawn().expect("waterspout starts");
    // It holds the other end, which would keep the terminal open.
    drop(command);
    let mut said = Vec::new();
    // The end of a terminal is an error.
    let _ = ours.read_to_end(&mut said);
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    String::from_utf8(said)
        .expect("UTF-8")
        .replace("\r\n", "\n")
}

#[test]
fn it_is_coloured_on_a_terminal_unless_somebody_wants_no_colour() {
    let app = app(CONFIG);
    let check = || {
        let mut check = command("check", app.path());
        check.env("TERM", "xterm").env_remove("NO_COLOR");
        check
    };
    let said = on_a_terminal(check());
    let colours = Regex::new("\x1b\\[[0-9;]*m").expect("a pattern");
    assert!(colours.find_iter(&said).count() > 10, "{said}");
    assert_eq!(colours.replace_all(&said, ""), drawn(&app));

    let mut colourless = check();
    colourless.env("NO_COLOR", "1");
    assert_eq!(on_a_terminal(colourless), drawn(&app));
}

#[test]
fn no_line_is_shown_that_may_have_a_secret() {
    for secrets in [
        "[settings]\ncookie_secret = { 1 = 'geheim', x = 'geheim' }\nkey_version = 1\n",
        "[settings.cookie_secret]\n1 = 'geheim'\nx = 'geheim'\n",
        "[settings]\ncookie_secret = 'geheim\n",
    ] {
        let (code, said) = app(&format!("{secrets}[server]\nwach = true\n")).run("check");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("waterspout.toml:"), "{said}");
        assert!(!said.contains("geheim"), "{said}");
    }
    let (_, said) = app("[settings]\ncookie_secret = ''\n[server]\nwach = true\n").run("check");
    assert!(said.contains("4 | wach = true\n"), "{said}");
}

#[tokio::test]
async fn log_and_status_say_it_in_plain_lines() {
    let server = app("").without_config().serve().await;
    let file = server.app.path().join("waterspout.toml");
    std::fs::write(&file, "[server]\n  max_conections = 5\n").expect("written");
    let status = server.until_swap_is(false).await;
    let plain = format!(
        "{}:2:3: unknown key `max_conections` in [server]\n  hint: did you mean `max_connections`?",
        file.display()
    );
    assert_eq!(status["last_swap"]["error"], plain);
    server.log.line_with("hint: did you mean").await;
    let log = server.logged().await;
    assert!(!log.contains("^^"), "{log}");
}
