//! `waterspout completions`: a script with which a shell completes this command. Installs nothing.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;

#[derive(Args)]
pub struct Completions {
    /// The shell that is to complete
    shell: Shell,
}

pub fn completions(options: &Completions) -> anyhow::Result<()> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, name, &mut script);
    Ok(io::stdout().write_all(&script)?)
}
