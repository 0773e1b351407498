//! One immutable set of config, routes and components: loaded whole, checked, then switched to in one step. Owns
//! what may serve and since when; answers no request.

mod changes;
mod component;
mod declared;
mod routes;
mod scheduler;
mod schedules;
mod site;
mod stamps;
pub mod watch;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, Config, Format, Levels, Listen, Said};
use crate::engine::Engine;
use crate::error::{Fault, Faults, Origin};
use crate::metrics::{Metrics, RouteKey};
use crate::resources::{self, App, Meters};
use crate::router::{Found, Router};
use crate::tls::Tls;

pub use component::{Component, State, describe};
pub use schedules::Schedule;
pub use site::{Site, Swap};

use stamps::Stamps;

/// What the app is at one time.
pub struct Generation {
    /// Counts from 1, one for each switch.
    pub number: u64,
    pub config: Arc<Config>,
    /// What connections are encrypted with, as its files were.
    pub tls: Option<Tls>,
    /// What requests may ask of it while they last.
    pub app: Arc<App>,
    /// Where each route of `app.router` leads.
    pub leads: Vec<Lead>,
    /// Where a path leads that no route takes. `None`: to a 404.
    pub default: Option<Lead>,
    pub components: BTreeMap<String, Arc<Component>>,
    pub schedules: Vec<Schedule>,
    /// Of what it was read from.
    stamps: Stamps,
}

/// Where a route leads.
pub enum Lead {
    Handler {
        component: Arc<Component>,
        target: resources::Target,
        /// `hello.wasm#Hello`, for people.
        name: String,
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
}

impl Lead {
    /// The component that it leads to, whether that serves or not.
    pub fn component(&self) -> Option<&Component> {
        match self {
            Lead::Handler { component, .. } | Lead::Failed { component } => Some(component),
            Lead::Redirect { .. } | Lead::Error { .. } => None,
        }
    }
}

/// As the configuration names it.
impl fmt::Display for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lead::Handler { name, .. } => name,
            Lead::Failed { component } => &component.file,
            Lead::Redirect { .. } => "builtin:redirect",
            Lead::Error { .. } => "builtin:error",
        })
    }
}

/// Why there is no new generation.
#[derive(Debug)]
pub struct Refusal {
    /// What is wrong with the configuration, or with how components fit it.
    pub faults: Option<Faults>,
    /// What is wrong with each component's file.
    pub components: BTreeMap<String, String>,
}

impl Generation {
    /// Loads the folder as it is now. Components that did not change are taken over from `previous` with their
    /// instances.
    ///
    /// Without a previous generation, a component at fault is there as `Failed`; with one, any fault refuses all.
    pub async fn load(
        folder: &Path,
        engine: &Arc<Engine>,
        overrides: &Overrides,
        previous: Option<Previous<'_>>,
    ) -> Result<Self, Refusal> {
        let number = previous.map_or(1, |previous| previous.generation.number + 1);
        let is_open = |path: &Path| previous.is_some_and(|previous| previous.has_open(path));
        let mut stamps = Stamps::default();
        let (file, config_file) = (Path::new(config::FILE_NAME), folder.join(config::FILE_NAME));
        if !is_open(file) {
            stamps.take(&config_file);
        }
        let config = match previous {
            Some(previous) if is_open(file) || previous.has_read(&config_file, &stamps) => {
                previous.generation.config.clone()
            }
            _ => Arc::new(overrides.load(folder)?),
        };
        let tls = match (previous, &config.server.tls) {
            (Some(previous), tls)
                if previous.has_open_certificate()
                    && *tls == previous.generation.config.server.tls =>
            {
                previous.generation.tls.clone()
            }
            (_, Some(tls)) => Some(Tls::load(folder, tls)?),
            (_, None) => None,
        };
        let mut files = component::find(folder)?;
        if let Some(previous) = previous {
            files.retain(|file, _| !previous.has_open_newcomer(file));
        }
        for (file, path) in &files {
            if !previous.is_some_and(|previous| previous.has_open_component(file)) {
                stamps.take(path);
            }
        }
        missing_components(folder, &config, &files)?;
        too_much_memory(folder, &config, engine)?;
        let loading = component::Loading {
            folder,
            engine,
            config: &config,
            previous,
            stamps: &stamps,
            number,
        };
        let components = loading.load(files).await?;
        let routes::Resolved {
            router,
            leads,
            default,
        } = routes::resolve(folder, &config, &components)?;
        let schedules = schedules::resolve(folder, &config, &components)?;
        let settings = serde_json::Value::Object(config.settings.app.clone()).to_string();
        let meters = meters(&router, &engine.metrics);
        let app = App {
            router,
            settings,
            generation: number,
            meters,
        };
        Ok(Self {
            number,
            app: Arc::new(app),
            config,
            tls,
            leads,
            default,
            components,
            schedules,
            stamps,
        })
    }

