//! One `.wasm` file of an app: read, compiled, checked and opened, or taken over from the generation before. Knows no
//! routes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio_util::task::AbortOnDropHandle;

use super::checks;
use super::declared::{self, Declared};
use super::heirs::Heirs;
use super::plan::{self, Plan};
use super::program::belongs;
use super::survey::Survey;
use super::{Previous, Refusal, Runtime, handlers_folder};
use crate::base::error::Error;
use crate::base::mark::{Mark, is_missing};
use crate::base::shards;
use crate::config::{self, Config, MAX_MESSAGE};
use crate::guest::capabilities::wasi::granted_folders;
use crate::guest::capabilities::{self, Setup};
use crate::guest::description::Description;
use crate::guest::engine::{Binary, CompileLimits, Linked};
use crate::guest::instances::{Blueprint, Pool, Rules};
use crate::guest::invoke;
use crate::guest::resources::{AppView, Newest};
use crate::guest::run::RunLimits;
use crate::services::python::{AppCopy, Program, Task, Tree};
use crate::services::sockets::SocketLimits;

/// A component, in one generation or several.
pub struct Component {
    /// Its name in `handlers/`.
    pub file: String,
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The generation that loaded it.
    pub generation: u64,
    pub settings: config::Component,
    pub state: State,
}

impl Component {
    /// `hello.wasm#Hello`, for people.
    pub fn handler_name(&self, handler: u32) -> String {
        match &self.state {
            State::Serving { pool, .. } => {
                let handlers = &pool.description().handlers;
                let name = handlers.get(handler as usize).map(|handler| &*handler.name);
                format!("{}#{}", self.file, name.unwrap_or_default())
            }
            State::Failed(_) => self.file.clone(),
        }
    }
}

impl Component {
    /// Its instances, if it can serve.
    pub fn pool(&self) -> Option<&Pool> {
        match &self.state {
            State::Serving { pool, .. } => Some(pool),
            State::Failed(_) => None,
        }
    }

    /// The schedules that it declares.
    pub fn plans(&self) -> &[Plan] {
        match &self.state {
            State::Serving { plans, .. } => plans,
            State::Failed(_) => &[],
        }
    }
}

/// Whether a component can serve.
pub enum State {
    Serving {
        pool: Pool,
        /// The routes that it declares for itself.
        declared: Vec<Declared>,
        /// The schedules that it declares for itself.
        plans: Vec<Plan>,
    },
    /// It never loaded, and why.
    Failed(String),
}

/// All that is needed to load a set of components.
pub struct Loading<'a> {
    pub folder: &'a Path,
    pub runtime: &'a Runtime,
    pub config: &'a Config,
    pub previous: Option<Previous<'a>>,
    /// The state of the files, taken before they are read.
    pub survey: &'a Survey,
    pub number: u64,
    /// The generation that serves, for instances that ask without a request.
    pub newest: &'a Arc<Newest>,
    /// The generation that serves, for sockets that go to another object.
    pub heirs: &'a Arc<Heirs>,
    /// `[settings] app`, as JSON.
    pub settings: &'a Arc<str>,
}

