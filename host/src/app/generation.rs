//! A generation: one immutable set of config, routes and components. It is loaded whole, checked, and switched to in
//! one step. Owns what may serve and since when; answers no request.

mod changes;
mod checks;
mod claims;
mod component;
mod declared;
mod heirs;
mod plan;
mod program;
mod refusal;
mod routes;
mod runtime;
mod scheduler;
mod schedules;
mod secrets;
mod site;
mod static_folders;
mod streams;
mod survey;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::error::{Fault, Faults};
use crate::base::mark::Mark;
use crate::base::metrics::{Metrics, RouteKey};
use crate::base::router::{Found, Route, Router};
use crate::config::{self, Config, Listen, Overrides, Protection, RouteLimits};
use crate::guest::capabilities::wasi::granted_folders;
use crate::guest::resources::{App, Forms, Meters, Newest, Target};
use crate::services::signing::Signer;
use crate::services::static_files::{Place, StaticFiles, Tree};
use crate::tls::{ClientTls, Tls};

pub use claims::Wide;
#[cfg(any(test, fuzzing))]
pub use component::declarations;
pub use component::{Component, State, compile_limits, describe};
pub use program::{Programs, folders as program_folders};
pub use refusal::Refusal;
pub use runtime::Runtime;
pub use schedules::Schedule;
pub use site::{Site, Swap};
pub use streams::{StreamLead, StreamTls, Streams, without_listeners};
pub use survey::Survey;

use heirs::Heirs;
use program::belongs;
use survey::component_path;
use watch::Held;

/// The app at one time.
pub struct Generation {
    /// Counts from 1, one for each switch.
    pub number: u64,
    pub config: Arc<Config>,
    /// The certificates of connections, as the files were.
    pub tls: Option<Tls>,
    /// What fetches trust and show.
    pub client_tls: ClientTls,
    /// The part that requests may ask for, as long as they last.
    pub app: Arc<App>,
    /// Where each route of `app.router` leads.
    pub leads: Vec<Lead>,
    /// Where a path without a route leads. `None`: to a 404.
    pub default: Option<Lead>,
    /// The components that take more paths than belong to their names.
    pub wide: Vec<Wide>,
    pub components: BTreeMap<String, Arc<Component>>,
    pub schedules: Vec<Schedule>,
    /// Where each `[[tcp]]` leads.
    pub streams: Vec<Streams>,
    /// The folders of static files.
    pub static_files: StaticFiles,
    /// Whether the app has a `waterspout.toml`.
    pub is_configured: bool,
    /// The files as they were before the generation was read from them.
    survey: Survey,
    /// Shared by all generations of the app, like the next.
    newest: Arc<Newest>,
    heirs: Arc<Heirs>,
}

/// Where a route leads.
#[derive(Clone)]
pub enum Lead {
    Handler {
        component: Arc<Component>,
        target: Arc<Target>,
        /// `hello.wasm#Hello`, for people.
        name: String,
        limits: RouteLimits,
    },
    /// To a component that never loaded.
    Failed {
        component: Arc<Component>,
    },
    Redirect {
        url: String,
        permanent: bool,
    },
    Error {
        status_code: u16,
    },
    Static {
        tree: Arc<Tree>,
        default_filename: Option<Arc<str>>,
    },
}

impl Lead {
    /// The component where it leads, whether that serves or not.
    pub fn component(&self) -> Option<&Component> {
        match self {
            Lead::Handler { component, .. } | Lead::Failed { component } => Some(component),
            Lead::Redirect { .. } | Lead::Error { .. } | Lead::Static { .. } => None,
        }
    }
}

/// In the form of the configuration.
impl fmt::Display for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lead::Handler { name, .. } => name,
            Lead::Failed { component } => &component.file,
            Lead::Redirect { .. } => "builtin:redirect",
            Lead::Error { .. } => "builtin:error",
            Lead::Static { .. } => "builtin:static",
        })
    }
}

