//! The machine's own `python3` and its pip, as programs. Their configuration is the operator's.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// How much of what a program says is told, in lines.
const TOLD: usize = 12;

/// Installs wheels, and no dependencies of theirs, into a folder below `work`.
pub async fn install(work: &Path, target: &str, arguments: &[&str]) -> Result<(), String> {
    let mut pip = python(work);
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--no-warn-script-location"])
        .args(["--only-binary=:all:", "--no-deps", "--target", target])
        .args(arguments);
    run(pip, "pip").await
}

/// Removes the code for this machine's processor, or another's, from what was installed.
pub fn remove_native(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_native = path
            .extension()
            .is_some_and(|end| end == "so" || end == "pyd");
        if entry.file_type()?.is_dir() {
            remove_native(&path)?;
        } else if is_native {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Python, without what the environment says to it.
pub fn python(work: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg("-E").current_dir(work);
    command
}

/// Runs a program to its end.
pub async fn run(mut command: Command, name: &str) -> Result<(), String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = command.output().await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            "there is no `python3` on the PATH; Python with pip is needed once".to_owned()
        }
        _ => format!("`python3` can't be started: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines[lines.len().saturating_sub(TOLD)..].join("\n");
    Err(format!("{name} has failed ({}):\n{last}", output.status))
}
