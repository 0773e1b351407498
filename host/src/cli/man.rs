//! `waterspout man`: the manual, made of the command's own help. Installs nothing.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::Arguments;

#[derive(Args)]
pub struct Man {
    /// Write all pages, one for each command too, into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn man(options: &Man) -> anyhow::Result<()> {
    // It has no page of its own.
    let command = Arguments::command().disable_help_subcommand(true);
    let Some(dir) = &options.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return Ok(io::stdout().write_all(&page)?);
    };
    fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(command, dir))
        .with_context(|| format!("{} can't be written", dir.display()))
}
