//! The routes that components claim where the configuration does not name them, and which of these go beyond their
//! names. Does not decide about their order.

use std::path::{Path, PathBuf};

use super::Lead;
use crate::base::error::Fault;
use crate::base::router::{Reach, Route};

/// How many patterns a warning names.
const NAMED: usize = 5;

/// A route that a component declares, or that its name gives it.
pub struct Claim {
    /// The file of the component.
    pub owner: PathBuf,
    pub route: Route<Lead>,
    /// Whether it stays below the component's name.
    pub reach: Reach,
}

impl Claim {
    /// Whether it may take paths that belong to no name, or to another component's.
    pub fn is_wide(&self) -> bool {
        self.reach != Reach::Own
    }
}

/// The name of `handlers/hello.wasm` owns `/hello` and all paths below it. `index.wasm` owns only `/`.
pub fn name_of(file: &Path) -> &str {
    match file.file_stem().and_then(|stem| stem.to_str()) {
        None | Some("index") => "",
        Some(stem) => stem,
    }
}

/// A component that takes more paths than belong to its name.
pub struct Wide {
    /// The name of its file in `handlers/`.
    pub file: String,
    owner: PathBuf,
    patterns: Vec<String>,
}

impl Wide {
    /// The wide components among all claims, which are in the order of their files.
    pub fn among(claims: &[Claim]) -> Vec<Wide> {
        let mut all: Vec<Wide> = Vec::new();
        for claim in claims.iter().filter(|claim| claim.is_wide()) {
            let text = claim.route.pattern.text().to_owned();
            match all.last_mut().filter(|last| last.owner == claim.owner) {
                Some(last) => last.patterns.push(text),
                None => {
                    let file = claim.owner.file_name().unwrap_or_default();
                    all.push(Wide {
                        file: file.to_string_lossy().into_owned(),
                        owner: claim.owner.clone(),
                        patterns: vec![text],
                    });
                }
            }
        }
        all
    }

    /// The warning about it.
    pub fn warning(&self) -> Fault {
        let named = self.patterns.iter().take(NAMED);
        let named: Vec<String> = named.map(|pattern| format!("`{pattern}`")).collect();
        let more = match self.patterns.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = named.join(", ");
        let own = name_of(&self.owner);
        let message = format!("takes {named}{more} by itself, which is more than its own `/{own}`");
        Fault::in_file(&self.owner, message)
            .hint("what it may take is said by a [[route]] that names it in waterspout.toml")
    }
}
