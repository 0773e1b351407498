//! `waterspout serve`: the app, its listeners and its watch, from the first generation to the last request. Answers no
//! request itself.

mod descriptors;
mod front;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sd_notify::NotifyState;

use self::descriptors::raise_limit;
use self::front::{DevService, Front, SiteService};
use super::signals::{Signals, end_with_stdin};
use super::{Serve, Stores, counted, grants, must_be_folder, nothing_to_serve, secret};
use crate::app::dispatch::dev::Workbench;
use crate::app::generation::watch::{AWAY, Look, Watch};
use crate::app::generation::{
    Generation, Programs, Refusal, Runtime, Site, State, without_listeners,
};
use crate::base::error::{Error, Faults};
use crate::base::shards::Shards;
use crate::config::{self, Config};
use crate::edge::connection::Service;
use crate::guest::engine::{self, Engine};
use crate::log::Logs;
use crate::services::Services;
use crate::services::kv::{self, Kv};

/// How long a load may last before it gives way to a newer change, which may repair a `start` that does not end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves until a signal ends it. With a `bench` it is `dev` that serves.
pub async fn serve(
    options: &Serve,
    logs: &Logs,
    bench: Option<Arc<Workbench>>,
) -> anyhow::Result<()> {
    let app = &options.app.app;
    must_be_folder(app)?;
    // The path is kept, and not the folder, which may be moved.
    let app = &std::path::absolute(app)?;
    let mut signals = Signals::new()?;
    if options.end_with_stdin {
        end_with_stdin()?;
    }
    let shards = Shards::start().context("the threads that serve can't start")?;
    let overrides = options.overrides(bench.is_some())?;
    let config = overrides.load(app)?;
    logs.follow(&config.log);
    if bench.is_some() {
        secret::make_missing(app, &config)?;
    }
    raise_limit(config.server.max_connections);
    let kv = open_kv(app, &config)?;
    let runtime = runtime(&config, &options.stores, shards.clone(), kv)?;
    tracing::info!(target: "general", "loading {} …", app.display());
    let began = Instant::now();
    let watch = Watch::app(app);
    let survey = watch.look().await.survey().clone();
    let site = match bench.as_deref().is_some_and(Workbench::waits_for_build) {
        true => Site::empty(app, runtime.clone(), overrides)?,
        false => tokio::select! {
            site = Site::open(app, survey, runtime.clone(), overrides) => site?,
            () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => return Ok(()),
        },
    };
    let site = Arc::new(site);
    if site.current().number > 0 {
        report_first(&site, began.elapsed());
        if bench.is_some() {
            warn_of_grants(&site);
        }
        look_at_others(&site, &watch, true);
    }
    let Runtime {
        engine, services, ..
    } = &runtime;
    match bench {
        None => {
            let service = SiteService(site.clone());
            let front = Front::open(&site, shards, &services.http, service).await?;
            serve_on(site, front, engine, logs, &watch, &mut signals, None).await;
        }
        Some(bench) => {
            let service = DevService(site.clone(), bench.clone());
            let front = Front::open(&site, shards, &services.http, service).await?;
            let bench = Some(&*bench);
            serve_on(site, front, engine, logs, &watch, &mut signals, bench).await;
        }
    }
    Ok(())
}

/// Serves a site that listens, until a signal ends it.
async fn serve_on(
    site: Arc<Site>,
    front: Front<impl Service, impl Service>,
    engine: &Engine,
    logs: &Logs,
    watch: &Watch,
    signals: &mut Signals,
    bench: Option<&Workbench>,
) {
    tell_systemd(NotifyState::Ready);
    if let Some(bench) = bench {
        bench.listens();
    }
    follow_changes(&site, &front, logs, watch, signals, bench).await;
    tell_systemd(NotifyState::Stopping);
    tracing::info!(target: "general", "ending: what is in flight is finished first");
    if let Some(bench) = bench {
        // Pages that wait for a newer version are not waited for.
        bench.end();
    }
    tokio::select! {
        () = drain(site, front, engine) => {}
        () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => {
            tracing::warn!(target: "general", "told to end twice: what was in flight is cut");
        }
    }
}

/// Tells the service manager the state, if there is one that asks (sd_notify(3)).
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(target: "general", "systemd can't be told: {error}");
    }
}

/// What the components of an app with this configuration run on.
pub(super) fn runtime(
    config: &Config,
    stores: &Stores,
    shards: Arc<Shards>,
    kv: Kv,
) -> Result<Runtime, Error> {
    let limits = engine::Limits {
        max_instance_memory: config.server.max_instance_memory,
        max_instances: engine::max_instances(),
        debug_info: config.settings.debug,
    };
    let services = Services::new(kv, shards.count());
    let engine = Engine::new(limits, stores.cache(), shards)?;
    let programs = Programs::new(stores.python_runtime.clone());
    Ok(Runtime {
        engine,
        services,
        programs,
    })
}

