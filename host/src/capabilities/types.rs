//! `waterspout:web/types` has no functions; this says so to the linker.

use crate::bindings::types::Host;
use crate::resources::Ctx;

impl Host for Ctx {}
