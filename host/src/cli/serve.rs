//! `waterspout serve`: the app, its listeners and its watch, from the first generation to the last request. Answers
//! no request itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::{Request, Response};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Serve, cache_dir};
use crate::admin;
use crate::client::Client;
use crate::config::{self, Config, Listen};
use crate::connection::{RequestBody, Service};
use crate::dispatch::dev::{self, Workbench};
use crate::dispatch::{Reply, dispatch};
use crate::engine::{self, Engine};
use crate::error::{Error, Fault, Faults};
use crate::generation::watch::{Look, Watch};
use crate::generation::{Generation, Overrides, Refusal, Site, State};
use crate::log::Logs;
use crate::server::Server;
use crate::shards::Shards;

/// How long a load may last before it gives way to a newer change: that may be what mends a hanging `start`.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves until a signal ends it. With a `bench` it is `dev` that serves.
pub async fn serve(
    options: &Serve,
    logs: &Logs,
    bench: Option<Arc<Workbench>>,
) -> anyhow::Result<()> {
    let app = &options.app.app;
    if !app.is_dir() {
        bail!("{}: there is no such folder", app.display());
    }
    let mut signals = Signals::new()?;
    if options.end_with_stdin {
        end_with_stdin()?;
    }
    let cache = cache_dir(options.cache_dir.as_ref());
    let shards = Shards::start().context("the threads that serve can't start")?;
    let overrides = options.overrides(bench.is_some())?;
    let mut config = Config::load(app, &overrides.said)?;
    overrides.apply(&mut config);
    logs.follow(&config.log);
    let engine = engine(&config, cache, shards.clone())?;
    tracing::info!(target: "general", "loading {} …", app.display());
    let began = Instant::now();
    // From before the first look, so that no change falls between.
    let watch = Watch::app(app)?;
    let site = tokio::select! {
        site = open(app, engine.clone(), overrides, bench.as_deref()) => Arc::new(site?),
        () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => return Ok(()),
    };
    report_first(&site.current(), began.elapsed());
    watch.also(&certificates(&site));
    match bench {
        None => {
            let front = Front::open(&site, shards, App(site.clone())).await?;
            serve_on(site, front, &engine, logs, &watch, &mut signals, None).await;
        }
        Some(bench) => {
            let service = AppOfDev(site.clone(), bench.clone());
            let front = Front::open(&site, shards, service).await?;
            serve_on(
                site,
                front,
                &engine,
                logs,
                &watch,
                &mut signals,
                Some(&bench),
            )
            .await;
        }
    }
    Ok(())
}

/// Loads the app. One that `dev` could not build, and that can't be loaded as it was before, is yet to come.
async fn open(
    app: &Path,
    engine: Arc<Engine>,
    overrides: Overrides,
    bench: Option<&Workbench>,
) -> Result<Site, Refusal> {
    let opened = Site::open(app, engine.clone(), overrides.clone()).await;
    match opened {
        Err(_) if bench.is_some_and(|bench| bench.trouble().is_some()) => {
            Site::empty(app, engine, overrides)
        }
        opened => opened,
    }
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
    follow_changes(&site, &front, logs, watch, signals, bench).await;
    tell_systemd(NotifyState::Stopping);
    tracing::info!(target: "general", "ending: what is in flight is finished first");
    if let Some(bench) = bench {
        // Pages that wait for a newer version are no work to be finished.
        bench.end();
    }
    tokio::select! {
        () = drain(site, front, engine) => {}
        () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => {
            tracing::warn!(target: "general", "told to end twice: what was in flight is cut");
        }
    }
}

/// Tells the service manager how we are, if there is one that asks (sd_notify(3)).
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(target: "general", "systemd can't be told: {error}");
    }
}