impl Generation {
    /// Loads the folder as it was at the survey, or newer. Components that did not change are taken over from
    /// `previous`, with their instances.
    ///
    /// Where nothing serves yet, a faulty component becomes `Failed`. Otherwise any fault refuses the whole.
    pub async fn load(
        folder: &Path,
        mut survey: Survey,
        runtime: &Runtime,
        overrides: &Overrides,
        previous: Option<Previous<'_>>,
    ) -> Result<Self, Refusal> {
        let number = previous.map_or(1, |previous| previous.generation.number + 1);
        let held = |path: &Path| previous.is_some_and(|previous| previous.held.has(path));
        if !survey.has_root() && !held(Path::new("")) {
            return Err(Faults::from(Fault::in_file(folder, "there is no such folder")).into());
        }
        for path in previous.iter().flat_map(|previous| previous.held.paths()) {
            survey.forget(path);
        }
        let (config, is_configured) = load_config(folder, &survey, overrides, previous)?;
        let tls = load_tls(folder, &mut survey, &config, previous)?;
        let stream_tls = load_stream_tls(folder, &mut survey, &config, previous)?;
        let client_tls = load_client_tls(folder, &mut survey, &config, previous)?;
        let signer = load_signer(folder, &mut survey, &config, previous)?;
        if previous.is_none_or(|previous| previous.generation.number == 0) {
            // Its components may fetch when they start.
            runtime
                .services
                .http
                .follow(&config.http_client, &client_tls);
        }
        for spanned in config.components.values() {
            for path in granted_folders(folder, &spanned.component) {
                survey.look_at(&path);
                let before = previous.and_then(|previous| previous.generation.survey.mark(&path));
                if let (Some(before), Some(Mark::Missing)) = (before, survey.mark(&path)) {
                    // Components that have the folder open keep it, until there is another.
                    survey.insert(path, before);
                }
            }
        }
        let static_files = static_folders::load(folder, &mut survey, &config, previous).await?;
        let files = component_files(folder, &survey, previous)?;
        checks::apps_that_are_there_twice(folder, &survey)?;
        checks::missing_components(folder, &config, &files)?;
        checks::too_much_memory(folder, &config, &runtime.engine)?;
        checks::wrong_grants(folder, &config)?;
        let newest =
            previous.map_or_else(Arc::default, |previous| previous.generation.newest.clone());
        let heirs =
            previous.map_or_else(Arc::default, |previous| previous.generation.heirs.clone());
        let settings = app_settings(&config);
        let loading = component::Loading {
            folder,
            runtime,
            config: &config,
            previous,
            survey: &survey,
            number,
            newest: &newest,
            heirs: &heirs,
            settings: &settings,
        };
        let components = loading.load(files).await?;
        let routes::Resolved {
            router,
            leads,
            default,
            wide,
        } = routes::resolve(folder, &config, &components, &static_files, |file| {
            held_away(previous, file)
        })?;
        let schedules = schedules::resolve(folder, &config, &components)?;
        let streams = streams::resolve(folder, &config, &components, stream_tls)?;
        let meters = meters(&router, &runtime.services.metrics);
        let forms = previous.map_or_else(Forms::default, |previous| {
            previous.generation.app.forms.clone()
        });
        let app = App {
            static_urls: static_folders::urls(folder, &config, &static_files),
            router,
            settings,
            login_url: config.settings.login_url.clone(),
            protection: config.settings.protection.clone(),
            signer,
            forms,
            generation: number,
            meters,
        };
        Ok(Self {
            number,
            app: Arc::new(app),
            config,
            tls,
            client_tls,
            leads,
            default,
            wide,
            components,
            schedules,
            streams,
            static_files,
            is_configured,
            survey,
            newest,
            heirs,
        })
    }

    /// Has the folder's listeners, and serves nothing: the app is not built yet.
    fn empty(folder: &Path, overrides: &Overrides) -> Result<Self, Refusal> {
        let config = overrides.load(folder)?;
        let tls = match &config.server.tls {
            Some(tls) => Some(Tls::load(folder, tls)?),
            None => None,
        };
        let mut bare = config.clone();
        bare.routes.clear();
        bare.settings.default_handler = None;
        let static_files = StaticFiles::default();
        let components = BTreeMap::new();
        let routes::Resolved {
            router,
            leads,
            default,
            wide,
        } = routes::resolve(folder, &bare, &components, &static_files, |_| false)?;
        let settings = app_settings(&config);
        Ok(Self {
            number: 0,
            app: Arc::new(App {
                meters: meters(&router, &Metrics::default()),
                static_urls: None,
                router,
                settings,
                login_url: None,
                protection: Protection::default(),
                signer: None,
                forms: Forms::default(),
                generation: 0,
            }),
            config: Arc::new(config),
            tls,
            client_tls: ClientTls::default(),
            leads,
            default,
            wide,
            components,
            schedules: Vec::new(),
            streams: Vec::new(),
            static_files,
            is_configured: false,
            survey: Survey::nothing(),
            newest: Arc::default(),
            heirs: Arc::default(),
        })
    }

