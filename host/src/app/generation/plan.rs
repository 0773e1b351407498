//! The schedules that a component declares, read once when it is loaded. Calls nothing.

use std::time::Duration;

use serde_json::Value as Json;

use crate::base::error::Error;
use crate::base::timetable::{self, Timing};
use crate::guest::bindings::work;
use crate::guest::description::Description;

/// A declared schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Unique in its component.
    pub name: String,
    pub timing: Timing,
    pub function: String,
    /// JSON.
    pub arguments: String,
    pub jitter: Duration,
}

/// Reads all schedules that a component declares.
pub fn declared(description: &Description) -> Result<Vec<Plan>, Error> {
    let mut plans: Vec<Plan> = Vec::new();
    for schedule in &description.schedules {
        let plan = plan(schedule, description).map_err(|reason| {
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

fn plan(schedule: &work::Schedule, description: &Description) -> Result<Plan, String> {
    let timing = match &schedule.timing {
        work::Timing::Cron(text) => {
            let zone = schedule.time_zone.as_deref().unwrap_or("UTC");
            Timing::cron(text, timetable::zone(zone)?)?
        }
        work::Timing::Every(period) => match Duration::from_nanos(*period) {
            Duration::ZERO => return Err("`every` leaves no time at all".to_owned()),
            period => Timing::every(period),
        },
    };
    if !description.functions.contains(&schedule.function) {
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
        jitter: Duration::from_nanos(schedule.jitter.unwrap_or_default()),
    })
}
