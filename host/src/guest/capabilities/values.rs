//! `waterspout:values/values` has no functions. The linker needs it nevertheless.

use crate::guest::bindings::values::Host;
use crate::guest::resources::Ctx;

impl Host for Ctx {}
