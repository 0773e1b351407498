//! `waterspout:values/values` has no functions; this says so to the linker.

use crate::guest::bindings::values::Host;
use crate::guest::resources::Ctx;

impl Host for Ctx {}
