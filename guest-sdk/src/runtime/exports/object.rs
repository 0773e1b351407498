//! A handler's object: each function that the host calls, and the outcome of it.

use anyhow::Error;

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::protection;
use crate::runtime::bindings::waterspout::web::types::{self, Arguments, Outcome, RequestNumber};
use crate::runtime::exports::declared::{Handler, undeclared};
use crate::runtime::exports::wire;
use crate::runtime::logging::{self, log_error};
use crate::runtime::place;
use crate::web::context::Context;
use crate::web::context::pieces::is_large;
use crate::web::error::HttpError;
use crate::web::failure::{Cause, Failure};
use crate::web::kwargs::Kwargs;

/// A function of a handler that may wait, with what the host gives to it.
pub enum Hook {
    /// `initialize`, `prepare` and the method.
    Execute(Option<String>, Option<u32>, Arguments),
    Prepare(Arguments),
    Method(Which, Arguments),
    WriteError(types::Failure),
    OnConnectionClose,
}

/// A method of a handler.
pub enum Which {
    Named(&'static str),
    /// By its place among those that the handler declares.
    At(u32),
}

/// The first function of a request and the last, which never wait.
pub enum Edge {
    Initialize(Option<String>),
    OnFinish,
}

/// A handler with what the SDK keeps beside it.
pub(super) struct Object<H> {
    pub(super) handler: H,
    pub(super) cx: Context,
    /// Why the last call failed, for `write_error`.
    error: Option<Error>,
}

impl<H: Handler> Object<H> {
    pub(super) fn new(request: RequestNumber) -> Self {
        logging::install();
        Self {
            handler: H::default(),
            cx: Context::new(request, H::set_default_headers),
            error: None,
        }
    }

    /// Hands the body to a handler that wants it piece by piece.
    async fn receive(&mut self) -> Result {
        let Self { handler, cx, .. } = self;
        while let Some(chunk) = cx.request.body_chunk().await? {
            handler.data_received(cx, chunk.into()).await?;
            if cx.is_finished() {
                break;
            }
        }
        cx.request.is_received();
        Ok(())
    }

    /// Does what the host asks for. An arm for a function that the handler does not have costs no code: its condition
    /// is a constant.
    pub(super) async fn run(&mut self, hook: Hook) -> Outcome {
        let outcome = match hook {
            Hook::Execute(kwargs, method, arguments) => {
                self.execute(kwargs, method, arguments).await
            }
            Hook::Prepare(arguments) => {
                self.cx.with(arguments);
                self.prepare().await
            }
            Hook::Method(which, arguments) => {
                self.cx.with(arguments);
                let at = match which {
                    Which::At(at) => Some(at),
                    Which::Named(name) => position::<H>(name),
                };
                self.method(at.unwrap_or_else(|| undeclared())).await
            }
            Hook::WriteError(failure) if H::HOOKS.write_error => {
                let failure = wire::failure(failure, self.error.take());
                let cx = self.cx.with_failure(&failure);
                let result = self.handler.write_error(cx, &failure).await;
                self.finish(result)
            }
            Hook::OnConnectionClose if H::HOOKS.on_connection_close => {
                let result = self.handler.on_connection_close(&self.cx).await;
                log_error("on_connection_close", result);
                return Outcome::Proceed;
            }
            _ => undeclared(),
        };
        match outcome {
            Outcome::Finished(response) if is_large(&response) => {
                Outcome::Finished(self.cx.send_in_pieces(response).await)
            }
            outcome => outcome,
        }
    }

    /// Calls `initialize`, `prepare` and the method, as far as the handler has them.
    async fn execute(
        &mut self,
        kwargs: Option<String>,
        method: Option<u32>,
        arguments: Arguments,
    ) -> Outcome {
        if H::HOOKS.initialize {
            let outcome = self.initialize(kwargs);
            if !matches!(outcome, Outcome::Proceed) {
                return outcome;
            }
        }
        self.cx.with(arguments);
        if H::HOOKS.check_trusted_origin
            && let Err(error) = self.check_trusted_origin()
        {
            return self.finish(Err(error));
        }
        if H::HOOKS.prepare {
            let outcome = self.prepare().await;
            if !matches!(outcome, Outcome::Proceed) {
                return outcome;
            }
        }
        match method {
            Some(at) => self.method(at).await,
            None => Outcome::Proceed,
        }
    }

