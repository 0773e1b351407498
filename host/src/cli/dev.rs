//! `waterspout dev`: builds, serves, and builds again on every save. The server swaps by itself: it sees new files
//! like any others.

mod sources;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::sources::Sources;
use self::watch::Watch;
use super::build::{Built, Effort, Failed};
use super::{Serve, build, serve};
use crate::app::dispatch::dev::Workbench;
use crate::config::{Config, Override};
use crate::log::Logs;

/// How often sources are looked at where they can't be watched.
const WITHOUT_WATCH: Duration = Duration::from_secs(1);

pub async fn dev(options: &Serve, logs: &Logs) -> anyhow::Result<()> {
    let app = &options.app.app;
    let bench = Arc::new(Workbench::new());
    if !build::has_sources(app) {
        tracing::info!(target: "general", "{} has no sources to build", app.display());
        return serve::serve(options, logs, Some(bench)).await;
    }
    let said = options.set.said()?;
    let (sources, ..) = look(Sources::of(app), true).await?;
    let sources = build_once(app, &said, sources, &bench).await?;
    let building = build_on_save(app.clone(), said, sources, bench.clone());
    let building = tokio::spawn(async move {
        if let Err(error) = building.await {
            tracing::error!(target: "general", "nothing is built any more: {error:#}");
        }
    });
    let served = serve::serve(options, logs, Some(bench)).await;
    building.abort();
    served
}

/// Looks at the sources whenever one of them may have changed. Ends only after a panic of a thread.
async fn build_on_save(
    app: PathBuf,
    said: Vec<Override>,
    mut sources: Sources,
    bench: Arc<Workbench>,
) -> anyhow::Result<()> {
    let mut was_watched = true;
    loop {
        // After a build, too: it may have read more files than the one before, and a file may have changed meanwhile.
        let (looked, watch, have_changed) = look(sources, was_watched).await?;
        sources = looked;
        was_watched = watch.is_some();
        if have_changed {
            sources = build_once(&app, &said, sources, &bench).await?;
            continue;
        }
        match watch {
            Some(watch) => watch.changed().await,
            None => tokio::time::sleep(WITHOUT_WATCH).await,
        }
    }
}

/// Watches the sources where they are now, and returns whether they differ from what was built. `None`: they can't be
/// watched, which is reported once.
async fn look(
    mut sources: Sources,
    was_watched: bool,
) -> anyhow::Result<(Sources, Option<Watch>, bool)> {
    let looked = tokio::task::spawn_blocking(move || {
        // The watch comes first, so that no change is missed between.
        let watch = sources.watch();
        if let Err(error) = &watch
            && was_watched
        {
            tracing::warn!(
                target: "general",
                "sources can't be watched, so they are looked at every second: {error}"
            );
        }
        let have_changed = sources.have_changed();
        (sources, watch.ok(), have_changed)
    });
    Ok(looked.await?)
}

/// Builds, and reports the result in the terminal, in the log, and in the browser.
async fn build_once(
    app: &Path,
    said: &[Override],
    sources: Sources,
    bench: &Workbench,
) -> anyhow::Result<Sources> {
    let began = Instant::now();
    let (sources, built) = build_aside(app, sources).await?;
    let built = built.and_then(|built| {
        let s = began.elapsed().as_secs_f64();
        tracing::info!(target: "general", "built in {s:.1} s");
        // Without a watch, the result is swapped in by hand, if at all.
        let is_watched = Config::load(app, said).map_or(true, |config| config.server.watch);
        // Before it is in its place, where the server sees it immediately.
        bench.built(built.has_changed() && is_watched);
        built.place()
    });
    if let Err(error) = built {
        let s = began.elapsed().as_secs_f64();
        tracing::error!(
            target: "general",
            "{error:#} ({s:.1} s); browsers are shown why until that is mended"
        );
        match error.downcast_ref::<Failed>() {
            Some(failed) => bench.build_failed(&failed.said),
            None => bench.build_failed(&format!("{error:#}")),
        }
    }
    Ok(sources)
}

/// Builds on a thread of its own, so that nothing else waits.
async fn build_aside(
    app: &Path,
    mut sources: Sources,
) -> anyhow::Result<(Sources, anyhow::Result<Built>)> {
    let app = app.to_path_buf();
    let built = tokio::task::spawn_blocking(move || {
        sources.begin();
        let built = build::build(&app, Effort::Quick, |step| sources.follow(&step));
        if let Ok(built) = &built {
            sources.end(&built.inputs);
        }
        (sources, built)
    });
    Ok(built.await?)
}
