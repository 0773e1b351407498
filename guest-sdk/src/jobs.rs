//! What a component does beside its requests, as the host asks for it: its tasks run, its functions are called by their
//! names. It owns no task and decides nothing of when.

use std::pin::Pin;

use anyhow::{Context as _, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::background;
use crate::bindings::exports::waterspout::web::jobs::{
    Guest, JobDescription, Schedule as Declared, Timing,
};
use crate::bindings::waterspout::web::background::TaskId;
use crate::cancel::{Work, cancellable};
use crate::executor::unpacked;
use crate::kept;
use crate::lifecycle::{Component, Exported};
use crate::logging;

/// A function that can be called in another instance: `fn(A) -> Result<R>` or `async fn(A) -> Result<R>`, where `A` and
/// `R` serialize. `Shape` tells the two apart, and is never named.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be called in another instance",
    label = "needs one argument that serializes, and a `Result` of what serializes"
)]
pub trait Function<Shape>: 'static {
    /// What it is given.
    type Arguments: Serialize + DeserializeOwned;
    /// What it gives.
    type Output: Serialize + DeserializeOwned;

    /// Calls it.
    #[doc(hidden)]
    fn call(self, arguments: Self::Arguments) -> impl Future<Output = Result<Self::Output>>;
}

impl<F, A, R> Function<(A, R)> for F
where
    F: FnOnce(A) -> Result<R> + 'static,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    type Arguments = A;
    type Output = R;

    async fn call(self, arguments: A) -> Result<R> {
        self(arguments)
    }
}

impl<F, A, W, R> Function<(A, W, R)> for F
where
    F: FnOnce(A) -> W + 'static,
    W: Future<Output = Result<R>>,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    type Arguments = A;
    type Output = R;

    async fn call(self, arguments: A) -> Result<R> {
        self(arguments).await
    }
}

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

impl<C: Component> Guest for Exported<C> {
    async fn describe() -> JobDescription {
        let functions = C::FUNCTIONS.iter().map(|name| (*name).to_owned());
        let schedules = C::SCHEDULES.iter().map(|schedule| Declared {
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

    async fn run(task: TaskId) -> Result<(), String> {
        let Some(future) = background::take(task) else {
            return Ok(());
        };
        match cancellable(Work::Task(task), future).await {
            Some(Err(error)) => Err(format!("{error:#}")),
            _ => Ok(()),
        }
    }

    async fn cancel(task: TaskId) {
        background::cancel(task);
    }

    async fn call(name: String, arguments: Vec<u8>) -> Result<Vec<u8>, String> {
        logging::install();
        let result = kept::function(Work::Instance, C::call(&name, &arguments)).await;
        result.map_err(|error| format!("{error:#}"))
    }
}