/// The engine for an app with this configuration.
pub fn engine(
    config: &Config,
    cache: Option<PathBuf>,
    shards: Arc<Shards>,
) -> Result<Arc<Engine>, Error> {
    let limits = engine::Limits {
        max_instance_memory: config.server.max_instance_memory,
        max_instances: engine::max_instances(),
    };
    Engine::new(limits, cache, shards)
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
    // Whether a file that was to be reloaded by hand was not ready yet.
    let mut owed = false;
    // Whether a load by hand came to no end, so that the next one stands for it.
    let mut again = false;
    loop {
        // What there is to begin with is waited for in any case.
        let watched = site.current().config.server.watch || site.current().number == 0;
        let noticed = tokio::select! {
            noticed = watch.changed() => {
                if !watched && !owed {
                    continue;
                }
                noticed
            }
            _ = signals.hangup.recv() => {
                again = true;
                Instant::now()
            }
            () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => return,
        };
        let look = watch.look();
        let newer = async {
            tokio::time::sleep(PATIENCE).await;
            watch.newer().await;
        };
        let loaded = tokio::select! {
            loaded = site.load_next(look.open(), again) => loaded,
            () = newer, if watched => continue,
            () = Signals::end(&mut signals.terminate, &mut signals.interrupt) => return,
        };
        let torn = was_torn(&loaded, &look);
        owed = torn || !look.open().is_empty();
        drop(look);
        if !torn {
            again = false;
            swap(site, front, logs, loaded, noticed, bench).await;
            watch.also(&certificates(site));
        }
    }
}

/// Whether a file was written just while it was read, so that neither what was loaded nor what was found wrong
/// with it counts. The watch will tell of its change.
fn was_torn(loaded: &Result<Option<Generation>, Refusal>, look: &Look<'_>) -> bool {
    look.was_touched(|path| match loaded {
        // Half a component never loads, but half a configuration may.
        Ok(_) => path == Path::new(config::FILE_NAME),
        Err(_) => {
            path == Path::new(config::FILE_NAME)
                || path.starts_with("handlers")
                || path.is_absolute()
        }
    })
}

/// Switches to what was loaded, or says why not.
async fn swap(
    site: &Site,
    front: &Front<impl Service, impl Service>,
    logs: &Logs,
    loaded: Result<Option<Generation>, Refusal>,
    noticed: Instant,
    bench: Option<&Workbench>,
) {
    let loaded = match loaded {
        Ok(Some(next)) => match front.follow(&next, site.folder()).await {
            Ok(()) => Ok(Some(next)),
            Err(faults) => Err(Refusal::from(faults)),
        },
        loaded => loaded,
    };
    let took = noticed.elapsed();
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
            let changes = next.changes_since(&site.current());
            logs.follow(&next.config.log);
            site.switch(next, took);
            let ms = took.as_secs_f64() * 1000.0;
            tracing::info!(target: "general", "generation {number} serves: {changes} ({ms:.1} ms)");
            if let Some(bench) = bench {
                bench.swapped();
            }
        }
        Err(refusal) => {
            site.refuse(&refusal, took);
            if let Some(bench) = bench {
                bench.refused(refusal.to_string());
            }
            let number = site.current().number;
            tracing::error!(
                target: "general",
                "the change is refused, generation {number} serves on:\n{refusal}"
            );
        }
    }
}

/// The files of certificates and keys, which need not be in the app: those that the folder asks for now, even where it
/// was refused for what is in them.
fn certificates(site: &Site) -> Vec<PathBuf> {
    let wanted = Config::load(site.folder(), &site.overrides().said).ok();
    let tls = wanted.map_or_else(
        || site.current().config.server.tls.clone(),
        |config| config.server.tls,
    );
    let files = tls.iter().flat_map(config::Tls::files);
    files.map(|file| site.folder().join(file)).collect()
}

fn warn_of_what_waits_for_a_restart(old: &Config, new: &Config) {
    if old.server.max_instance_memory != new.server.max_instance_memory {
        tracing::warn!(target: "general", "`max_instance_memory` is fixed at start: the new one waits for a restart");
    }
}

fn report_first(generation: &Generation, took: Duration) {
    if generation.number == 0 {
        tracing::warn!(target: "general", "there is nothing to serve yet: every request is answered with the reason");
        return;
    }
    for component in generation.components.values() {
        if let State::Failed(reason) = &component.state {
            let file = &component.file;
            tracing::error!(target: "general", "handlers/{file} does not serve: {reason}");
        }
    }
    tracing::info!(
        target: "general",
        "generation 1: {} components, {} routes ({:.0} ms)",
        generation.components.len(),
        generation.leads.len(),
        took.as_secs_f64() * 1000.0
    );
}

/// Ends everything: connections within `grace`, then instances within what is left of it.
async fn drain<A: Service, B: Service>(site: Arc<Site>, front: Front<A, B>, engine: &Engine) {
    let grace = site.current().config.server.grace;
    let until = tokio::time::Instant::now() + grace;
    let cut = front.app.shutdown(grace).await;
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
    }
}

