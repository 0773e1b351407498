//! The schedules of a generation: what the configuration says, then what its components declare. Waits for nothing and
//! calls nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::routes::Components;
use super::{Component, Refusal};
use crate::bindings::{self, JobDescription};
use crate::config::{self, Config};
use crate::error::{Error, Fault, Faults};
use crate::timetable::{self, Timing};

/// What a component declares, read once when it is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Of a declared one, unique in its component.
    pub name: String,
    pub timing: Timing,
    pub function: String,
    /// JSON.
    pub arguments: String,
    pub jitter: Duration,
}

/// A schedule, and whose function it is for.
pub struct Schedule {
    /// Unique in the app: `report.wasm#nightly` where the component declares it.
    pub name: String,
    pub plan: Plan,
    pub component: Arc<Component>,
}

/// Reads all that a component declares.
pub fn declared(jobs: &JobDescription) -> Result<Vec<Plan>, Error> {
    let mut plans: Vec<Plan> = Vec::new();
    for schedule in &jobs.schedules {
        let plan = plan(schedule, jobs).map_err(|reason| {
            Error::component(format!(
                "declares a schedule `{}` that is none: {reason}",
                schedule.name
            ))
        })?;
        if plans.iter().any(|other| other.name == plan.name) {
            let name = &plan.name;
            return Err(Error::component(format!(
                "declares two schedules named `{name}`"
            )));
        }
        plans.push(plan);
    }
    Ok(plans)
}

fn plan(schedule: &bindings::Schedule, jobs: &JobDescription) -> Result<Plan, String> {
    let duration = |text: &str| {
        config::duration(text)
            .ok_or_else(|| format!("`{text}` is no duration in ms, s, m or h, up to a year"))
    };
    let timing = match &schedule.timing {
        bindings::Timing::Cron(text) => {
            let zone = schedule.time_zone.as_deref().unwrap_or("UTC");
            Timing::cron(text, timetable::zone(zone)?)?
        }
        bindings::Timing::Every(text) => match duration(text)? {
            Duration::ZERO => return Err("`every` leaves no time at all".to_owned()),
            period => Timing::every(period),
        },
    };
    if !jobs.functions.contains(&schedule.function) {
        return Err(format!("there is no function `{}`", schedule.function));
    }
    let arguments = schedule.arguments.as_deref().unwrap_or("null");
    let arguments: Json = serde_json::from_str(arguments)
        .map_err(|error| format!("its arguments are no JSON: {error}"))?;
    Ok(Plan {
        name: schedule.name.clone(),
        timing,
        function: schedule.function.clone(),
        arguments: arguments.to_string(),
        jitter: schedule
            .jitter
            .as_deref()
            .map_or(Ok(Duration::ZERO), duration)?,
    })
}

/// Puts the timetable together. What a component declares counts only where no `[[schedule]]` names it.
pub fn resolve(
    folder: &Path,
    config: &Config,
    components: &Components,
) -> Result<Vec<Schedule>, Refusal> {
    let (mut schedules, mut faults) = (Vec::new(), Vec::new());
    for schedule in &config.schedules {
        // One that is not there at all is a fault already.
        let Some(component) = components.get(&schedule.file) else {
            continue;
        };
        let functions = component.pool().map(|pool| &pool.jobs().functions);
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
