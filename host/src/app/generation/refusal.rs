//! Why there is no new generation. Words it for the log and the status.

use std::collections::BTreeMap;
use std::path::Path;

use super::handlers_folder;
use crate::base::error::Faults;

/// Why there is no new generation.
#[derive(Debug)]
pub struct Refusal {
    /// The faults of the configuration, and of components that do not fit it.
    pub faults: Option<Faults>,
    /// The fault of each component's file.
    pub components: BTreeMap<String, String>,
}

impl Refusal {
    /// The fault of each file in the app's `handlers/`, from both kinds of faults.
    pub(super) fn by_component(&self, app: &Path) -> BTreeMap<String, String> {
        let handlers = handlers_folder(app);
        let mut refused = self.components.clone();
        for fault in self.faults.iter().flatten() {
            let file = fault.file.strip_prefix(&handlers).ok();
            if let Some(file) = file.and_then(Path::to_str) {
                let hint = fault.hint.iter().map(|hint| format!("\n  hint: {hint}"));
                let reason = fault.message.clone() + &hint.collect::<String>();
                refused.entry(file.to_owned()).or_insert(reason);
            }
        }
        refused
    }
}

impl From<Faults> for Refusal {
    fn from(faults: Faults) -> Self {
        Self {
            faults: Some(faults),
            components: BTreeMap::new(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        if let Some(faults) = &self.faults {
            write!(f, "{faults}")?;
            separator = "\n";
        }
        for (file, error) in &self.components {
            write!(f, "{separator}handlers/{file}: {error}")?;
            separator = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