    /// The routes as they were written, each once.
    pub fn routes(&self) -> impl Iterator<Item = &Route<usize>> {
        let routes = self.app.router.routes().iter();
        routes.filter(|route| !route.pattern.is_part())
    }

    /// The route of a path. Where the host has none, the routes of the default host count. Not if the request
    /// `is_proxied` and has `X-Real-Ip`: then the host may be the proxy's own (Tornado's `DefaultHostMatches`).
    pub fn find(
        &self,
        host: &str,
        path: &str,
        is_proxied: impl FnOnce() -> bool,
    ) -> Found<'_, usize> {
        let router = &self.app.router;
        match (router.find(host, path), &self.config.settings.default_host) {
            (Found::Nothing, Some(default)) if !is_proxied() => router.find(default, path),
            (found, _) => found,
        }
    }

    /// It serves from now on.
    fn begin(self: &Arc<Self>) {
        self.newest.set(&self.app);
        self.heirs.set(self);
        for pool in self.components.values().filter_map(|one| one.pool()) {
            pool.window().begin();
        }
    }

    /// The files and folders that it depends on, outside of the app or used by components only.
    pub fn others(folder: &Path, config: &Config) -> BTreeSet<PathBuf> {
        let of_streams = config.tcp.iter().filter_map(|tcp| tcp.tls.as_ref());
        let of_streams = of_streams.map(|tls| &tls.tls);
        let tls = config.server.tls.iter().chain(of_streams);
        let tls = tls.flat_map(config::Tls::files);
        let tls = tls.chain(config.http_client.files());
        let secrets = config.settings.cookie_secret.iter();
        let tls = tls.chain(secrets.flat_map(config::CookieSecret::files));
        let tls = tls.map(|file| folder.join(file));
        let granted = config.components.values();
        let granted = granted.flat_map(|spanned| granted_folders(folder, &spanned.component));
        tls.chain(granted).collect()
    }

    /// The folders of static files that it depends on, whether they are there or not.
    pub fn static_places(folder: &Path, config: &Config) -> BTreeSet<Place> {
        static_folders::places(folder, config).into_keys().collect()
    }

    /// The files as they were before it was read from them.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The certificates of its streams.
    fn stream_tls(&self) -> impl Iterator<Item = Option<&StreamTls>> {
        self.streams.iter().map(|streams| streams.tls.as_ref())
    }

    /// Where the streams of a listener lead. `nth`: how many the same come before it.
    pub fn streams_of(&self, listen: &Listen, nth: usize) -> Option<&Streams> {
        let all = self.streams.iter();
        let mut of_place = all.flat_map(|streams| {
            let own = streams.listen.iter();
            let same = own.filter(|own| own.is_same_place(listen));
            same.map(move |_| streams)
        });
        of_place.nth(nth)
    }

    /// Whether the two differ only in their numbers.
    fn is_like(&self, other: &Generation) -> bool {
        let same = |(one, two): (&Arc<Component>, &Arc<Component>)| Arc::ptr_eq(one, two);
        self.config == other.config
            && self.tls == other.tls
            && self.client_tls == other.client_tls
            && self.stream_tls().eq(other.stream_tls())
            && self.app.signer == other.app.signer
            && self.static_files.is_like(&other.static_files)
            && self.components.len() == other.components.len()
            && self
                .components
                .values()
                .zip(other.components.values())
                .all(same)
    }
}

/// `[settings] app`, in the form for guests.
fn app_settings(config: &Config) -> Arc<str> {
    serde_json::Value::Object(config.settings.app.clone())
        .to_string()
        .into()
}

