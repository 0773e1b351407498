//! The runtime of a component: the bindings of the WIT, the exports, and how host calls are kept and cancelled.
//! Authors of handlers see none of it.

#[doc(hidden)]
pub mod bindings;
pub mod cancel;
pub mod durations;
#[doc(hidden)]
pub mod exports;
pub mod kept;
pub mod logging;
pub mod place;
