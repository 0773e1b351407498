//! Where the `?` stands that ended a handler's function. An error itself does not tell: it may be of any type.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::panic::Location;
use std::task::Poll;

use anyhow::Error;

thread_local! {
    static PLACE: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// What a `?` may follow.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the `?` operator can only be applied to values that implement `Try`",
    label = "the `?` operator cannot be applied to type `{Self}`"
)]
pub trait Tried {
    /// Whether the `?` ends the function.
    fn ends(&self) -> bool;
}

impl<T, E> Tried for Result<T, E> {
    fn ends(&self) -> bool {
        self.is_err()
    }
}

impl<T> Tried for Option<T> {
    fn ends(&self) -> bool {
        self.is_none()
    }
}

impl<B, C> Tried for ControlFlow<B, C> {
    fn ends(&self) -> bool {
        self.is_break()
    }
}

impl<T, E> Tried for Poll<Result<T, E>> {
    fn ends(&self) -> bool {
        matches!(self, Self::Ready(Err(_)))
    }
}

impl<T, E> Tried for Poll<Option<Result<T, E>>> {
    fn ends(&self) -> bool {
        matches!(self, Self::Ready(Some(Err(_))))
    }
}

/// What a `?` follows. Notes the place of the `?` if that ends its function.
#[doc(hidden)]
#[track_caller]
pub fn tried<T: Tried>(value: T) -> T {
    if value.ends() {
        PLACE.set(Some(Location::caller()));
    }
    value
}

/// What an error says of itself, all its sources and the place of the `?` that ended its function, in one line.
pub(crate) fn described(error: &Error, place: Option<&Location<'_>>) -> String {
    match place {
        Some(place) => format!("{error:#} (at {place})"),
        None => format!("{error:#}"),
    }
}

/// Takes the place where a function has just ended.
pub(crate) fn take() -> Option<&'static Location<'static>> {
    PLACE.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_failed_is_noted() {
        let fails = || -> Option<()> {
            tried(Some(()))?;
            tried(None)?;
            Some(())
        };
        assert!(fails().is_none());
        let place = take().expect("a place");
        assert!(place.file().ends_with("place.rs"), "{place}");
        assert!(take().is_none());
    }
}
