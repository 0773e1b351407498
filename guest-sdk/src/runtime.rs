//! What runs a component: the bindings of the WIT, what the host calls, and how its calls are kept and cancelled.
//! Nothing of it is shown to the authors of handlers.

#[doc(hidden)]
pub mod bindings;
pub mod cancel;
#[doc(hidden)]
pub mod exports;
pub mod kept;
pub mod logging;