/// The generation that a new one follows.
#[derive(Clone, Copy)]
pub struct Previous<'a> {
    /// The generation that serves.
    pub generation: &'a Generation,
    /// Files that are not looked at, by their paths. They count as unchanged.
    pub held: &'a Held,
    /// Whether all files are read, even those with the same stamp. Then a component that never loaded is tried again:
    /// what it lacked may exist now.
    pub again: bool,
}

impl Previous<'_> {
    /// Whether a component is held.
    fn holds(&self, file: &str) -> bool {
        self.held.paths().any(|path| belongs(path, file))
    }

    /// Whether nothing of a component has changed since the generation read it.
    fn has_read_component(&self, file: &str, now: &Survey) -> bool {
        if !config::is_python(file) {
            return self.has_read(&component_path(file), now);
        }
        let before = &self.generation.survey;
        let paths = |survey: &Survey| -> BTreeSet<PathBuf> {
            let paths = survey.files().map(|(path, _)| path);
            paths
                .filter(|path| belongs(path, file))
                .map(Path::to_owned)
                .collect()
        };
        let paths_now = paths(now);
        !self.again
            && paths_now == paths(before)
            && paths_now.iter().all(|path| now.agrees(before, path))
    }

    /// Whether a file has not changed since the generation read it.
    fn has_read(&self, path: &Path, now: &Survey) -> bool {
        !self.again && now.agrees(&self.generation.survey, path)
    }
}

/// The meters of these routes.
fn meters(router: &Router<usize>, metrics: &Metrics) -> Meters {
    let meter = |host: &str, pattern: &str| {
        metrics.route(RouteKey {
            host: host.to_owned(),
            pattern: pattern.to_owned(),
        })
    };
    let routes = router.routes().iter();
    Meters {
        routes: routes
            .map(|route| {
                let host = route.host.as_ref().map_or("", |host| host.text());
                meter(host, route.pattern.text())
            })
            .collect(),
        none: meter("", "(none)"),
        requests: Arc::default(),
    }
}

/// The folder where an app's components are.
pub fn handlers_folder(app: &Path) -> PathBuf {
    app.join("handlers")
}

/// The configuration, and whether it comes from a file.
fn load_config(
    folder: &Path,
    survey: &Survey,
    overrides: &Overrides,
    previous: Option<Previous<'_>>,
) -> Result<(Arc<Config>, bool), Faults> {
    let path = Path::new(config::FILE_NAME);
    let old = previous.map(|previous| {
        let Generation {
            config,
            is_configured,
            ..
        } = previous.generation;
        (config.clone(), *is_configured)
    });
    let is_as_before =
        |previous: Previous<'_>| previous.held.has(path) || previous.has_read(path, survey);
    match (old, previous) {
        (Some(old), Some(previous)) if is_as_before(previous) => Ok(old),
        (old, _) => match (Config::text(folder)?, old) {
            // It existed a moment ago, so it is away only for now.
            (None, Some(old)) if survey.has(path) => Ok(old),
            (text, _) => Ok((
                Arc::new(overrides.of(text.as_deref(), folder)?),
                text.is_some(),
            )),
        },
    }
}

/// The certificates of connections.
fn load_tls(
    folder: &Path,
    survey: &mut Survey,
    config: &Config,
    previous: Option<Previous<'_>>,
) -> Result<Option<Tls>, Faults> {
    let Some(tls) = &config.server.tls else {
        return Ok(None);
    };
    let files = tls.files().map(|file| folder.join(file)).collect();
    let is_same = |old: &Generation| old.config.server.tls.as_ref() == Some(tls);
    let old = previous.filter(|previous| is_same(previous.generation));
    let old = old.and_then(|old| Some((old.held, old.generation.tls.clone()?)));
    read_or_keep(files, survey, old, || Tls::load(folder, tls)).map(Some)
}

