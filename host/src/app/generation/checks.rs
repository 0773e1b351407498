//! What is wrong with a configuration beside its components and the engine. Loads nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::handlers_folder;
use super::survey::Survey;
use crate::base::error::{Fault, Faults};
use crate::config::{self, Config};
use crate::guest::capabilities::{self, wasi};
use crate::guest::engine::Engine;

/// Every component that the configuration names must exist.
pub fn missing_components(
    folder: &Path,
    config: &Config,
    files: &BTreeMap<String, PathBuf>,
) -> Result<(), Faults> {
    let file = folder.join(config::FILE_NAME);
    let fault = |position, component: &str| {
        let near = files
            .keys()
            .map(|known| (strsim::damerau_levenshtein(known, component), known))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let hint = match near {
            Some((_, known)) => format!("did you mean `{known}`?"),
            None => format!("build it into {}", handlers_folder(folder).display()),
        };
        config
            .fault(
                &file,
                position,
                format!("there is no component `{component}` in handlers/"),
            )
            .hint(hint)
    };
    let routed = config
        .destinations()
        .filter_map(|destination| match &destination.target {
            config::Target::Component { file, .. } => Some((destination.position, file)),
            _ => None,
        });
    let configured = config
        .components
        .iter()
        .map(|(file, spanned)| (spanned.position, file));
    let scheduled = config
        .schedules
        .iter()
        .map(|schedule| (schedule.position, &schedule.file));
    let served = config.tcp.iter();
    let served = served.map(|streams| (streams.position, &streams.file));
    let faults: Vec<Fault> = routed
        .chain(configured)
        .chain(scheduled)
        .chain(served)
        .filter(|(_, component)| !files.contains_key(*component))
        .map(|(position, component)| fault(position, component))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Faults::new(faults))
    }
}

/// A Python app is a file or a folder, and not both.
pub fn apps_that_are_there_twice(folder: &Path, survey: &Survey) -> Result<(), Faults> {
    let fault = |file: &str| {
        let file = handlers_folder(folder).join(file);
        let message = format!("{} is the same app", file.with_extension("").display());
        Fault::in_file(&file, message).hint("keep one of the two, or give it another name")
    };
    let twice = survey.twice();
    let faults: Vec<Fault> = twice.iter().map(|file| fault(file)).collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Faults::new(faults))
    }
}

/// No component may be promised more memory than the engine has for an instance.
pub fn too_much_memory(folder: &Path, config: &Config, engine: &Engine) -> Result<(), Faults> {
    let file = folder.join(config::FILE_NAME);
    let most = engine.limits.max_instance_memory;
    let faults: Vec<Fault> = config
        .components
        .values()
        .filter(|spanned| spanned.component.memory > most)
        .map(|spanned| {
            let message = "`memory` is more than `max_instance_memory` was at the start";
            config
                .fault(&file, spanned.position, message)
                .hint("start the server anew, or ask for less")
        })
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Faults::new(faults))
    }
}

/// A folder that a component is granted must be there.
pub fn missing_folder(folder: &Path, config: &Config, file: &str) -> Option<Fault> {
    let spanned = config.components.get(file)?;
    let mut granted = wasi::granted(folder, &spanned.component);
    let (list, missing) = granted.find(|(_, granted)| !granted.exists())?;
    let position = spanned.allow.list(list).unwrap_or(spanned.position);
    let missing = missing.display();
    let message = format!("the granted folder {missing} is not there");
    let fault = config.fault(&folder.join(config::FILE_NAME), position, message);
    Some(fault.hint(format!("make it (`mkdir -p {missing}`), or leave it out")))
}

/// Every grant must be one that there is, and valid.
pub fn wrong_grants(folder: &Path, config: &Config) -> Result<(), Faults> {
    let file = folder.join(config::FILE_NAME);
    let faults = config.wrong_grants(&file, &capabilities::grant_keys());
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Faults::new(faults))
    }
}
