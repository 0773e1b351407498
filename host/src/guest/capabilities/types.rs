//! `waterspout:web/types` has no functions; this says so to the linker.

use crate::guest::bindings::types::Host;
use crate::guest::resources::Ctx;

impl Host for Ctx {}
