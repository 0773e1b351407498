//! The work of a component beside its requests: runs tasks, and calls functions by their names. Owns no task and does
//! not decide when they run.

use std::pin::Pin;

use anyhow::{Context as _, anyhow};

use crate::ioloop::background;
use crate::ioloop::executor::{Function, unpacked};
use crate::result::Result;
use crate::runtime::bindings::exports::waterspout::background::work::{
    self as wit, Description, Timing,
};
use crate::runtime::bindings::waterspout::background::background::TaskNumber;
use crate::runtime::cancel::cancellable;
use crate::runtime::kept::Work;

/// A call by name that is under way.
#[doc(hidden)]
pub type Called = Pin<Box<dyn Future<Output = Result<Vec<u8>>>>>;

/// When something is due.
#[doc(hidden)]
pub enum ScheduleTiming {
    Cron(&'static str),
    /// In nanoseconds.
    Every(u64),
}

/// One entry under `schedules` of `export!`.
#[doc(hidden)]
pub struct Schedule {
    pub name: &'static str,
    pub timing: ScheduleTiming,
    pub function: &'static str,
    pub arguments: Option<&'static str>,
    /// In nanoseconds.
    pub jitter: Option<u64>,
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

/// The answer for a name that `export!` does not have.
#[doc(hidden)]
pub fn call_nothing(name: &str, _: &[u8]) -> Called {
    let error = anyhow!("there is no `{name}` among the `functions` of `export!`");
    Box::pin(std::future::ready(Err(error)))
}

/// What `describe` says of them.
pub(super) fn describe(functions: &[&'static str], schedules: &'static [Schedule]) -> Description {
    let functions = functions.iter().map(|name| (*name).to_owned());
    let schedules = schedules.iter().map(|schedule| wit::Schedule {
        name: schedule.name.to_owned(),
        timing: match schedule.timing {
            ScheduleTiming::Cron(text) => Timing::Cron(text.to_owned()),
            ScheduleTiming::Every(period) => Timing::Every(period),
        },
        function: schedule.function.to_owned(),
        arguments: schedule.arguments.map(str::to_owned),
        jitter: schedule.jitter,
        time_zone: schedule.time_zone.map(str::to_owned),
    });
    Description {
        functions: functions.collect(),
        schedules: schedules.collect(),
    }
}

/// Runs a task until it ends or is cancelled.
pub(super) async fn run(task: TaskNumber) -> Result<(), String> {
    let Some(future) = background::take(task) else {
        return Ok(());
    };
    match cancellable(Work::Task(task), future).await {
        Some(Err(error)) => Err(format!("{error:#}")),
        _ => Ok(()),
    }
}
