//! An app that is served: its current generation, those that drain, and the result of the last swap. Switches; never
//! waits for a request.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::Instant;

use super::scheduler::{Record, Scheduler};
use super::watch::Look;
use super::{Component, Generation, Previous, Refusal, Runtime, State, Survey};
use crate::base::metrics::{Counter, Metrics};
use crate::config::Overrides;
use crate::guest::instances::{self, PoolStats};
use crate::guest::resources::ServingWindow;
use crate::services::Services;

/// One app and its generations.
pub struct Site {
    folder: PathBuf,
    runtime: Runtime,
    overrides: Overrides,
    current: ArcSwap<Generation>,
    history: Mutex<History>,
    scheduler: Scheduler,
    /// When it ends, once that is so.
    ending: watch::Sender<Option<Instant>>,
}

#[derive(Default)]
struct History {
    last_swap: Option<Swap>,
    /// Why a file that exists does not serve, by its name.
    refused: BTreeMap<String, String>,
    leaving: Vec<Leaving>,
    /// The request counters of the last generations, without the current one.
    past: VecDeque<(u64, Arc<Counter>)>,
    /// How many changes were taken up, and how many refused.
    swaps: (u64, u64),
}

/// How many generations that serve no more are remembered.
const PAST: usize = 9;

/// The result of an attempt at a new generation.
#[derive(Clone, Debug)]
pub struct Swap {
    /// The generation that serves since.
    pub generation: u64,
    /// From the first notice of a change to the switch, or to the refusal.
    pub took: Duration,
    /// What is wrong, where it was refused.
    pub error: Option<String>,
}

/// A component that serves no new requests, while its last ones end.
pub struct Leaving {
    pub file: String,
    pub sha256: String,
    pub generation: u64,
    pub isolation: instances::Isolation,
    core: Weak<instances::PoolInner>,
}

impl Leaving {
    /// The numbers of its pool. `None`: the pool is gone.
    pub fn stats(&self) -> Option<PoolStats> {
        let core = self.core.upgrade()?;
        let stats = core.stats();
        (stats.instances > 0 || stats.in_flight > 0).then_some(stats)
    }
}

impl Site {
    /// Loads the app for the first time.
    pub async fn open(
        folder: &Path,
        survey: Survey,
        runtime: Runtime,
        overrides: Overrides,
    ) -> Result<Self, Refusal> {
        let first = Generation::load(folder, survey, &runtime, &overrides, None).await?;
        Ok(Self::beginning_with(first, folder, runtime, overrides))
    }

    /// An app that can't be loaded yet. Its generation 0 serves nothing.
    pub fn empty(folder: &Path, runtime: Runtime, overrides: Overrides) -> Result<Self, Refusal> {
        let none = Generation::empty(folder, &overrides)?;
        Ok(Self::beginning_with(none, folder, runtime, overrides))
    }

    fn beginning_with(
        first: Generation,
        folder: &Path,
        runtime: Runtime,
        overrides: Overrides,
    ) -> Self {
        let first = Arc::new(first);
        first.begin();
        let scheduler = Scheduler::default();
        scheduler.follow(&first);
        Self {
            folder: folder.to_path_buf(),
            runtime,
            overrides,
            current: ArcSwap::new(first),
            history: Mutex::default(),
            scheduler,
            ending: watch::Sender::default(),
        }
    }

    /// What overrides its configuration.
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// The app's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The generation that serves now.
    pub fn current(&self) -> arc_swap::Guard<Arc<Generation>> {
        self.current.load()
    }

    /// Loads the folder as a look has found it, without switching to it.
    ///
    /// Files that the look has `held` count as unchanged. With `again`, components that never loaded are tried again.
    /// `None`: nothing has changed.
    pub async fn load_next(
        &self,
        look: &Look<'_>,
        again: bool,
    ) -> Result<Option<Generation>, Refusal> {
        let current = self.current.load_full();
        let previous = Previous {
            generation: &current,
            held: look.held(),
            again,
        };
        let (folder, runtime) = (&self.folder, &self.runtime);
        let survey = look.survey().clone();
        let next =
            Generation::load(folder, survey, runtime, &self.overrides, Some(previous)).await?;
        let is_new = current.number == 0 || !next.is_like(&current);
        Ok(is_new.then_some(next))
    }

