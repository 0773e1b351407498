//! The exports of the component. Each function passes its call on.

pub mod base;
pub mod calls;
pub mod component;
pub mod declared;
mod events;
pub mod handlers;
mod lifecycle;
pub mod object;
mod state;
pub mod streams;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod websocket_tests;
mod wire;
pub mod work;

use std::marker::PhantomData;

use crate::ioloop::background;
use crate::result::Result;
use crate::runtime::bindings::exports::waterspout::background::work::{
    self as wit_work, Description,
};
use crate::runtime::bindings::exports::waterspout::lifecycle::lifecycle as wit_lifecycle;
use crate::runtime::bindings::exports::waterspout::web::handler::{
    self, HandlerClass, MessageHead,
};
use crate::runtime::bindings::state::exports::waterspout::lifecycle::state as wit_state;
use crate::runtime::bindings::tcpserver::exports::waterspout::tcp::tcpserver::{
    self as wit_tcpserver, StreamClass,
};
use crate::runtime::bindings::waterspout::background::background::TaskNumber;
use crate::runtime::bindings::waterspout::sockets::sockets;
use crate::runtime::bindings::waterspout::web::types::{
    self, Arguments, Call, Outcome, RequestNumber,
};
use crate::runtime::bindings::websocket::exports::waterspout::sockets::websocket::{
    self as wit_websocket, Acceptance, SocketCall, WebsocketClass,
};
use crate::runtime::cancel;
use crate::runtime::exports::component::Component;
use crate::runtime::exports::events::Event;
use crate::runtime::exports::handlers::Handlers;
use crate::runtime::exports::object::{Edge, Hook, Which};
use crate::runtime::kept::{self, Work};
use crate::runtime::logging;
use crate::websocket::message::Message;

async fn run_in<C: Component>(call: Call, hook: Hook) -> Outcome {
    C::Handlers::run(call.handler, call, hook).await
}

/// The component's exports.
pub struct Exported<C>(PhantomData<C>);

impl<C: Component> handler::Guest for Exported<C> {
    fn describe() -> Vec<HandlerClass> {
        C::Handlers::classes()
    }

    fn initialize(call: Call, kwargs: Option<String>) -> Outcome {
        C::Handlers::run_at_once(call.handler, call, Edge::Initialize(kwargs))
    }

    async fn prepare(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Prepare(arguments)).await
    }

    async fn get(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::Named("GET"), arguments)).await
    }

    async fn head(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::Named("HEAD"), arguments)).await
    }

    async fn post(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::Named("POST"), arguments)).await
    }

    async fn put(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::Named("PUT"), arguments)).await
    }

    async fn delete(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::Named("DELETE"), arguments)).await
    }

    async fn patch(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::Named("PATCH"), arguments)).await
    }

    async fn options(call: Call, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::Named("OPTIONS"), arguments)).await
    }

    async fn method(call: Call, method: u32, arguments: Arguments) -> Outcome {
        run_in::<C>(call, Hook::Method(Which::At(method), arguments)).await
    }

    async fn execute(
        call: Call,
        kwargs: Option<String>,
        method: Option<u32>,
        arguments: Arguments,
        _: Option<MessageHead>,
    ) -> Outcome {
        run_in::<C>(call, Hook::Execute(kwargs, method, arguments)).await
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

    fn cancel(request: RequestNumber) {
        cancel::cancel(Work::Request(request));
    }

    async fn release(request: RequestNumber) {
        calls::release(request);
    }
}

async fn event_in<C: Component>(call: SocketCall, event: Event) -> Result<Vec<u8>, String> {
    C::Handlers::run_event(call.handler, call, event).await
}

/// Only of a component whose `export!` says `websocket`.
impl<C: Component> wit_websocket::Guest for Exported<C> {
    fn describe() -> Vec<WebsocketClass> {
        C::Handlers::websocket_classes(0)
    }

    fn accept(call: SocketCall, subprotocols: Vec<String>) -> Acceptance {
        C::Handlers::accept(call.handler, call, &subprotocols)
    }

    async fn open(call: SocketCall, arguments: Arguments) -> Result<(), String> {
        event_in::<C>(call, Event::Open(arguments)).await.map(drop)
    }

    async fn on_message(call: SocketCall, message: sockets::Message) -> Result<(), String> {
        let message = Event::Message(Message::from_host(message));
        event_in::<C>(call, message).await.map(drop)
    }

    async fn on_ping(call: SocketCall, data: Vec<u8>) -> Result<(), String> {
        event_in::<C>(call, Event::Ping(data)).await.map(drop)
    }

    async fn on_pong(call: SocketCall, data: Vec<u8>) -> Result<(), String> {
        event_in::<C>(call, Event::Pong(data)).await.map(drop)
    }

    async fn on_close(
        call: SocketCall,
        code: Option<u16>,
        reason: Option<String>,
    ) -> Result<(), String> {
        let close = Event::Close(code, reason);
        event_in::<C>(call, close).await.map(drop)
    }

    async fn suspend(call: SocketCall) -> Result<Vec<u8>, String> {
        event_in::<C>(call, Event::Suspend).await
    }

    async fn resume(call: SocketCall, arguments: Arguments, state: Vec<u8>) -> Result<(), String> {
        let resume = Event::Resume(arguments, state);
        event_in::<C>(call, resume).await.map(drop)
    }
}

/// Only of a component whose `export!` says `tcp`.
impl<C: Component> wit_tcpserver::Guest for Exported<C> {
    fn describe() -> Vec<StreamClass> {
        let names = C::TCP.iter();
        let classes = names.map(|name| StreamClass {
            name: (*name).to_owned(),
        });
        classes.collect()
    }

    async fn serve() {
        streams::serve::<C::TcpHandlers>().await;
    }
}

impl<C: Component> wit_lifecycle::Guest for Exported<C> {
    fn describe() -> Vec<String> {
        lifecycle::describe::<C>()
    }

    async fn start() -> Result<(), String> {
        lifecycle::start::<C>().await
    }

    async fn stop() {
        lifecycle::stop::<C>().await;
    }
}

/// Only of a component whose `export!` names `save` and `restore`.
impl<C: Component> wit_state::Guest for Exported<C> {
    async fn save() -> Result<Vec<u8>, String> {
        state::save::<C>().await
    }

    async fn restore(saved: Vec<u8>) -> Result<(), String> {
        state::restore::<C>(saved).await
    }
}

impl<C: Component> wit_work::Guest for Exported<C> {
    fn describe() -> Description {
        work::describe(C::FUNCTIONS, C::SCHEDULES)
    }

    async fn run(task: TaskNumber) -> Result<(), String> {
        work::run(task).await
    }

    async fn cancel(task: TaskNumber) {
        background::cancel(task);
    }

    async fn call(name: String, arguments: Vec<u8>) -> Result<Vec<u8>, String> {
        logging::install();
        let result = kept::function(Work::Instance, C::call(&name, &arguments)).await;
        result.map_err(|error| format!("{error:#}"))
    }
}
