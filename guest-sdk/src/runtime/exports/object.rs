//! A handler's object: each function that the host calls, and the outcome that becomes of it.

use anyhow::Error;

use crate::result::Result;
use crate::runtime::bindings::exports::waterspout::web::handler::Functions;
use crate::runtime::bindings::waterspout::web::types::{self, Arguments, Outcome, RequestId};
use crate::runtime::exports::declared::Handler;
use crate::runtime::exports::wire;
use crate::runtime::logging::{self, log_error};
use crate::web::context::Context;
use crate::web::context::pieces::is_large;
use crate::web::failure::{Cause, Failure};
use crate::web::kwargs::Kwargs;

/// A function of a handler that may wait, with what the host gives to it.
pub enum Hook {
    Prepare(Arguments),
    Get(Arguments),
    Head(Arguments),
    Post(Arguments),
    Put(Arguments),
    Delete(Arguments),
    Patch(Arguments),
    Options(Arguments),
    WriteError(types::Failure),
    OnConnectionClose,
}

/// The first function of a request and the last, which never wait.
pub enum Edge {
    Initialize(String),
    OnFinish,
}

impl Hook {
    pub(super) fn is_method(&self) -> bool {
        matches!(
            self,
            Self::Get(_)
                | Self::Head(_)
                | Self::Post(_)
                | Self::Put(_)
                | Self::Delete(_)
                | Self::Patch(_)
                | Self::Options(_)
        )
    }
}

/// A handler with what the SDK keeps beside it.
pub(super) struct Object<H> {
    handler: H,
    cx: Context,
    /// Why the last call failed, for `write_error`.
    error: Option<Error>,
}

impl<H: Handler> Object<H> {
    pub(super) fn new(request: RequestId) -> Self {
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

    /// Hands the body over, piece by piece, before the method is called.
    pub(super) async fn receive_and_run(&mut self, hook: Hook) -> Outcome {
        let received = self.receive().await;
        if received.is_err() || self.cx.is_finished() {
            return self.finish(received);
        }
        self.run(hook).await
    }

    /// Asks `has` in each arm, so that a function which is not there costs no code either.
    pub(super) async fn run(&mut self, hook: Hook) -> Outcome {
        let Self { handler, cx, .. } = self;
        let result = match hook {
            Hook::Prepare(arguments) if H::has(Functions::PREPARE) => {
                let result = handler.prepare(cx.with(arguments)).await;
                if result.is_ok() && !cx.is_finished() {
                    return Outcome::Proceed;
                }
                result
            }
            Hook::Get(arguments) if H::has(Functions::GET) => handler.get(cx.with(arguments)).await,
            Hook::Head(arguments) if H::has(Functions::HEAD) => {
                handler.head(cx.with(arguments)).await
            }
            Hook::Post(arguments) if H::has(Functions::POST) => {
                handler.post(cx.with(arguments)).await
            }
            Hook::Put(arguments) if H::has(Functions::PUT) => handler.put(cx.with(arguments)).await,
            Hook::Delete(arguments) if H::has(Functions::DELETE) => {
                handler.delete(cx.with(arguments)).await
            }
            Hook::Patch(arguments) if H::has(Functions::PATCH) => {
                handler.patch(cx.with(arguments)).await
            }
            Hook::Options(arguments) if H::has(Functions::OPTIONS) => {
                handler.options(cx.with(arguments)).await
            }
            Hook::WriteError(failure) if H::has(Functions::WRITE_ERROR) => {
                let failure = wire::failure(failure, self.error.take());
                handler
                    .write_error(cx.with_failure(&failure), &failure)
                    .await
            }
            Hook::OnConnectionClose if H::has(Functions::ON_CONNECTION_CLOSE) => {
                log_error("on_connection_close", handler.on_connection_close(cx).await);
                return Outcome::Proceed;
            }
            _ => undeclared(),
        };
        let outcome = self.finish(result);
        match outcome {
            Outcome::Finished(response) if is_large(&response) => {
                Outcome::Finished(self.cx.send_in_pieces(response).await)
            }
            outcome => outcome,
        }
    }

    pub(super) fn run_at_once(&mut self, edge: Edge) -> Outcome {
        let Self { handler, cx, .. } = self;
        match edge {
            Edge::Initialize(kwargs) if H::has(Functions::INITIALIZE) => {
                let result = Kwargs::new(&kwargs).and_then(|kwargs| handler.initialize(cx, kwargs));
                self.go_on(result)
            }
            Edge::OnFinish if H::has(Functions::ON_FINISH) => {
                log_error("on_finish", handler.on_finish(cx));
                Outcome::Proceed
            }
            _ => undeclared(),
        }
    }

    /// The end of a function that others follow.
    fn go_on(&mut self, result: Result) -> Outcome {
        match result {
            Ok(()) if !self.cx.is_finished() => Outcome::Proceed,
            result => self.finish(result),
        }
    }

    /// The end of a function that makes the response.
    fn finish(&mut self, result: Result) -> Outcome {
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
        let failure = Failure::of(&error);
        self.cx.clear();
        // The host's page has no cookies, and Tornado's has those that were set.
        let is_planned = failure.cause() == Cause::HttpError;
        let makes_page = H::has(Functions::WRITE_ERROR);
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

fn undeclared() -> ! {
    panic!("the host called a function that the handler does not declare")
}

impl Context {
    fn with(&mut self, arguments: Arguments) -> &Self {
        self.path_arguments = wire::path_arguments(arguments);
        self
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