    /// Switches. From here on, new requests go to `next`.
    pub fn switch(&self, next: Generation, took: Duration) {
        let number = next.number;
        let mut history = self.history();
        // Under the lock, so that the status never has the new number with the old history.
        let old = self.current.swap(Arc::new(next));
        let new = self.current.load();
        let mut gone = Vec::new();
        for component in old.components.values() {
            let kept = new.components.get(&component.file);
            if !kept.is_some_and(|kept| Arc::ptr_eq(kept, component)) {
                // Its requests go on, and nothing else does.
                if let Some(pool) = component.pool() {
                    pool.window().end(None);
                    gone.push((pool, kept.and_then(|kept| kept.pool())));
                }
                history.leaving.extend(leaving(component));
            }
        }
        new.begin();
        gone.into_iter()
            .for_each(|(pool, heir)| pool.hand_over(heir));
        self.scheduler.follow(&new);
        history.swaps.0 += 1;
        history.past.truncate(PAST - 1);
        let requests = old.app.meters.requests.clone();
        history.past.push_front((old.number, requests));
        history.leaving.retain(|leaving| leaving.stats().is_some());
        history.refused.clear();
        history.last_swap = Some(Swap {
            generation: number,
            took,
            error: None,
        });
    }

    /// Tells all instances that the server ends, and `by` when. Returns the window of each component, with its
    /// background tasks, by the component's name.
    pub fn end(&self, by: Instant) -> Vec<(String, Arc<ServingWindow>)> {
        self.scheduler.end(by);
        self.ending.send_replace(Some(by));
        self.runtime.services.sockets.end();
        let history = self.history();
        let current = self.current.load();
        let serving = current.components.values().filter_map(|component| {
            let window = component.pool()?.window();
            Some((component.file.clone(), window.clone()))
        });
        let leaving = history.leaving.iter().filter_map(|leaving| {
            let core = leaving.core.upgrade()?;
            Some((leaving.file.clone(), core.window().clone()))
        });
        let all: Vec<_> = serving.chain(leaving).collect();
        all.iter().for_each(|(_, window)| window.end(Some(by)));
        all
    }

    /// Waits until the server ends, and says by when.
    pub async fn ending(&self) -> Instant {
        let mut ending = self.ending.subscribe();
        let by = ending.wait_for(Option::is_some).await;
        match by.ok().and_then(|by| *by) {
            Some(by) => by,
            // Never: the sender is in here.
            None => std::future::pending().await,
        }
    }

    /// What the components share.
    pub fn services(&self) -> &Arc<Services> {
        &self.runtime.services
    }

    /// Notes that the folder did not change.
    pub fn keep(&self, took: Duration) {
        let mut history = self.history();
        history.refused.clear();
        history.last_swap = Some(Swap {
            generation: self.current.load().number,
            took,
            error: None,
        });
    }

    /// Notes that the folder as it is now was refused.
    pub fn refuse(&self, refusal: &Refusal, took: Duration) {
        let mut history = self.history();
        history.swaps.1 += 1;
        history.refused = refusal.by_component(&self.folder);
        history.last_swap = Some(Swap {
            generation: self.current.load().number,
            took,
            error: Some(refusal.to_string()),
        });
    }

    /// The records of the schedules.
    pub fn schedules(&self) -> Vec<Record> {
        self.scheduler.records()
    }

    /// The counters since the start.
    pub fn metrics(&self) -> &Metrics {
        &self.runtime.services.metrics
    }

    /// How many requests the last generations had, the current one first.
    pub fn requests(&self) -> Vec<(u64, u64)> {
        let history = self.history();
        let current = self.current.load();
        let requests = &current.app.meters.requests;
        let mut counts = vec![(current.number, requests.sum())];
        let past = history.past.iter();
        counts.extend(past.map(|(number, requests)| (*number, requests.sum())));
        counts
    }

    /// How many changes were loaded, and how many were refused.
    pub fn swaps(&self) -> (u64, u64) {
        self.history().swaps
    }

    /// Reads the current generation together with the history of swaps.
    pub fn survey<R>(
        &self,
        look: impl FnOnce(&Generation, Option<&Swap>, &BTreeMap<String, String>, &[Leaving]) -> R,
    ) -> R {
        let history = self.history();
        let current = self.current.load();
        look(
            &current,
            history.last_swap.as_ref(),
            &history.refused,
            &history.leaving,
        )
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn leaving(component: &Component) -> Option<Leaving> {
    let State::Serving { pool, .. } = &component.state else {
        return None;
    };
    Some(Leaving {
        file: component.file.clone(),
        sha256: component.sha256.clone(),
        generation: component.generation,
        isolation: component.settings.isolation,
        core: Arc::downgrade(pool.core()),
    })
}