impl Loading<'_> {
    /// Loads all of them concurrently.
    pub async fn load(
        &self,
        files: BTreeMap<String, PathBuf>,
    ) -> Result<BTreeMap<String, Arc<Component>>, Refusal> {
        let loads = files
            .into_iter()
            .map(|(file, path)| self.load_one(file, path));
        let mut refused = BTreeMap::new();
        let mut components = BTreeMap::new();
        for component in join_all(loads).await.into_iter().flatten() {
            match &component.state {
                State::Failed(reason) if component.generation == self.number => {
                    refused.insert(component.file.clone(), reason.clone());
                }
                _ => {}
            }
            components.insert(component.file.clone(), component);
        }
        let serves = |previous: Previous<'_>| previous.generation.number > 0;
        if self.previous.is_some_and(serves) && !refused.is_empty() {
            return Err(Refusal {
                faults: None,
                components: refused,
            });
        }
        Ok(components)
    }

    /// Loads one of them. `None`: its file came and went.
    async fn load_one(&self, file: String, path: PathBuf) -> Option<Arc<Component>> {
        let settings = self.config.component(&file).clone();
        let before = self
            .previous
            .and_then(|previous| previous.generation.components.get(&file));
        if self.previous.is_some_and(|previous| previous.holds(&file)) {
            return before.cloned();
        }
        let again = self.previous.is_some_and(|previous| previous.again);
        let has_other_folders = self.has_other_folders(&settings);
        let kept = before.filter(|before| {
            before.settings == settings
                && !has_other_folders
                && (!again || before.pool().is_some())
                && !before
                    .pool()
                    .is_some_and(|pool| pool.started_with_other_settings(self.settings))
        });
        if let Some(serving) = kept.filter(|kept| kept.pool().is_some())
            && self
                .previous
                .is_some_and(|previous| previous.has_read_component(&file, self.survey))
        {
            return Some(serving.clone());
        }
        let read = match config::is_python(&file) {
            true => self.read_program(&file, kept.cloned()).await,
            false => self.read(&file, path, kept.cloned()).await,
        };
        let (sha256, linked) = match read {
            Ok(Read::Kept(component)) => return Some(component),
            Ok(Read::New { sha256, linked }) => (sha256, linked),
            // It existed a moment ago, so it is away only for now.
            Err(error) if is_missing(&error) && self.was_there(&file) => return before.cloned(),
            Err(error) => {
                let reason = format!("can't be read: {error}");
                return Some(self.failed(file, String::new(), settings, reason, before));
            }
        };
        let opened = match linked {
            Ok(runnable) => {
                let before = before.and_then(|before| before.pool());
                self.open(&file, runnable, &settings, before).await
            }
            Err(error) => Err(error),
        };
        Some(match opened {
            Ok(state) => Arc::new(Component {
                file,
                sha256,
                generation: self.number,
                settings,
                state,
            }),
            Err(error) => self.failed(file, sha256, settings, error.to_string(), before),
        })
    }

    /// Whether the survey has seen something of it.
    fn was_there(&self, file: &str) -> bool {
        let mut paths = self.survey.files().map(|(path, _)| path);
        paths.any(|path| belongs(path, file) && self.survey.has(path))
    }

    /// Whether a folder that it is granted has been replaced by another.
    fn has_other_folders(&self, settings: &config::Component) -> bool {
        self.previous.is_some_and(|previous| {
            let mut folders = granted_folders(self.folder, settings);
            folders
                .any(|folder| self.survey.mark(&folder) != previous.generation.survey.mark(&folder))
        })
    }

    /// A component that can't serve. If the same bytes failed before, it is no new fault, and refuses nothing.
    fn failed(
        &self,
        file: String,
        sha256: String,
        settings: config::Component,
        reason: String,
        before: Option<&Arc<Component>>,
    ) -> Arc<Component> {
        let old = before.filter(|before| before.pool().is_none() && before.sha256 == sha256);
        if let Some(old) = old
            && let State::Failed(known) = &old.state
            && *known == reason
            && old.settings == settings
        {
            return old.clone();
        }
        Arc::new(Component {
            file,
            sha256,
            generation: old.map_or(self.number, |old| old.generation),
            settings,
            state: State::Failed(reason),
        })
    }

    /// Reads a file, and compiles it unless the component can be kept. As many run concurrently as there are cores. An
    /// error if the file is gone before it is compiled.
    async fn read(
        &self,
        file: &str,
        path: PathBuf,
        kept: Option<Arc<Component>>,
    ) -> std::io::Result<Read> {
        let engine = &self.runtime.engine;
        let turn = engine.loads.acquire().await;
        let _turn = turn.map_err(std::io::Error::other)?;
        let place = path.clone();
        let binary = tokio::task::spawn_blocking(move || Binary::read(&place));
        let binary = Arc::new(binary.await.map_err(std::io::Error::other)??);
        let sha256 = binary.sha256();
        if let Some(kept) = kept.filter(|kept| kept.sha256 == sha256) {
            return Ok(Read::Kept(kept));
        }
        let compiled = tokio::select! {
            compiled = engine.compile(file, &binary, compile_limits(&self.config.server)) => compiled,
            () = is_gone(&path) => return Err(ErrorKind::NotFound.into()),
        };
        let linked = compiled.and_then(|component| engine.link(&component));
        let sha256 = sha256.to_owned();
        let linked = linked.map(|linked| Runnable {
            linked: Arc::new(linked),
            program: None,
        });
        Ok(Read::New { sha256, linked })
    }

    /// Reads a Python app, which is run by the component for all of them.
    async fn read_program(
        &self,
        file: &str,
        kept: Option<Arc<Component>>,
    ) -> std::io::Result<Read> {
        let Runtime {
            engine, programs, ..
        } = self.runtime;
        let reading = {
            let (engine, programs) = (engine.clone(), programs.clone());
            let (handlers, file) = (handlers_folder(self.folder), file.to_owned());
            tokio::task::spawn_blocking(move || programs.read(&engine, &handlers, &file))
        };
        let (tree, copy) = reading.await.map_err(std::io::Error::other)??;
        if let Some(kept) = kept.filter(|kept| kept.sha256 == tree.sha256()) {
            return Ok(Read::Kept(kept));
        }
        let is_strict = !self.config.settings.debug;
        let sha256 = tree.sha256().to_owned();
        let linked = async {
            let files = copy?;
            let packages = programs.packages(engine, &tree, is_strict).await?;
            let linked = programs.component(engine).await?;
            self.compile_modules(file, &linked, tree, &files).await;
            let program = Program {
                files,
                packages,
                task: Task::Run,
            };
            Ok(Runnable {
                linked,
                program: Some(program),
            })
        };
        let linked = linked.await;
        Ok(Read::New { sha256, linked })
    }

    /// Has those modules of a Python app compiled that are new. What can't be compiled here is compiled by each instance
    /// that imports it, and fails there if it is at fault.
    async fn compile_modules(
        &self,
        file: &str,
        linked: &Arc<Linked>,
        tree: Tree,
        files: &Arc<AppCopy>,
    ) {
        let Runtime {
            engine, programs, ..
        } = self.runtime;
        let Some(bytecode) = programs.bytecode(engine, &tree, files) else {
            return;
        };
        let program = Program {
            files: files.clone(),
            packages: None,
            task: Task::Compile,
        };
        let settings = self.config.component(file);
        // A name of its own, so that nothing is counted for the app.
        let name = format!("{file} (modules)");
        let blueprint = apart(
            self.runtime,
            &name,
            linked.clone(),
            settings,
            Some(&program),
        );
        // On any core. Aborted when nobody waits for it.
        let compiling = tokio::spawn(async move { blueprint.run_start().await });
        let compiled = AbortOnDropHandle::new(compiling).await;
        if let Err(error) = compiled
            .map_err(|error| error.to_string())
            .and_then(|end| end.map_err(|error| error.to_string()))
        {
            tracing::debug!(target: "general", "{file}: its modules are not compiled: {error}");
            return;
        }
        let files = files.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = bytecode.take(&tree, &files) {
                tracing::warn!(target: "general", "bytecode is not kept: {error}");
            }
        });
    }

    async fn open(
        &self,
        file: &str,
        runnable: Runnable,
        settings: &config::Component,
        before: Option<&Pool>,
    ) -> Result<State, Error> {
        let before = before.map(|before| before.core().clone());
        if let Some(fault) = checks::missing_folder(self.folder, self.config, file) {
            return Err(Error::component(fault.to_string()));
        }
        let Runtime {
            engine, services, ..
        } = self.runtime;
        let Runnable { linked, program } = runnable;
        let file: Arc<str> = file.into();
        let meter = services.metrics.component(&file, Instant::now());
        let family = services.sockets.family(&file, &meter);
        let parts = capabilities::prepare(&Setup {
            file: &file,
            app: self.folder,
            settings,
            program: program.as_ref(),
            services,
            meter: &meter,
        });
        let blueprint = Blueprint {
            file: file.clone(),
            linked,
            rules: rules_of(settings, program.as_ref()),
            engine: engine.clone(),
            services: services.clone(),
            parts,
            meter,
            window: Arc::default(),
            app: AppView {
                newest: self.newest.clone(),
                loaded: self.settings.clone(),
                ..AppView::default()
            },
            family,
            succession: self.heirs.clone(),
        };
        // On any core. Aborted when nobody waits for it.
        let opening = tokio::spawn(Pool::open(blueprint, invoke::LIVES, before));
        let pool = AbortOnDropHandle::new(opening)
            .await
            .map_err(|error| Error::host("opening was interrupted", error))??;
        let (declared, plans) = declarations(pool.description())?;
        let handlers = pool.description().handlers.len();
        if handlers > 1 && declared.is_empty() && !self.config.routes_to(&file) {
            return Err(Error::component(format!(
                "has {handlers} handlers and no route to any: let them declare some, or name them in a [[route]]"
            )));
        }
        Ok(State::Serving {
            pool,
            declared,
            plans,
        })
    }
}

