//! `waterspout dev`: builds, serves, and builds again on every save. The server swaps by itself: it sees new files
//! like any others.

mod sources;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::sources::Sources;
use self::watch::Watch;
use super::build::{Built, Effort, Failed, Interrupt, Step};
use super::{Serve, build, serve};
use crate::app::dispatch::dev::Workbench;
use crate::config::{Config, Override};
use crate::log::Logs;

/// How often sources are looked at where they can't be watched.
const WITHOUT_WATCH: Duration = Duration::from_secs(1);

/// How long a page with the progress of the first build is shown at least.
const BETWEEN_PAGES: Duration = Duration::from_secs(1);

pub async fn dev(options: &Serve, logs: &Logs) -> anyhow::Result<()> {
    let app = &options.app.app;
    let bench = Arc::new(Workbench::new());
    if !build::has_sources(app) {
        if !build::has_programs(app) {
            tracing::info!(target: "general", "{} has no sources to build", app.display());
        }
        return serve::serve(options, logs, Some(bench)).await;
    }
    bench.is_building("It has not begun yet.");
    let builder = Builder {
        app: app.clone(),
        said: options.set.said()?,
        bench: bench.clone(),
        interrupt: Interrupt::default(),
    };
    let interrupt = builder.interrupt.clone();
    let building = tokio::spawn(async move {
        if let Err(error) = builder.build_on_save().await {
            tracing::error!(target: "general", "nothing is built any more: {error:#}");
        }
    });
    let served = serve::serve(options, logs, Some(bench)).await;
    building.abort();
    interrupt.interrupt();
    served
}

/// What builds need.
struct Builder {
    app: PathBuf,
    said: Vec<Override>,
    bench: Arc<Workbench>,
    interrupt: Interrupt,
}

impl Builder {
    /// Builds once the server listens, and whenever sources differ from those of the last build. Ends only after a
    /// panic of a thread.
    async fn build_on_save(self) -> anyhow::Result<()> {
        self.bench.listening().await;
        let (sources, mut watch, _) = look(Sources::of(&self.app), true).await?;
        let mut sources = self.build_once(sources).await?;
        self.bench.has_built();
        loop {
            // After a build, too: it may have read more files than the one before, and a file may have changed
            // meanwhile.
            let mut have_changed;
            (sources, watch, have_changed) = look(sources, watch.is_some()).await?;
            if !have_changed {
                match &watch {
                    Some(watch) => watch.changed().await,
                    None => tokio::time::sleep(WITHOUT_WATCH).await,
                }
                // Most saves change a file that is known. Only where none has changed are the sources found again first.
                (sources, have_changed) = compare(sources).await?;
            }
            if have_changed {
                sources = self.build_once(sources).await?;
            }
        }
    }

    /// Builds, and reports the result in the terminal, in the log, and in the browser.
    async fn build_once(&self, sources: Sources) -> anyhow::Result<Sources> {
        let began = Instant::now();
        let (sources, built) = self.build_aside(sources).await?;
        let built = built.and_then(|built| {
            let s = began.elapsed().as_secs_f64();
            tracing::info!(target: "general", "built in {s:.1} s");
            // Without a watch, the result is swapped in by hand, if at all.
            let config = Config::load(&self.app, &self.said);
            let is_watched = config.map_or(true, |config| config.server.watch);
            // Before it is in its place, where the server sees it immediately.
            self.bench.built(built.has_changed() && is_watched);
            built.place()
        });
        if let Err(error) = built {
            match error.downcast_ref::<Failed>() {
                Some(failed) => self.bench.build_failed(&failed.said),
                None => self.bench.build_failed(&format!("{error:#}")),
            }
            let s = began.elapsed().as_secs_f64();
            tracing::error!(
                target: "general",
                "{error:#} ({s:.1} s); browsers are shown why until that is mended"
            );
        }
        Ok(sources)
    }

    /// Builds on a thread of its own, so that nothing else waits.
    async fn build_aside(
        &self,
        mut sources: Sources,
    ) -> anyhow::Result<(Sources, anyhow::Result<Built>)> {
        let (app, bench, interrupt) =
            (self.app.clone(), self.bench.clone(), self.interrupt.clone());
        let built = tokio::task::spawn_blocking(move || {
            sources.begin();
            let is_first = bench.waits_for_build();
            if is_first {
                build::add_target(&app);
            }
            let mut shown: Option<Instant> = None;
            let built = build::build(&app, Effort::Quick, &interrupt, |step| match step {
                Step::Compiling(progress) if is_first => {
                    if shown.is_none_or(|shown| shown.elapsed() >= BETWEEN_PAGES) {
                        shown = Some(Instant::now());
                        bench.is_building(&progress);
                    }
                }
                step => sources.follow(&step),
            });
            if let Ok(built) = &built {
                sources.end(&built.inputs);
            }
            (sources, built)
        });
        Ok(built.await?)
    }
}

/// Whether a known source differs from what was built.
async fn compare(sources: Sources) -> anyhow::Result<(Sources, bool)> {
    let compared = tokio::task::spawn_blocking(move || {
        let have_changed = sources.have_changed();
        (sources, have_changed)
    });
    Ok(compared.await?)
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