    /// Listens where the folder says, and serves nothing: what there is to serve is yet to be made.
    fn empty(folder: &Path, overrides: &Overrides) -> Result<Self, Refusal> {
        let config = overrides.load(folder)?;
        let tls = match &config.server.tls {
            Some(tls) => Some(Tls::load(folder, tls)?),
            None => None,
        };
        let mut bare = config.clone();
        bare.routes.clear();
        bare.settings.default_handler = None;
        let components = BTreeMap::new();
        let routes::Resolved {
            router,
            leads,
            default,
        } = routes::resolve(folder, &bare, &components)?;
        let settings = serde_json::Value::Object(config.settings.app.clone()).to_string();
        Ok(Self {
            number: 0,
            app: Arc::new(App {
                meters: meters(&router, &Metrics::default()),
                router,
                settings,
                generation: 0,
            }),
            config: Arc::new(config),
            tls,
            leads,
            default,
            components,
            schedules: Vec::new(),
            stamps: Stamps::default(),
        })
    }

    /// The route of a path. Where the host has none, those of the default host count, unless the request `is_proxied`
    /// and says so with `X-Real-Ip`: then the host may be the proxy's own (Tornado's `DefaultHostMatches`).
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
    fn begin(&self) {
        for pool in self.components.values().filter_map(|one| one.pool()) {
            pool.tenure().begin();
        }
    }

    /// Whether nothing but the number sets the two apart.
    fn is_like(&self, other: &Generation) -> bool {
        let same = |(one, two): (&Arc<Component>, &Arc<Component>)| Arc::ptr_eq(one, two);
        self.config == other.config
            && self.tls == other.tls
            && self.components.len() == other.components.len()
            && self
                .components
                .values()
                .zip(other.components.values())
                .all(same)
    }
}

/// What a new generation follows.
#[derive(Clone, Copy)]
pub struct Previous<'a> {
    /// The generation that serves.
    pub generation: &'a Generation,
    /// Files that somebody is writing, as paths within the app. They are not looked at: they are as they were.
    pub open: &'a HashSet<PathBuf>,
    /// Whether all files are read, whatever their stamps say, and a component that never loaded is tried again as it is:
    /// what it lacked may be there by now.
    pub again: bool,
}

impl Previous<'_> {
    fn has_open(&self, path: &Path) -> bool {
        self.open.contains(path)
    }

    fn has_open_component(&self, file: &str) -> bool {
        self.has_open(&handlers_folder(Path::new("")).join(file))
    }

    /// Whether a file has not changed since the generation read it.
    fn has_read(&self, path: &Path, now: &Stamps) -> bool {
        !self.again && now.agree(&self.generation.stamps, path)
    }

    /// Whether a file is being written that is not the app's: a certificate or a key.
    fn has_open_certificate(&self) -> bool {
        self.open.iter().any(|path| path.is_absolute())
    }

    /// Whether this component is being written for the first time, and so is not there yet.
    fn has_open_newcomer(&self, file: &str) -> bool {
        !self.generation.components.contains_key(file) && self.has_open_component(file)
    }

    /// The component as it was, if its file is being written.
    fn instead_of(&self, file: &str) -> Option<Arc<Component>> {
        self.has_open_component(file)
            .then(|| self.generation.components.get(file).cloned())
            .flatten()
    }
}

/// What the command line says instead of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Instead of `[server] listen`, unless empty.
    pub listen: Vec<Listen>,
    /// Instead of `[server] admin`.
    pub admin: Option<Listen>,
    /// Instead of `[log] format`.
    pub log_format: Option<Format>,
    /// Instead of `[log] level`, for the logs that it names.
    pub log_level: Levels,
    /// Switches `[settings] debug` on, unless a `--set` has something else for it.
    pub debug: bool,
    /// What `--set` and the environment say, the last word last.
    pub said: Vec<Said>,
}

