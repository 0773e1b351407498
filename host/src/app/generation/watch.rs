//! Notices changes in an app's folder, by events of the system, and by looking at all files now and then. Reads no
//! file.

mod folders;
mod signs;
mod static_folders;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::Event;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use tokio::sync::Notify;

use super::survey::Survey;
use crate::base::mark::Mark;
use crate::services::static_files::Place;
use folders::{Folders, Meaning};
use signs::{QUIET, Signs, TELLS_OF_CLOSING, Weight};
use static_folders::StaticFolders;

pub use signs::{AWAY, Held};

/// How often everything is looked at. The system reports no changes of links and mounts, and none of folders that
/// replace others.
const EVERY: Duration = Duration::from_secs(1);

/// Watches an app as long as this exists.
pub struct Watch {
    shared: Arc<Shared>,
}

/// What a look on another thread needs.
struct Shared {
    /// The app's folder.
    app: PathBuf,
    /// The paths outside of the app that are looked at.
    others: Mutex<BTreeSet<PathBuf>>,
    static_folders: Mutex<StaticFolders>,
    /// Locked during a glance, so that there is one at a time.
    folders: Mutex<Folders>,
    signal: Arc<Signal>,
}

/// The state of the files, and the wake of the task that waits for changes.
#[derive(Default)]
struct Signal {
    signs: Mutex<Signs>,
    /// Whether an event came that only a glance can explain.
    is_unclear: AtomicBool,
    /// Whether an event came from a static folder since all of them were looked at.
    is_static: AtomicBool,
    changed: Notify,
}

/// A look at all files, from its beginning until it is dropped. There is one at a time.
pub struct Look<'a> {
    watch: &'a Watch,
    began: Instant,
    survey: Survey,
    held: Held,
}

impl Watch {
    /// Watches everything in an app that is part of a generation.
    pub fn app(folder: &Path) -> Self {
        let shared = Shared {
            app: folder.to_owned(),
            folders: Mutex::default(),
            others: Mutex::default(),
            static_folders: Mutex::default(),
            signal: Arc::default(),
        };
        shared.watch_folders(&mut lock(&shared.folders));
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Looks at these files and folders too, in place of those set before. Changes are reported by these paths. Those
    /// in `known` were read in that state.
    pub fn also(
        &self,
        others: BTreeSet<PathBuf>,
        static_folders: BTreeSet<Place>,
        known: Option<&Survey>,
    ) {
        let marks = others.iter().map(|path| {
            let mark = known.and_then(|known| known.mark(path));
            (path.clone(), mark.unwrap_or_else(|| Mark::of(path)))
        });
        let listed = lock(&self.shared.static_folders).set(static_folders, known);
        self.shared.signal.signs().add_to_seen(marks, &listed);
        *lock(&self.shared.others) = others;
    }

    /// Waits for the next change, and returns the time when it was noticed.
    pub async fn changed(&self) -> Instant {
        loop {
            self.newer(None).await;
            if let Some(since) = self.shared.signal.signs().take_since() {
                return since;
            }
        }
    }

    /// Waits until there is a change that was not taken yet, and does not take it. A file that was away already before
    /// `began` is no change.
    async fn newer(&self, began: Option<Instant>) {
        let signal = &self.shared.signal;
        let mut glance_at = Instant::now() + EVERY;
        loop {
            let sign = signal.changed.notified();
            let now = Instant::now();
            let (due_at, is_to_be_looked_at) = {
                let mut signs = signal.signs();
                signs.settle(now, began, |path| self.shared.is_empty(path));
                if signs.since().is_some() {
                    return;
                }
                (signs.due_at(began), signs.is_to_be_looked_at())
            };
            if is_to_be_looked_at {
                // So a writer that goes on is seen before its file counts as complete.
                glance_at = glance_at.min(now + QUIET / 2);
            }
            if signal.is_unclear.swap(false, SeqCst) || now >= glance_at {
                self.glance(false).await;
                glance_at = Instant::now() + EVERY;
                continue;
            }
            let until = due_at.map_or(glance_at, |at| at.min(glance_at));
            // Both the time and a sign lead to a look at everything.
            let _ = tokio::time::timeout_at(until.into(), sign).await;
        }
    }

    /// Looks at everything, on a thread of its own.
    async fn glance(&self, is_look: bool) {
        let shared = self.shared.clone();
        let glance = tokio::task::spawn_blocking(move || shared.glance(is_look));
        // A glance that was interrupted has seen nothing new.
        let _ = glance.await;
    }

    /// Begins a look at all files.
    pub async fn look(&self) -> Look<'_> {
        let began = Instant::now();
        self.glance(true).await;
        let signs = self.shared.signal.signs();
        Look {
            watch: self,
            began,
            survey: signs.seen().cloned().unwrap_or_else(Survey::nothing),
            held: signs.held(),
        }
    }
}