/// A component's description, checked as in an app without configuration. The component is not started.
pub async fn describe(runtime: &Runtime, file: &str, linked: Linked) -> Result<Description, Error> {
    let settings = config::Component::default();
    let blueprint = apart(runtime, file, Arc::new(linked), &settings, None);
    let description = blueprint.description().await?;
    declarations(&description)?;
    Ok(description)
}

/// What makes instances that serve no request, and are granted nothing of the app's.
fn apart(
    runtime: &Runtime,
    file: &str,
    linked: Arc<Linked>,
    settings: &config::Component,
    program: Option<&Program>,
) -> Blueprint {
    let Runtime {
        engine, services, ..
    } = runtime;
    let (file, meter) = (Arc::from(file), Arc::default());
    let family = services.sockets.family(&file, &meter);
    let granted = config::Component::default();
    let parts = capabilities::prepare(&Setup {
        file: &file,
        app: Path::new(""),
        settings: &granted,
        program,
        services,
        meter: &meter,
    });
    Blueprint {
        file,
        linked,
        rules: rules_of(settings, program),
        engine: engine.clone(),
        services: services.clone(),
        parts,
        meter,
        window: Arc::default(),
        app: AppView::default(),
        family,
        succession: Arc::new(Heirs::default()),
    }
}

/// The routes and the schedules that a component declares for itself.
pub fn declarations(description: &Description) -> Result<(Vec<Declared>, Vec<Plan>), Error> {
    Ok((declared::read(description)?, plan::declared(description)?))
}

