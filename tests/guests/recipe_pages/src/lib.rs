//! Pages by two crates with templates: maud, in Rust, and askama, in files. `docs/recipes.md` shows both.

mod in_files;
mod in_rust;

use waterspout_sdk::prelude::*;

export!(in_rust::Stories, in_files::Story);