/// The certificates of streams, for each `[[tcp]]`.
fn load_stream_tls(
    folder: &Path,
    survey: &mut Survey,
    config: &Config,
    previous: Option<Previous<'_>>,
) -> Result<Vec<Option<StreamTls>>, Faults> {
    let mut all = Vec::new();
    for entry in &config.tcp {
        let Some(config::TcpTls { tls, start }) = &entry.tls else {
            all.push(None);
            continue;
        };
        let files = tls.files().map(|file| folder.join(file)).collect();
        // What another entry has read for the same files is as good.
        let old = previous.and_then(|previous| {
            let (entries, streams) = (
                &previous.generation.config.tcp,
                &previous.generation.streams,
            );
            let is_same = |entry: &config::TcpListen| {
                entry.tls.as_ref().is_some_and(|other| other.tls == *tls)
            };
            let mut pairs = entries.iter().zip(streams);
            let (_, old) = pairs.find(|(entry, _)| is_same(entry))?;
            Some((previous.held, old.tls.as_ref()?.tls.clone()))
        });
        let read = || Tls::load(folder, tls).map(Tls::without_alpn);
        let tls = read_or_keep(files, survey, old, read)?;
        all.push(Some(StreamTls { tls, start: *start }));
    }
    Ok(all)
}

/// What fetches trust and show.
fn load_client_tls(
    folder: &Path,
    survey: &mut Survey,
    config: &Config,
    previous: Option<Previous<'_>>,
) -> Result<ClientTls, Faults> {
    let client = &config.http_client;
    let files = client.files().map(|file| folder.join(file)).collect();
    let serves = |old: &Generation| old.number > 0 && old.config.http_client == *client;
    let old = previous.filter(|previous| serves(previous.generation));
    let old = old.map(|old| (old.held, old.generation.client_tls.clone()));
    read_or_keep(files, survey, old, || ClientTls::load(folder, client))
}

/// What signs.
fn load_signer(
    folder: &Path,
    survey: &mut Survey,
    config: &Config,
    previous: Option<Previous<'_>>,
) -> Result<Option<Arc<Signer>>, Faults> {
    let Some(secret) = &config.settings.cookie_secret else {
        return Ok(None);
    };
    let files = secret
        .files()
        .iter()
        .map(|file| folder.join(file))
        .collect();
    let is_same = |old: &Generation| old.config.settings.cookie_secret.as_ref() == Some(secret);
    let old = previous.filter(|previous| is_same(previous.generation));
    let old = old.and_then(|old| Some((old.held, old.generation.app.signer.clone()?)));
    let read = || secrets::load(folder, secret).map(Arc::new);
    read_or_keep(files, survey, old, read).map(Some)
}

/// Reads what is in these files. While one is away or being written, what was read before stays.
fn read_or_keep<T>(
    files: Vec<PathBuf>,
    survey: &mut Survey,
    old: Option<(&Held, T)>,
    read: impl FnOnce() -> Result<T, Faults>,
) -> Result<T, Faults> {
    let old = match old {
        Some((held, old)) if files.iter().any(|path| held.has(path)) => return Ok(old),
        old => old.map(|(_, old)| old),
    };
    let were_there = files.iter().all(|path| survey.has(path));
    files.iter().for_each(|path| survey.look_at(path));
    let is_missing = || files.iter().any(|path| Mark::of(path) == Mark::Missing);
    match (read(), old) {
        (Err(_), Some(old)) if were_there && is_missing() => Ok(old),
        (read, _) => read,
    }
}

/// The files of all components, with those that are away and stay as they were.
fn component_files(
    folder: &Path,
    survey: &Survey,
    previous: Option<Previous<'_>>,
) -> Result<BTreeMap<String, PathBuf>, Faults> {
    let names = survey.components().map_err(|error| {
        let handlers = handlers_folder(folder);
        Faults::from(Fault::in_file(&handlers, format!("can't be read: {error}")))
    })?;
    let mut names: BTreeSet<String> = names.collect();
    if let Some(previous) = previous {
        // A file that is being written for the first time does not exist yet.
        let known = previous.generation.components.keys();
        names.extend(known.filter(|name| previous.holds(name)).cloned());
    }
    let place = |name: String| {
        let path = handlers_folder(folder).join(&name);
        (name, path)
    };
    Ok(names.into_iter().map(place).collect())
}

/// Whether a component stays as it was while its file is away.
fn held_away(previous: Option<Previous<'_>>, file: &str) -> bool {
    previous.is_some_and(|previous| {
        let mut away = previous.held.away.iter();
        away.any(|path| belongs(path, file))
    })
}
