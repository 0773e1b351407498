//! `waterspout compiler`: the process in which a server compiles components. No person needs it, so no help shows it.

use std::io::{IsTerminal, stdin};

use anyhow::bail;
use clap::Args;

use crate::guest::engine::compile_for_parent;

#[derive(Args)]
pub struct Compiler {
    /// Keep what components know of their sources
    #[arg(long)]
    debug_info: bool,
}

pub fn compiler(options: &Compiler) -> anyhow::Result<()> {
    if stdin().is_terminal() {
        bail!(
            "`waterspout compiler` is what a server starts for itself; components are compiled by `serve` and `check`"
        );
    }
    compile_for_parent(options.debug_info)
}
