//! What the component exports. Each function hands its call on.

pub mod calls;
pub mod component;
pub mod declared;
pub mod handlers;
pub mod jobs;
pub mod object;
#[cfg(test)]
mod tests;
mod wire;

use std::marker::PhantomData;

use crate::ioloop::background;
use crate::result::Result;
use crate::runtime::bindings::exports::waterspout::web::handler::{self, Description};
use crate::runtime::bindings::exports::waterspout::web::jobs::{self as wit_jobs, JobDescription};
use crate::runtime::bindings::waterspout::web::background::TaskId;
use crate::runtime::bindings::waterspout::web::types::{self, Arguments, Call, Outcome, RequestId};
use crate::runtime::cancel;
use crate::runtime::exports::component::Component;
use crate::runtime::exports::handlers::Handlers;
use crate::runtime::exports::object::{Edge, Hook};
use crate::runtime::kept::{self, Work};
use crate::runtime::logging::{self, log_error};

async fn run_in<C: Component>(call: Call, hook: Hook) -> Outcome {
    C::Handlers::run(call.handler, call, hook).await
}

/// The component's exports.
pub struct Exported<C>(PhantomData<C>);

impl<C: Component> handler::Guest for Exported<C> {
    async fn describe() -> Description {
        Description {
            handlers: C::Handlers::classes(),
            single: C::SINGLE,
            start: C::START,
            stop: C::STOP,
        }
    }

    async fn start() -> Result<(), String> {
        logging::install();
        let started = kept::function(Work::Instance, C::start()).await;
        started.map_err(|error| format!("{error:#}"))
    }

    async fn stop() {
        logging::install();
        log_error("stop", kept::function(Work::Instance, C::stop()).await);
    }

    fn initialize(call: Call, kwargs: String) -> Outcome {
        C::Handlers::run_at_once(call.handler, call, Edge::Initialize(kwargs))
    }

    async fn prepare(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Prepare(arguments)).await
    }

    async fn get(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Get(arguments)).await
    }

    async fn head(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Head(arguments)).await
    }

    async fn post(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Post(arguments)).await
    }

    async fn put(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Put(arguments)).await
    }

    async fn delete(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Delete(arguments)).await
    }

    async fn patch(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Patch(arguments)).await
    }

    async fn options(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Options(arguments)).await
    }

    async fn write_error(call: Call, failure: types::Failure) -> Outcome {
        run_in::<C>(call, Hook::WriteError(failure)).await
    }

    async fn on_connection_close(call: Call) {
        run_in::<C>(call, Hook::OnConnectionClose).await;
    }

    fn on_finish(call: Call) {
        C::Handlers::run_at_once(call.handler, call, Edge::OnFinish);
    }

    async fn cancel(request: RequestId) {
        cancel::cancel(Work::Request(request));
    }

    async fn release(request: RequestId) {
        calls::release(request);
    }
}

impl<C: Component> wit_jobs::Guest for Exported<C> {
    async fn describe() -> JobDescription {
        jobs::describe(C::FUNCTIONS, C::SCHEDULES)
    }

    async fn run(task: TaskId) -> Result<(), String> {
        jobs::run(task).await
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