impl Look<'_> {
    /// The state of all files when it began.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The files that are to be left alone.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Waits for a change after it began.
    pub async fn newer(&self) {
        self.watch.newer(Some(self.began)).await;
    }

    /// Whether such a file was written since it began. Then the file may have been read in the middle of a write, and
    /// its change will be reported.
    pub fn was_touched(&self, which: impl Fn(&Path) -> bool) -> bool {
        let signs = self.watch.shared.signal.signs();
        signs.touched().any(which)
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.watch.shared.signal.signs().end_look();
    }
}

impl Shared {
    /// Looks at all files, and checks that the watched folders are still the right ones. With `is_look`, a look
    /// begins.
    fn glance(&self, is_look: bool) {
        let mut folders = lock(&self.folders);
        self.watch_folders(&mut folders);
        let told = match is_look {
            true => self.signal.signs().begin_look(),
            false => HashSet::new(),
        };
        let others = lock(&self.others).clone();
        let survey = Survey::take(&self.app, &others);
        let must_look =
            self.signal.is_static.swap(false, SeqCst) || self.signal.signs().is_to_be_looked_at();
        let listed = lock(&self.static_folders).look(must_look);
        let survey = survey.with_static_folders(listed);
        self.signal.signs().compare(survey, Instant::now(), &told);
    }

    /// Whether a file is empty.
    fn is_empty(&self, path: &Path) -> bool {
        let file = std::fs::metadata(self.app.join(path));
        file.is_ok_and(|file| file.is_file() && file.len() == 0)
    }

    /// Watches the folders that must be watched now.
    fn watch_folders(&self, folders: &mut Folders) {
        let others = lock(&self.others).clone();
        let trees = lock(&self.static_folders).places();
        let signal = self.signal.clone();
        let places = folders.places.clone();
        let hear = move |event: notify::Result<Event>| match event {
            Ok(event) if !event.need_rescan() => {
                for path in &event.paths {
                    let (weight, has_left) = (weigh(&event.kind), has_left(&event.kind));
                    match lock(&places).meaning(path, has_left) {
                        Meaning::File(path) => signal.note(path, weight),
                        Meaning::Static(path) if weight != Weight::Nothing => {
                            signal.is_static.store(true, SeqCst);
                            signal.note(path, weight);
                        }
                        Meaning::Static(_) => {}
                        Meaning::Unclear if weight != Weight::Nothing => signal.is_unclear(),
                        Meaning::Unclear | Meaning::Nothing => {}
                    }
                }
            }
            _ => {
                let mut signs = signal.signs();
                signs.lose_track(Instant::now());
                signs.note_anything(Instant::now());
                drop(signs);
                signal.is_unclear();
            }
        };
        if folders.follow(&self.app, &others, &trees, hear) {
            // A writer may have begun in a folder that is not watched any more.
            self.signal.signs().lose_track(Instant::now());
        }
    }
}

impl Signal {
    fn signs(&self) -> MutexGuard<'_, Signs> {
        lock(&self.signs)
    }

    fn note(&self, path: PathBuf, weight: Weight) {
        if weight != Weight::Nothing {
            self.signs().note(path, weight, Instant::now());
            self.changed.notify_one();
        }
    }

    fn is_unclear(&self) {
        self.is_static.store(true, SeqCst);
        self.is_unclear.store(true, SeqCst);
        self.changed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn weigh(event: &EventKind) -> Weight {
    match event {
        // Both names were reported already.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) if TELLS_OF_CLOSING => {
            Weight::Nothing
        }
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Weight::Done,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
            Weight::Gone
        }
        EventKind::Access(_) => Weight::Nothing,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Metadata(_) | ModifyKind::Name(_)) => {
            Weight::Perhaps
        }
        _ => Weight::Writing,
    }
}

/// Whether an event says that a path is empty now.
fn has_left(event: &EventKind) -> bool {
    weigh(event) == Weight::Gone
}
