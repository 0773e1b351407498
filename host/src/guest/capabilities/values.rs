//! `waterspout:values/values` has no functions. The linker needs it nevertheless.

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::guest::bindings::values::{self, Host};
use crate::guest::resources::Ctx;

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| values::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

impl Host for Ctx {}
