//! The schedules of a generation: first the configuration, then what its components declare. Waits for nothing and
//! calls nothing.

use std::path::Path;
use std::sync::Arc;

use super::plan::Plan;
use super::routes::Components;
use super::{Component, Refusal};
use crate::base::error::{Fault, Faults};
use crate::config::{self, Config};

/// A schedule, and the component of its function.
pub struct Schedule {
    /// Unique in the app: `report.wasm#nightly` where the component declares it.
    pub name: String,
    pub plan: Plan,
    pub component: Arc<Component>,
}

/// Collects the schedules. A declared schedule counts only where no `[[schedule]]` has its name.
pub fn resolve(
    folder: &Path,
    config: &Config,
    components: &Components,
) -> Result<Vec<Schedule>, Refusal> {
    let (mut schedules, mut faults) = (Vec::new(), Vec::new());
    for schedule in &config.schedules {
        // A component that does not exist is a fault already.
        let Some(component) = components.get(&schedule.file) else {
            continue;
        };
        let functions = component.pool().map(|pool| &pool.description().functions);
        if functions.is_some_and(|functions| !functions.contains(&schedule.function)) {
            faults.push(no_function(folder, config, schedule, functions));
            continue;
        }
        let plan = Plan {
            name: schedule.name.clone(),
            timing: schedule.timing.clone(),
            function: schedule.function.clone(),
            arguments: schedule.arguments.to_string(),
            jitter: schedule.jitter,
        };
        schedules.push(Schedule {
            name: schedule.name.clone(),
            plan,
            component: component.clone(),
        });
    }
    for component in components.values() {
        let is_named = config.schedules.iter();
        if is_named.clone().any(|named| named.file == component.file) {
            continue;
        }
        schedules.extend(component.plans().iter().map(|plan| Schedule {
            name: format!("{}#{}", component.file, plan.name),
            plan: plan.clone(),
            component: component.clone(),
        }));
    }
    match faults.is_empty() {
        true => Ok(schedules),
        false => Err(Faults::new(faults).into()),
    }
}

fn no_function(
    folder: &Path,
    config: &Config,
    schedule: &config::Schedule,
    functions: Option<&Vec<String>>,
) -> Fault {
    let (file, function) = (&schedule.file, &schedule.function);
    let known: Vec<_> = functions
        .into_iter()
        .flatten()
        .map(|name| format!("`{name}`"))
        .collect();
    let hint = match known.is_empty() {
        true => "its `export!` names no `functions`".to_owned(),
        false => format!("it has {}", known.join(", ")),
    };
    let message = format!("`{file}` has no function `{function}`");
    let place = folder.join(config::FILE_NAME);
    config.fault(&place, schedule.position, message).hint(hint)
}