    fn initialize(&mut self, kwargs: Option<String>) -> Outcome {
        let kwargs = Kwargs::new(kwargs.as_deref().unwrap_or_default());
        let result = kwargs.and_then(|kwargs| self.handler.initialize(&self.cx, kwargs));
        self.go_on(result)
    }

    /// Has the handler decide about a page of another origin.
    fn check_trusted_origin(&mut self) -> Result {
        let number = self.cx.request.number();
        let Some(origin) = protection::untrusted_origin(number) else {
            return Ok(());
        };
        match self.handler.check_trusted_origin(&self.cx, &origin)? {
            true => Ok(()),
            false => {
                let error = HttpError::new(403);
                Err(error
                    .with_message(format!("Origin {origin:?} not allowed"))
                    .into())
            }
        }
    }

    async fn prepare(&mut self) -> Outcome {
        if !H::HOOKS.prepare {
            undeclared();
        }
        let result = self.handler.prepare(&self.cx).await;
        self.go_on(result)
    }

    /// Calls the method, after the body was handed over where the handler takes it piece by piece.
    async fn method(&mut self, at: u32) -> Outcome {
        if H::STREAMS_BODY {
            let received = self.receive().await;
            if received.is_err() || self.cx.is_finished() {
                return self.finish(received);
            }
        }
        let result = self.handler.call_method(&self.cx, at).await;
        self.finish(result)
    }

    pub(super) fn run_at_once(&mut self, edge: Edge) -> Outcome {
        match edge {
            Edge::Initialize(kwargs) if H::HOOKS.initialize => self.initialize(kwargs),
            Edge::OnFinish if H::HOOKS.on_finish => {
                log_error("on_finish", self.handler.on_finish(&self.cx));
                Outcome::Proceed
            }
            _ => undeclared(),
        }
    }

    /// The outcome of a function that others follow.
    fn go_on(&mut self, result: Result) -> Outcome {
        match result {
            Ok(()) if !self.cx.is_finished() => Outcome::Proceed,
            result => self.finish(result),
        }
    }

    /// The outcome of a function that makes the response.
    pub(super) fn finish(&mut self, result: Result) -> Outcome {
        let sent = self.cx.response.borrow_mut().take_sent_error();
        if let Some(sent) = sent {
            if let Err(error) = result
                && error.downcast_ref() != Some(&sent)
            {
                log_error("a response that is finished", Err(error));
            }
            return self.fail(sent.into());
        }
        let result = match result {
            Ok(()) if !self.cx.is_finished() => self.cx.finish(),
            // The response is complete, so there is no page to make of this: Tornado logs it.
            Err(error) if self.cx.is_finished() => {
                log_error("a response that is finished", Err(error));
                Ok(())
            }
            result => result,
        };
        match result {
            Ok(()) => Outcome::Finished(self.cx.response.borrow_mut().take()),
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: Error) -> Outcome {
        let failure = Failure::of(&error, place::take());
        self.cx.clear();
        // The host's page has no cookies, and Tornado's has those that were set.
        let is_planned = failure.cause() == Cause::HttpError;
        let makes_page = H::HOOKS.write_error;
        if is_planned && !makes_page && self.cx.response.borrow().has_cookies() {
            if failure.message().is_some() {
                log::warn!("{error}");
            }
            return self.page(&failure);
        }
        self.error = Some(error);
        Outcome::Failed(wire::failed(failure))
    }

    /// The page of a handler that makes none itself.
    fn page(&self, failure: &Failure) -> Outcome {
        let cx = self.cx.with_failure(failure);
        cx.write(failure.page())
            .expect("a response that was cleared and not finished");
        Outcome::Finished(cx.response.borrow_mut().take())
    }
}

/// The index of this method in the handler's list.
fn position<H: Handler>(name: &str) -> Option<u32> {
    let at = H::METHODS.iter().position(|known| *known == name)?;
    u32::try_from(at).ok()
}

impl Context {
    pub(super) fn with(&mut self, arguments: Arguments) {
        self.path_arguments = wire::path_arguments(arguments);
    }

    fn with_failure(&self, failure: &Failure) -> &Self {
        self.clear();
        match failure.asked_reason() {
            Some(reason) => self.set_status_with_reason(failure.status(), reason),
            None => self.set_status(failure.status()),
        }
        self
    }
}
