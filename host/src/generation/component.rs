//! One `.wasm` file of an app: read, compiled, checked and opened, or taken over from the generation before.
//! Routes are none of its business.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use wasmtime_wasi::FsPerms;

use super::declared::{self, Declared};
use super::{Previous, Refusal, handlers_folder};
use crate::capabilities::wasi::{Folder, Grants};
use crate::config::{self, Config};
use crate::engine::Engine;
use crate::error::{Error, Fault, Faults};
use crate::instances::{Blueprint, Pool, Rules};
use crate::invoke;
use crate::run::RunLimits;
use crate::shards;

/// A component as one generation or several have it.
pub struct Component {
    /// Its name in `handlers/`.
    pub file: String,
    /// Of its bytes, in hex.
    pub sha256: String,
    /// The generation that loaded it.
    pub generation: u64,
    pub settings: config::Handler,
    pub state: State,
}

/// Whether a component can serve.
pub enum State {
    Serving {
        pool: Pool,
        /// The routes that it declares for itself.
        declared: Vec<Declared>,
    },
    /// It never loaded, and why.
    Failed(String),
}

/// The components of an app, by file name.
pub fn find(app: &Path) -> Result<BTreeMap<String, PathBuf>, Faults> {
    let folder = handlers_folder(app);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => {
            return Err(Fault::in_file(&folder, format!("can't be read: {error}")).into());
        }
    };
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            (!name.starts_with('.')).then_some((name, path))
        })
        .collect())
}

/// What loading a set of components needs to know.
pub struct Loading<'a> {
    pub folder: &'a Path,
    pub engine: &'a Arc<Engine>,
    pub config: &'a Config,
    pub previous: Option<Previous<'a>>,
    pub number: u64,
}

impl Loading<'_> {
    /// Loads all of them at once.
    pub async fn load(
        &self,
        files: BTreeMap<String, PathBuf>,
    ) -> Result<BTreeMap<String, Arc<Component>>, Refusal> {
        let loads = files
            .into_iter()
            .map(|(file, path)| self.load_one(file, path));
        let mut refused = BTreeMap::new();
        let mut components = BTreeMap::new();
        for component in join_all(loads).await {
            match &component.state {
                State::Failed(reason) if component.generation == self.number => {
                    refused.insert(component.file.clone(), reason.clone());
                }
                _ => {}
            }
            components.insert(component.file.clone(), component);
        }
        if self.previous.is_some() && !refused.is_empty() {
            return Err(Refusal {
                faults: None,
                components: refused,
            });
        }
        Ok(components)
    }

    async fn load_one(&self, file: String, path: PathBuf) -> Arc<Component> {
        if let Some(before) = self
            .previous
            .and_then(|previous| previous.instead_of(&file))
        {
            return before;
        }
        let settings = self.config.handler(&file).clone();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = std::fs::read(path)?;
            let sha256 = format!("{:x}", Sha256::digest(&bytes));
            Ok((bytes, sha256))
        });
        let read = read.await.map_err(std::io::Error::other);
        let (bytes, sha256) = match read.and_then(|read| read) {
            Ok(read) => read,
            Err(error) => {
                let reason = format!("can't be read: {error}");
                return Arc::new(self.component(
                    file,
                    String::new(),
                    settings,
                    State::Failed(reason),
                ));
            }
        };
        let before = self
            .previous
            .and_then(|previous| previous.generation.components.get(&file));
        let same = before.filter(|before| before.sha256 == sha256 && before.settings == settings);
        let again = self.previous.is_some_and(|previous| previous.again);
        match same.map(|same| (same, &same.state)) {
            Some((same, State::Serving { .. })) => return same.clone(),
            Some((same, State::Failed(_))) if !again => return same.clone(),
            _ => {}
        }
        let state = match (self.open(&file, bytes, &settings).await, same) {
            (Ok(serving), _) => serving,
            // That is no news, and refuses nothing.
            (Err(_), Some(same)) => return same.clone(),
            (Err(error), None) => State::Failed(error.to_string()),
        };
        Arc::new(self.component(file, sha256, settings, state))
    }

    fn component(
        &self,
        file: String,
        sha256: String,
        settings: config::Handler,
        state: State,
    ) -> Component {
        Component {
            file,
            sha256,
            generation: self.number,
            settings,
            state,
        }
    }

    async fn open(
        &self,
        file: &str,
        bytes: Vec<u8>,
        settings: &config::Handler,
    ) -> Result<State, Error> {
        let (engine, name) = (self.engine.clone(), file.to_owned());
        let compiler = engine.compilers.clone().acquire_owned().await;
        let linked = tokio::task::spawn_blocking(move || {
            let _compiler = compiler;
            let component = engine.compile(&name, &bytes)?;
            engine.link(&component)
        });
        let linked = linked
            .await
            .map_err(|error| Error::host("compiling was interrupted", error))??;
        let blueprint = Blueprint {
            file: file.into(),
            linked,
            rules: rules(self.folder, settings),
            engine: self.engine.clone(),
        };
        let pool = Pool::open(blueprint, invoke::life).await?;
        let declared = declared::read(pool.description())?;
        let handlers = pool.description().handlers.len();
        if handlers > 1 && declared.is_empty() && !self.config.routes_to(file) {
            return Err(Error::component(format!(
                "has {handlers} handlers and no route to any: let them declare some, or name them in a [[route]]"
            )));
        }
        Ok(State::Serving { pool, declared })
    }
}

/// How long `start` and `stop` may take where requests have no deadline, so that no load lasts for ever.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(30);

fn rules(app: &Path, settings: &config::Handler) -> Rules {
    let grant = |folder: &PathBuf, access| Folder {
        host: app.join(folder),
        guest: folder.to_string_lossy().into_owned(),
        access,
    };
    let allow = &settings.allow;
    let read = allow
        .read
        .iter()
        .map(|folder| grant(folder, FsPerms::ReadOnly));
    let write = allow
        .write
        .iter()
        .map(|folder| grant(folder, FsPerms::ReadWrite));
    Rules {
        isolation: settings.isolation,
        instances: settings.instances.unwrap_or_else(shards::cores),
        max_concurrent: settings.max_concurrent,
        max_queue: settings.max_queue,
        max_requests: settings.max_requests.map(|requests| requests as u64),
        memory: settings.memory,
        body_memory: settings.body_memory,
        deadline: Some(settings.deadline.unwrap_or(WITHOUT_DEADLINE)),
        run: RunLimits {
            cpu_deadline: settings.cpu_deadline,
            block_log: settings.block_log,
        },
        grants: Grants {
            env: settings.env.clone().into_iter().collect(),
            folders: read.chain(write).collect(),
        },
    }
}
