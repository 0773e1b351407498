//! `waterspout completions` and `waterspout man`: what shells and `man` are told of the command.

use std::path::Path;
use std::process::Command;

use regex::Regex;

/// What a command prints that is not at fault.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .args(arguments)
        .output();
    let output = output.expect("waterspout starts");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// All commands, as `--help` has them.
fn commands() -> Vec<String> {
    let command = Regex::new("(?m)^  ([a-z]+)  ").expect("a pattern");
    let help = printed(&["--help"]);
    let names = command.captures_iter(&help);
    let mut names: Vec<String> = names.map(|command| command[1].to_owned()).collect();
    names.retain(|name| name != "help");
    assert!(names.len() > 8, "{names:?}");
    names
}

#[test]
fn a_shell_completes_commands_and_options() {
    // As bash calls it: the command, the word so far, the word before.
    const ASK: &str = r#"
        eval "$("$WATERSPOUT" completions bash)"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _waterspout waterspout "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo "${COMPREPLY[@]}"
    "#;
    let complete = |words: &[&str]| {
        let output = Command::new("bash")
            .env("WATERSPOUT", env!("CARGO_BIN_EXE_waterspout"))
            .args(["-c", ASK, "bash", "waterspout"])
            .args(words)
            .output()
            .expect("bash starts");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("UTF-8").trim().to_owned()
    };
    assert_eq!(complete(&["ins"]), "inspect");
    assert_eq!(complete(&["inspect", "--ca"]), "--cache-dir");
    assert_eq!(complete(&["serve", "--log-format", ""]), "text json");
}

#[test]
fn each_shell_is_told_of_each_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    let tcsh = Command::new(env!("CARGO_BIN_EXE_waterspout"))
        .args(["completions", "tcsh"])
        .output();
    assert_eq!(tcsh.expect("waterspout starts").status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let page = printed(&["man"]);
    assert!(page.contains("\n.TH waterspout 1 "), "{page}");
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    assert_eq!(
        printed(&["man", "--dir", pages.to_str().expect("UTF-8")]),
        ""
    );
    assert_eq!(read(&pages.join("waterspout.1")), page);
    let other = Regex::new(r"waterspout\\-([a-z]+)\(1\)").expect("a pattern");
    let named: Vec<String> = other
        .captures_iter(&page)
        .map(|other| other[1].to_owned())
        .collect();
    assert_eq!(named, commands());
    for command in named {
        let page = read(&pages.join(format!("waterspout-{command}.1")));
        assert!(
            page.contains(&format!(".TH waterspout-{command} 1 ")),
            "{page}"
        );
    }
    assert!(read(&pages.join("waterspout-serve.1")).contains(r"\-\-listen"));
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