/// The state of an app, from the file that its configuration names. The file belongs to this process only.
fn open_kv(app: &Path, config: &Config) -> Result<Kv, Faults> {
    let wanted = &config.kv;
    let limits = kv::Limits {
        max_memory: wanted.max_memory,
        max_value_size: wanted.max_value_size,
    };
    let Some(file) = &wanted.file else {
        return Ok(Kv::in_memory(limits));
    };
    let path = app.join(file);
    Kv::in_file(limits, &path).map_err(|error| {
        let message = format!("{} can't be opened: {error}", path.display());
        let toml = app.join(config::FILE_NAME);
        let fault = config.fault(&toml, wanted.position(), message);
        fault
            .hint("name a file that this server has for itself, in a folder that is there")
            .into()
    })
}

/// A store for commands that serve nothing.
pub fn no_kv() -> Kv {
    Kv::in_memory(kv::Limits {
        max_memory: 0,
        max_value_size: 0,
    })
}

/// Swaps whenever the folder has changed, until a signal ends it.
async fn follow_changes(
    site: &Site,
    front: &Front<impl Service, impl Service>,
    logs: &Logs,
    watch: &Watch,
    signals: &mut Signals,
    bench: Option<&Workbench>,
) {
    // Whether a reload by hand has found a file that was not complete yet.
    let mut owed = false;
    // Whether a reload by hand was broken off, so that the next load counts as one.
    let mut again = false;
    // Under `dev` nothing is loaded before the first build has ended.
    let mut building = bench.filter(|bench| bench.waits_for_build());
    loop {
        // The first files are waited for in any case.
        let watched = site.current().config.server.watch || site.current().number == 0;
        let noticed = tokio::select! {
            () = built_once(building), if building.is_some() => {
                building = None;
                Instant::now()
            }
            noticed = watch.changed(), if building.is_none() && (watched || owed) => noticed,
            _ = signals.hangup.recv() => {
                again = true;
                Instant::now()
            }
            () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => return,
        };
        let look = watch.look().await;
        let newer = async {
            tokio::time::sleep(PATIENCE).await;
            look.newer().await;
        };
        let loaded = tokio::select! {
            loaded = site.load_next(&look, again) => loaded,
            () = newer, if watched => continue,
            () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => return,
        };
        let torn = was_torn(&loaded, &look);
        owed = torn || !look.held().is_empty();
        drop(look);
        if !torn {
            again = false;
            let is_taken = swap(site, front, logs, loaded, noticed, bench).await;
            look_at_others(site, watch, is_taken);
        }
    }
}

async fn built_once(bench: Option<&Workbench>) {
    if let Some(bench) = bench {
        bench.built_once().await;
    }
}

/// Whether a file was written while it was read. Then neither the result nor the fault counts, and the watch will
/// report its change.
fn was_torn(loaded: &Result<Option<Generation>, Refusal>, look: &Look<'_>) -> bool {
    look.was_touched(|path| match loaded {
        // An incomplete component never loads, but an incomplete configuration may.
        Ok(_) => path == Path::new(config::FILE_NAME),
        Err(_) => {
            path == Path::new(config::FILE_NAME)
                || path.starts_with("handlers")
                || path.is_absolute()
        }
    })
}

/// Switches to what was loaded, or reports why not. Returns whether it did, or has nothing to switch to.
async fn swap(
    site: &Site,
    front: &Front<impl Service, impl Service>,
    logs: &Logs,
    loaded: Result<Option<Generation>, Refusal>,
    noticed: Instant,
    bench: Option<&Workbench>,
) -> bool {
    let mut streams = None;
    let loaded = match loaded {
        Ok(Some(next)) => match front.follow(&next, site.folder()).await {
            Ok(bound) => {
                streams = Some(bound);
                Ok(Some(next))
            }
            Err(faults) => Err(Refusal::from(faults)),
        },
        loaded => loaded,
    };
    let took = noticed.elapsed();
    let is_taken = loaded.is_ok();
    match loaded {
        Ok(None) => {
            site.keep(took);
            let number = site.current().number;
            tracing::info!(target: "general", "nothing has changed, generation {number} serves on");
            if let Some(bench) = bench {
                bench.kept();
            }
        }
        Ok(Some(next)) => {
            let number = next.number;
            warn_of_what_waits_for_a_restart(&site.current().config, &next.config);
            warn_of_what_went(&site.current(), &next);
            let changes = next.changes_since(&site.current());
            logs.follow(&next.config.log);
            site.switch(next, took);
            if let Some(bound) = streams {
                front.take_streams(&site.current(), bound).await;
            }
            match number {
                1 => report_first(site, took),
                _ => {
                    warn_of_claims(site);
                    let ms = took.as_secs_f64() * 1000.0;
                    tracing::info!(target: "general", "generation {number} serves: {changes} ({ms:.1} ms)");
                }
            }
            if let Some(bench) = bench {
                bench.swapped();
                warn_of_grants(site);
            }
        }
        Err(refusal) => {
            site.refuse(&refusal, took);
            if let Some(bench) = bench {
                bench.refused(refusal.to_string());
            }
            match site.current().number {
                0 => tracing::error!(target: "general", "nothing can be served yet:\n{refusal}"),
                number => tracing::error!(
                    target: "general",
                    "the change is refused, generation {number} serves on:\n{refusal}"
                ),
            }
        }
    }
    is_taken
}

