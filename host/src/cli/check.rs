//! `waterspout check`: loads an app as `serve` would and says what is wrong with it.

use anyhow::bail;

use super::{Check, cache_dir, serve::engine};
use crate::config::Config;
use crate::generation::{Generation, Overrides, State};
use crate::shards::Shards;

pub async fn check(options: &Check) -> anyhow::Result<()> {
    let app = &options.app.app;
    if !app.is_dir() {
        bail!("{}: there is no such folder", app.display());
    }
    let config = Config::load(app)?;
    let cache = cache_dir(options.cache_dir.as_ref());
    let engine = engine(&config, cache, Shards::here())?;
    let generation = Generation::load(app, &engine, &Overrides::default(), None).await?;
    let mut failed = Vec::new();
    for component in generation.components.values() {
        if let State::Failed(reason) = &component.state {
            let file = app.join("handlers").join(&component.file);
            failed.push(format!("{}: {reason}", file.display()));
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    println!(
        "{}: fine ({} components, {} routes)",
        app.display(),
        generation.components.len(),
        generation.leads.len()
    );
    Ok(())
}
