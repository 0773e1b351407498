//! `waterspout compiler`: the process in which a server compiles components. No person needs it, so no help shows it.

use std::io::{IsTerminal, stdin};

use anyhow::bail;

use crate::guest::engine::compile_for_parent;

pub fn compiler() -> anyhow::Result<()> {
    if stdin().is_terminal() {
        bail!(
            "`waterspout compiler` is what a server starts for itself; components are compiled by `serve` and `check`"
        );
    }
    compile_for_parent()
}
