//! What the host gives and takes with its calls, as types of the SDK.

use anyhow::Error;

use crate::runtime::bindings::waterspout::web::types::{self, FailureCause};
use crate::web::failure::{Cause, Failure};
use crate::web::path_arguments::PathArguments;

/// The path arguments that come with a call.
pub(super) fn path_arguments(arguments: types::Arguments) -> PathArguments {
    match arguments {
        types::Arguments::None => PathArguments::None,
        types::Arguments::Positional(values) => PathArguments::Positional(values),
        types::Arguments::Named(values) => PathArguments::Named(values),
    }
}

/// A failure of which the host tells; `error` is what the handler returned.
pub(super) fn failure(wire: types::Failure, error: Option<Error>) -> Failure {
    Failure {
        status: wire.status,
        reason: wire.reason,
        message: wire.message,
        cause: match wire.cause {
            FailureCause::HttpError => Cause::HttpError,
            FailureCause::Uncaught => Cause::Uncaught,
            FailureCause::Trap => Cause::Trap,
            FailureCause::Host => Cause::Host,
            FailureCause::Other(_) => Cause::Uncaught,
        },
        error,
    }
}

/// A failure of which the host is told.
pub(super) fn failed(failure: Failure) -> types::Failure {
    types::Failure {
        status: failure.status,
        reason: failure.reason,
        message: failure.message,
        cause: match failure.cause {
            Cause::HttpError => FailureCause::HttpError,
            Cause::Uncaught => FailureCause::Uncaught,
            Cause::Trap => FailureCause::Trap,
            Cause::Host => FailureCause::Host,
        },
    }
}
