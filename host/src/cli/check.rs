//! `waterspout check`: loads an app as `serve` would, and shows its faults, and the grants that look wrong.

use std::collections::BTreeSet;
use std::path::Path;

use super::{
    Check, Set, Stores, counted, diagnostics, grants, must_be_folder, nothing_to_serve, serve,
};
use crate::app::generation::{Generation, State, Survey, Wide, handlers_folder, without_listeners};
use crate::base::error::{Fault, Faults};
use crate::base::shards::Shards;
use crate::config::{Config, Overrides};

/// An app as it would be served, without its listeners.
pub(super) async fn load(app: &Path, set: &Set, stores: &Stores) -> anyhow::Result<Generation> {
    must_be_folder(app)?;
    let overrides = Overrides {
        said: set.said()?,
        ..Overrides::default()
    };
    let config = Config::load(app, &overrides.said)?;
    let runtime = serve::runtime(&config, stores, Shards::here(), serve::no_kv())?;
    let survey = Survey::take(app, &BTreeSet::new());
    Ok(Generation::load(app, survey, &runtime, &overrides, None).await?)
}

pub async fn check(options: &Check) -> anyhow::Result<()> {
    let app = &options.app.app;
    let generation = load(app, &options.set, &options.stores).await?;
    let mut failed = Vec::new();
    for component in generation.components.values() {
        let file = &component.file;
        if let State::Failed(reason) = &component.state {
            let path = handlers_folder(app).join(file);
            failed.push(Fault::in_file(&path, reason));
        }
    }
    let mut warnings = grants::warnings_of_all(app, &generation, false);
    warnings.extend(generation.wide.iter().map(Wide::warning));
    let unled = without_listeners(app, &generation).into_iter();
    warnings.extend(unled.map(|(_, fault)| fault));
    warnings.extend(nothing_to_serve(app, &generation));
    diagnostics::warn(&Faults::new(warnings));
    if !failed.is_empty() {
        return Err(Faults::new(failed).into());
    }
    println!(
        "{}: fine ({}, {}{}{})",
        app.display(),
        counted(generation.components.len(), "component"),
        counted(generation.routes().count(), "route"),
        match generation.streams.len() {
            0 => String::new(),
            count => format!(", {}", counted(count, "TCP listener")),
        },
        match generation.schedules.len() {
            0 => String::new(),
            count => format!(", {}", counted(count, "schedule")),
        }
    );
    Ok(())
}
