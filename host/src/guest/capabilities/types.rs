//! `waterspout:web/types` has no functions. The linker needs it nevertheless.

use crate::guest::bindings::types::Host;
use crate::guest::resources::Ctx;

impl Host for Ctx {}