/// What answers an app's requests.
#[derive(Clone)]
struct App(Arc<Site>);

impl Service for App {
    type Body = Reply;

    fn call(
        &self,
        request: Request<RequestBody>,
        client: Client,
    ) -> impl Future<Output = Response<Reply>> + Send {
        dispatch(&self.0, request, client)
    }

    fn refused(&self, status: u16) {
        self.0.metrics().refused(status);
    }
}

/// The same under `dev`.
#[derive(Clone)]
struct AppOfDev(Arc<Site>, Arc<Workbench>);

impl Service for AppOfDev {
    type Body = Reply;

    fn call(
        &self,
        request: Request<RequestBody>,
        client: Client,
    ) -> impl Future<Output = Response<Reply>> + Send {
        dev::answer(self.1.clone(), self.0.clone(), request, client)
    }

    fn refused(&self, status: u16) {
        self.0.metrics().refused(status);
    }
}

/// The two servers of an app.
struct Front<A, B> {
    app: Server<A>,
    admin: Server<B>,
}

impl Front<(), ()> {
    /// Listens where the site says, for the service that answers for the app.
    async fn open<A: Service>(
        site: &Arc<Site>,
        shards: Arc<Shards>,
        service: A,
    ) -> anyhow::Result<Front<A, impl Service + use<A>>> {
        let limits = || site.current().config.server.limits();
        let shown = site.clone();
        let front = Front {
            app: Server::new(shards, limits(), service),
            // Apart from what serves, so that it can tell of it whatever happens there.
            admin: Server::new(
                Shards::here(),
                limits(),
                move |request: Request<RequestBody>, _: Client| {
                    let site = shown.clone();
                    async move { admin::answer(&site, &request) }
                },
            ),
        };
        let first = site.current();
        front.follow(&first, site.folder()).await?;
        Ok(front)
    }
}

impl<A: Service, B: Service> Front<A, B> {
    /// Listens where this generation says, and tells of what is new.
    ///
    /// An address that can't be had is a fault, and then nothing changes.
    async fn follow(&self, generation: &Generation, folder: &Path) -> Result<(), Faults> {
        let server = &generation.config.server;
        let fault = |error: std::io::Error| {
            let fault = Fault::in_file(&folder.join(config::FILE_NAME), error.to_string());
            Faults::from(match error.kind() {
                std::io::ErrorKind::AddrInUse => {
                    fault.hint("does another server run there already?")
                }
                _ => fault,
            })
        };
        let (app, admin) = (self.app.local_addrs().await, self.admin.local_addrs().await);
        let shown: Vec<Listen> = server.admin.iter().cloned().collect();
        let new_admin = self.admin.bind(&shown).await.map_err(fault)?;
        let new_app = self.app.bind(&server.listen).await.map_err(fault)?;
        let new_admin = self.admin.listen(new_admin).await;
        let new_app = self.app.listen(new_app).await;
        self.app.set_limits(server.limits());
        self.admin.set_limits(server.limits());
        self.app.set_tls(generation.tls.clone());
        let scheme = match generation.tls {
            Some(_) => "https",
            None => "http",
        };
        for address in new_app.iter().filter(|address| !app.contains(address)) {
            tracing::info!(target: "general", "serving on {}", Shown(scheme, address));
        }
        for address in new_admin.iter().filter(|address| !admin.contains(address)) {
            tracing::info!(target: "general", "status on {}/api/status", Shown("http", address));
        }
        Ok(())
    }
}

/// An address as one would type it into a browser.
struct Shown<'a>(&'static str, &'a Listen);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.1 {
            Listen::Tcp(address) => write!(f, "{}://{address}", self.0),
            listen => listen.fmt(f),
        }
    }
}

/// Has the end of standard input do what `SIGTERM` does.
fn end_with_stdin() -> anyhow::Result<()> {
    let wait = || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        // SAFETY: a signal to ourselves, for which there is a handler by now.
        unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
    };
    // Not one of the runtime's: those it would wait for at the end.
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(wait)
        .context("the thread that reads standard input can't start")?;
    Ok(())
}

/// What the system may tell us.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals can't be received");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits to be told to end.
    async fn end(terminate: &mut Signal, interrupt: &mut Signal) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
