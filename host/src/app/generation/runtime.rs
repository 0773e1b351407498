//! What the components of an app run on. Belongs to the process, through all generations.

use std::sync::Arc;

use super::program::Programs;
use crate::guest::engine::Engine;
use crate::services::Services;

/// The engine, and what components share.
#[derive(Clone)]
pub struct Runtime {
    pub engine: Arc<Engine>,
    pub services: Arc<Services>,
    pub programs: Programs,
}
