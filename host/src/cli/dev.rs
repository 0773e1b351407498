//! `waterspout dev`: builds, serves, and builds again on every save. The swap itself is the server's: it sees new
//! files like anybody's.

use std::path::{Path, PathBuf};

use super::{Serve, build, serve};
use crate::generation::watch::Watch;

pub async fn dev(options: &Serve) -> anyhow::Result<()> {
    let app = &options.app.app;
    if !build::has_sources(app) {
        tracing::info!(target: "general", "{} has no sources to build", app.display());
        return serve::serve(options, true).await;
    }
    let watch = Watch::sources(&build::packages(app)?)?;
    while let Err(error) = build_aside(app).await {
        eprintln!("{error:#}\nwaiting for you to mend it …");
        watch.changed().await;
    }
    let building = tokio::spawn(build_on_save(app.clone(), watch));
    let served = serve::serve(options, true).await;
    building.abort();
    served
}

async fn build_on_save(app: PathBuf, watch: Watch) {
    loop {
        watch.changed().await;
        if let Err(error) = build_aside(&app).await {
            tracing::error!(target: "general", "{error:#}; the old version serves on");
        }
    }
}

/// Builds on a thread where it holds nobody up.
async fn build_aside(app: &Path) -> anyhow::Result<()> {
    let app = app.to_path_buf();
    tokio::task::spawn_blocking(move || build::build(&app).map(|built| built.report())).await?
}