impl Overrides {
    /// Reads an app's configuration, and puts it into that.
    pub fn load(&self, app: &Path) -> Result<Config, Faults> {
        let mut config = Config::load(app, &self.said)?;
        self.apply(&mut config);
        Ok(config)
    }

    /// Puts it into a configuration that was read with what is `said`.
    fn apply(&self, config: &mut Config) {
        let option = |name: &str| Origin::CommandLine(name.to_owned());
        if !self.listen.is_empty() {
            config.server.listen.clone_from(&self.listen);
            config.server.listen_at = config.said_by(option("--listen"));
        }
        if self.admin.is_some() {
            config.server.admin.clone_from(&self.admin);
            config.server.admin_at = config.said_by(option("--admin"));
        }
        config.log.format = self.log_format.unwrap_or(config.log.format);
        config.log.level = self.log_level.or(config.log.level);
        let told = self.said.iter().any(Said::tells_debug);
        config.settings.debug |= self.debug && !told;
    }
}

/// Who counts for these routes.
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

/// Every component that the configuration names has to be there.
fn missing_components(
    folder: &Path,
    config: &Config,
    files: &BTreeMap<String, PathBuf>,
) -> Result<(), Faults> {
    let file = folder.join(config::FILE_NAME);
    let fault = |position, component: &str| {
        let near = files
            .keys()
            .map(|known| (strsim::damerau_levenshtein(known, component), known))
            .min()
            .filter(|(distance, _)| *distance <= 3);
        let hint = match near {
            Some((_, known)) => format!("did you mean `{known}`?"),
            None => format!("build it into {}", handlers_folder(folder).display()),
        };
        config
            .fault(
                &file,
                position,
                format!("there is no component `{component}` in handlers/"),
            )
            .hint(hint)
    };
    let routed = config
        .destinations()
        .filter_map(|destination| match &destination.target {
            config::Target::Component { file, .. } => Some((destination.position, file)),
            _ => None,
        });
    let configured = config
        .handlers
        .iter()
        .map(|(file, handler)| (handler.position, file));
    let scheduled = config
        .schedules
        .iter()
        .map(|schedule| (schedule.position, &schedule.file));
    let faults: Vec<Fault> = routed
        .chain(configured)
        .chain(scheduled)
        .filter(|(_, component)| !files.contains_key(*component))
        .map(|(position, component)| fault(position, component))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Faults::new(faults))
    }
}

/// No component may be promised more memory than the engine was made for.
fn too_much_memory(folder: &Path, config: &Config, engine: &Engine) -> Result<(), Faults> {
    let file = folder.join(config::FILE_NAME);
    let most = engine.limits.max_instance_memory;
    let faults: Vec<Fault> = config
        .handlers
        .values()
        .filter(|placed| placed.handler.memory > most)
        .map(|placed| {
            let message = "`memory` is more than `max_instance_memory` was at the start";
            config
                .fault(&file, placed.position, message)
                .hint("start the server anew, or ask for less")
        })
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Faults::new(faults))
    }
}

impl Refusal {
    /// What is wrong with each file in the app's `handlers/`, whoever found it.
    fn by_component(&self, app: &Path) -> BTreeMap<String, String> {
        let handlers = handlers_folder(app);
        let mut refused = self.components.clone();
        for fault in self.faults.iter().flatten() {
            let file = fault.file.strip_prefix(&handlers).ok();
            if let Some(file) = file.and_then(Path::to_str) {
                let hint = fault.hint.iter().map(|hint| format!("\n  hint: {hint}"));
                let reason = fault.message.clone() + &hint.collect::<String>();
                refused.entry(file.to_owned()).or_insert(reason);
            }
        }
        refused
    }
}

impl From<Faults> for Refusal {
    fn from(faults: Faults) -> Self {
        Self {
            faults: Some(faults),
            components: BTreeMap::new(),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        if let Some(faults) = &self.faults {
            write!(f, "{faults}")?;
            separator = "\n";
        }
        for (file, error) in &self.components {
            write!(f, "{separator}handlers/{file}: {error}")?;
            separator = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
