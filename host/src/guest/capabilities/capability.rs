//! What a capability is to the rest of the host. Knows none of them.

use std::path::Path;
use std::sync::Arc;

use wasmtime::component::Linker;

use crate::base::metrics::ComponentMeter;
use crate::config::{self, GrantKey};
use crate::guest::imports::Import;
use crate::guest::resources::{Ctx, Part};
use crate::guest::run::RunClock;
use crate::services::Services;
use crate::services::python::Program;

/// Everything that the rest of the host knows of one capability.
pub struct Capability {
    /// Puts its interfaces into the linker.
    pub link: fn(&mut Linker<Ctx>) -> wasmtime::Result<()>,
    /// Reads its grants for one component. `None`: it has no data in a store.
    pub prepare: Option<fn(&Setup<'_>) -> MakePart>,
    /// What `allow` may grant of it.
    pub grants: &'static [Grant],
}

impl Capability {
    /// A capability that needs no grant and has no data in a store.
    pub const fn of(link: fn(&mut Linker<Ctx>) -> wasmtime::Result<()>) -> Self {
        Self {
            link,
            prepare: None,
            grants: &[],
        }
    }
}

/// The component for which a capability is prepared.
pub struct Setup<'a> {
    /// Its name in `handlers/`.
    pub file: &'a Arc<str>,
    /// The app's folder.
    pub app: &'a Path,
    pub settings: &'a config::Component,
    /// The files of a Python app, which its instances read.
    pub program: Option<&'a Program>,
    pub services: &'a Services,
    pub meter: &'a Arc<ComponentMeter>,
}

/// Makes a capability's data for a new store of a component.
pub type MakePart = Box<dyn Fn(&Arc<RunClock>) -> wasmtime::Result<Part> + Send + Sync>;

/// Something that `allow` may grant, for `check` and `inspect`.
///
/// An import exists when linked code calls it, even if that code never runs. So a grant that no import can use is
/// certainly unused, and a grant that seems to be missing is only likely so.
pub struct Grant {
    /// The lists that grant it, the usual one first.
    pub keys: &'static [GrantKey],
    /// The import that can use it, by its name.
    pub used_by: for<'i> fn(&'i [Import]) -> Option<&'i str>,
    /// What code does that uses it: `opens files`.
    pub does: &'static str,
    /// What a component lacks that uses it and has none of the lists. `None`: then it is granted all.
    pub lacks: Option<&'static str>,
}
