//! `waterspout dev`: builds, serves, and builds again on every save. The swap itself is the server's: it sees new
//! files like anybody's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::build::{Built, Failed, Words};
use super::{Serve, build, serve};
use crate::config::{Config, Said};
use crate::dispatch::dev::Workbench;
use crate::generation::watch::Watch;
use crate::log::Logs;

pub async fn dev(options: &Serve, logs: &Logs) -> anyhow::Result<()> {
    let app = &options.app.app;
    let bench = Arc::new(Workbench::new());
    if !build::has_sources(app) {
        tracing::info!(target: "general", "{} has no sources to build", app.display());
        return serve::serve(options, logs, Some(bench)).await;
    }
    let said = options.set.said()?;
    let sources = Sources::watch(app)?;
    build_once(app, &said, &bench).await;
    let building = tokio::spawn(build_on_save(app.clone(), said, sources, bench.clone()));
    let served = serve::serve(options, logs, Some(bench)).await;
    building.abort();
    served
}

async fn build_on_save(app: PathBuf, said: Vec<Said>, mut sources: Sources, bench: Arc<Workbench>) {
    loop {
        sources.watch.changed().await;
        sources.look_again(&app);
        build_once(&app, &said, &bench).await;
    }
}

/// Builds, and tells how it went: in the terminal, in the log, and in the browser.
async fn build_once(app: &Path, said: &[Said], bench: &Workbench) {
    let began = Instant::now();
    let built = build_aside(app).await.and_then(|built| {
        let s = began.elapsed().as_secs_f64();
        tracing::info!(target: "general", "built in {s:.1} s");
        // What is not watched is swapped in by hand, if ever.
        let is_watched = Config::load(app, said).map_or(true, |config| config.server.watch);
        // Before it is in its place, where the server sees it at once.
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
}

/// Builds on a thread where it holds nobody up.
async fn build_aside(app: &Path) -> anyhow::Result<Built> {
    let app = app.to_path_buf();
    tokio::task::spawn_blocking(move || build::build(&app, Words::Kept)).await?
}

/// The sources of an app, watched.
struct Sources {
    watch: Watch,
    /// Whether Cargo could say which packages there are.
    is_all: bool,
}

impl Sources {
    fn watch(app: &Path) -> anyhow::Result<Self> {
        let packages = build::packages(app);
        let is_all = packages.is_ok();
        // Where Cargo can't read a manifest, the build will say so.
        let packages = packages.unwrap_or_else(|_| vec![app.to_path_buf()]);
        let watch = Watch::sources(&packages);
        Ok(Self { watch, is_all })
    }

    /// Finds the packages that could not be found before.
    fn look_again(&mut self, app: &Path) {
        if !self.is_all
            && let Ok(sources) = Self::watch(app)
        {
            *self = sources;
        }
    }
}