/// What compiling a component may take.
pub fn compile_limits(server: &config::Server) -> CompileLimits {
    CompileLimits {
        memory: server.compile_memory,
        time: server.compile_timeout,
    }
}

/// Waits until there is no file at this path.
async fn is_gone(path: &Path) {
    /// Compiling a component of the usual size takes less.
    const EVERY: Duration = Duration::from_millis(100);
    while Mark::of(path) != Mark::Missing {
        tokio::time::sleep(EVERY).await;
    }
}

/// The result of reading a file.
enum Read {
    /// The component of before.
    Kept(Arc<Component>),
    New {
        sha256: String,
        linked: Result<Runnable, Error>,
    },
}

/// What instances are made of.
struct Runnable {
    linked: Arc<Linked>,
    /// What the instances of a Python app read.
    program: Option<Program>,
}

/// How long `start` and `stop` may take where requests have no deadline, so that every load ends.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(30);

/// The rules of a component, which for a Python app have a limit of its `start`.
fn rules_of(settings: &config::Component, program: Option<&Program>) -> Rules {
    let of_programs = program.map(|_| config::Component::START_TIMEOUT);
    Rules {
        start_timeout: settings.start_timeout.or(of_programs),
        ..rules(settings)
    }
}

fn rules(settings: &config::Component) -> Rules {
    let bytes = |size| usize::try_from(size).unwrap_or(usize::MAX);
    Rules {
        isolation: settings.isolation,
        instances: settings.instances.unwrap_or_else(shards::cores),
        max_concurrent: settings.max_concurrent,
        max_queue: settings.max_queue,
        max_requests: settings.max_requests.map(|requests| requests as u64),
        memory: settings.memory,
        host_memory: settings.host_memory,
        body_memory: settings.body_memory,
        message_memory: settings.message_memory,
        deadline: Some(settings.deadline.unwrap_or(WITHOUT_DEADLINE)),
        start_timeout: settings.start_timeout,
        run: RunLimits {
            cpu_deadline: settings.cpu_deadline,
            block_log: settings.block_log,
        },
        spawn_budget: settings.spawn_budget,
        max_tasks: settings.max_tasks,
        executor_deadline: settings.executor_deadline,
        executor_queue: settings.executor_queue,
        sockets: SocketLimits {
            max_sockets: settings.max_sockets,
            max_events: settings.max_socket_events,
            max_unsent: bytes(settings.max_socket_unsent),
            max_message: bytes(MAX_MESSAGE),
            max_state: bytes(settings.max_socket_state),
            event_deadline: settings.event_deadline,
        },
        max_streams: settings.max_streams,
        drain_deadline: settings.drain_deadline,
        hibernate: settings.hibernate,
    }
}
