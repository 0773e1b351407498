//! What a component does beside its requests, as the host asks for it: its tasks run, its functions are called by their
//! names. It owns no task and decides nothing of when.

use std::pin::Pin;

use anyhow::{Context as _, anyhow};

use crate::ioloop::background;
use crate::ioloop::executor::{Function, unpacked};
use crate::result::Result;
use crate::runtime::bindings::exports::waterspout::web::jobs::{
    self as wit, JobDescription, Timing,
};
use crate::runtime::bindings::waterspout::web::background::TaskId;
use crate::runtime::cancel::cancellable;
use crate::runtime::kept::Work;

/// A call by name that is under way.
#[doc(hidden)]
pub type Called = Pin<Box<dyn Future<Output = Result<Vec<u8>>>>>;

/// What `export!` makes of one entry under `schedules`.
#[doc(hidden)]
pub struct Schedule {
    pub name: &'static str,
    pub is_cron: bool,
    pub timing: &'static str,
    pub function: &'static str,
    pub arguments: Option<&'static str>,
    pub jitter: Option<&'static str>,
    pub time_zone: Option<&'static str>,
}

/// Calls a function with arguments and a result in JSON.
#[doc(hidden)]
pub fn call<M: 'static, F: Function<M>>(function: F, arguments: &[u8]) -> Called {
    let arguments = unpacked::<F>(arguments)
        .and_then(|arguments| serde_json::from_slice(arguments).context("reading the arguments"));
    Box::pin(async move {
        let arguments = arguments?;
        let result = function.call(arguments).await?;
        serde_json::to_vec(&result).context("writing the result")
    })
}

/// The answer to a name that `export!` does not have.
#[doc(hidden)]
pub fn call_nothing(name: &str, _: &[u8]) -> Called {
    let error = anyhow!("there is no `{name}` among the `functions` of `export!`");
    Box::pin(std::future::ready(Err(error)))
}

/// What `describe` says of them.
pub(super) fn describe(
    functions: &[&'static str],
    schedules: &'static [Schedule],
) -> JobDescription {
    let functions = functions.iter().map(|name| (*name).to_owned());
    let schedules = schedules.iter().map(|schedule| wit::Schedule {
        name: schedule.name.to_owned(),
        timing: match schedule.is_cron {
            true => Timing::Cron(schedule.timing.to_owned()),
            false => Timing::Every(schedule.timing.to_owned()),
        },
        function: schedule.function.to_owned(),
        arguments: schedule.arguments.map(str::to_owned),
        jitter: schedule.jitter.map(str::to_owned),
        time_zone: schedule.time_zone.map(str::to_owned),
    });
    JobDescription {
        functions: functions.collect(),
        schedules: schedules.collect(),
    }
}

/// Runs a task until it ends or is cancelled.
pub(super) async fn run(task: TaskId) -> Result<(), String> {
    let Some(future) = background::take(task) else {
        return Ok(());
    };
    match cancellable(Work::Task(task), future).await {
        Some(Err(error)) => Err(format!("{error:#}")),
        _ => Ok(()),
    }
}