/// Has the watch look at files outside of the app that the folder asks for now. Unless it `is_taken`, these may differ
/// from those that serve.
fn look_at_others(site: &Site, watch: &Watch, is_taken: bool) {
    let (folder, current) = (site.folder(), site.current());
    let (wanted, known) = match is_taken {
        true => (current.config.clone(), Some(current.survey())),
        false => {
            let wanted = site.overrides().load(folder);
            (wanted.map_or(current.config.clone(), Arc::new), None)
        }
    };
    let others = Generation::others(folder, &wanted);
    watch.also(others, Generation::static_places(folder, &wanted), known);
}

fn warn_of_what_waits_for_a_restart(old: &Config, new: &Config) {
    if old.server.max_instance_memory != new.server.max_instance_memory {
        tracing::warn!(target: "general", "`max_instance_memory` is fixed at start: the new one waits for a restart");
    }
    if !old.kv.is_like(&new.kv) {
        tracing::warn!(target: "general", "`[kv]` is fixed at start: the new one waits for a restart");
    }
}

fn warn_of_what_went(old: &Generation, new: &Generation) {
    if old.is_configured && !new.is_configured {
        tracing::warn!(
            target: "general",
            "{} has been away for {} s and counts as removed: all it said is void, and the defaults hold",
            config::FILE_NAME,
            AWAY.as_secs()
        );
    }
}

/// Warns once about each new component that takes paths beyond its own name, or has handlers that get no streams.
fn warn_of_claims(site: &Site) {
    let generation = site.current();
    let is_new = |file: &str| {
        let component = generation.components.get(file);
        component.is_some_and(|component| component.generation == generation.number)
    };
    for wide in generation.wide.iter().filter(|wide| is_new(&wide.file)) {
        tracing::warn!(target: "general", "{}", wide.warning());
    }
    for (file, fault) in without_listeners(site.folder(), &generation) {
        if is_new(&file) {
            tracing::warn!(target: "general", "{fault}");
        }
    }
}

/// Warns of what `check` would warn of.
fn warn_of_grants(site: &Site) {
    for warning in grants::warnings_of_all(site.folder(), &site.current(), true) {
        tracing::warn!(target: "general", "{warning}");
    }
}

fn report_first(site: &Site, took: Duration) {
    let generation = site.current();
    if let Some(nothing) = nothing_to_serve(site.folder(), &generation) {
        tracing::warn!(target: "general", "{nothing}");
    }
    for component in generation.components.values() {
        if let State::Failed(reason) = &component.state {
            let file = &component.file;
            tracing::error!(target: "general", "handlers/{file} does not serve: {reason}");
        }
    }
    warn_of_claims(site);
    tracing::info!(
        target: "general",
        "generation 1: {}, {} ({:.0} ms)",
        counted(generation.components.len(), "component"),
        counted(generation.routes().count(), "route"),
        took.as_secs_f64() * 1000.0
    );
}

/// Ends everything: connections within `grace`, then instances within the rest of it.
async fn drain<A: Service, B: Service>(site: Arc<Site>, front: Front<A, B>, engine: &Engine) {
    let grace = site.current().config.server.grace;
    let until = tokio::time::Instant::now() + grace;
    let ending = site.end(until);
    let (cut, cut_streams) = tokio::join!(front.app.shutdown(grace), front.streams.shutdown(grace));
    let cut = cut + cut_streams;
    if cut > 0 {
        tracing::warn!(target: "general", "{cut} connections were cut: `grace` is over");
    }
    front.admin.shutdown(Duration::ZERO).await;
    drop(front);
    drop(site);
    // Each instance gives its permit back when it has stopped.
    let all = engine.limits.max_instances;
    let stopped = tokio::time::timeout_at(until, engine.instances.acquire_many(all)).await;
    if stopped.is_err() {
        tracing::warn!(target: "general", "some instances did not stop: `grace` is over");
        for (component, window) in ending {
            for task in window.unfinished() {
                let (name, ran) = (&task.name, task.began.elapsed().as_secs_f64());
                tracing::warn!(target: "general", component, "the background task `{name}` was cut after {ran:.1} s");
            }
        }
    }
}
