//! Notices that an app's folder has changed: a rename at once, a write when its writer has closed the file. Reads
//! nothing in it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::config;
use crate::error::Error;

/// How long a file must be left alone where the system does not tell that its writer has closed it.
const QUIET: Duration = Duration::from_millis(200);

/// The folders in an app whose contents are part of a generation.
const FOLDERS: [&str; 3] = ["handlers", "templates", "static"];

/// Watches some folders as long as it lives.
pub struct Watch {
    watcher: Mutex<RecommendedWatcher>,
    folders: Vec<(PathBuf, RecursiveMode)>,
    signal: Arc<Signal>,
}

#[derive(Default)]
struct Signal {
    state: Mutex<Pending>,
    changed: Notify,
}

#[derive(Default)]
struct Pending {
    /// When the change was noticed that nobody has asked for yet.
    since: Option<Instant>,
    /// The last sign of a write whose end the system may not tell.
    writing: Option<Instant>,
}

impl Watch {
    /// Watches all of an app that is part of a generation.
    pub fn app(folder: &Path) -> Result<Self, Error> {
        let app = real(folder)?;
        let mut folders = vec![(app.clone(), RecursiveMode::NonRecursive)];
        folders.extend(FOLDERS.map(|name| (app.join(name), RecursiveMode::Recursive)));
        Self::new(folders, move |path| is_of_app(&app, path))
    }

    /// Watches the sources of Rust packages: their manifests, and what lies in `src`.
    pub fn sources(packages: &[PathBuf]) -> Result<Self, Error> {
        let mut folders = Vec::new();
        for package in packages {
            let package = real(package)?;
            folders.push((package.join("src"), RecursiveMode::Recursive));
            folders.push((package, RecursiveMode::NonRecursive));
        }
        Self::new(folders, |path| {
            path.extension()
                .is_some_and(|extension| extension == "rs" || extension == "toml")
        })
    }

    fn new(
        folders: Vec<(PathBuf, RecursiveMode)>,
        matters: impl Fn(&Path) -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        let signal = Arc::new(Signal::default());
        let seen = signal.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // A lost event may have been any.
            seen.note(event.map_or(Weight::Done, |event| weigh(&event, &matters)));
        });
        let watch = Self {
            watcher: Mutex::new(
                watcher.map_err(|error| Error::host("no file can be watched", error))?,
            ),
            folders,
            signal,
        };
        watch.watch_folders();
        Ok(watch)
    }

    /// Waits for the next change, and tells when it was noticed.
    pub async fn changed(&self) -> Instant {
        loop {
            let quiet_at = {
                let mut pending = self.signal.pending();
                if let Some(since) = pending.since.take() {
                    pending.writing = None;
                    drop(pending);
                    // Folders come and go with changes.
                    self.watch_folders();
                    return since;
                }
                pending.writing.map(|last| last + QUIET)
            };
            let Some(quiet_at) = quiet_at else {
                self.signal.changed.notified().await;
                continue;
            };
            let sign = self.signal.changed.notified();
            if tokio::time::timeout_at(quiet_at.into(), sign)
                .await
                .is_err()
            {
                let mut pending = self.signal.pending();
                if pending.writing.is_some_and(|last| last.elapsed() >= QUIET) {
                    pending.since = pending.writing.take();
                }
            }
        }
    }

    fn watch_folders(&self) {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        for (folder, mode) in &self.folders {
            // One that is watched already is watched on; one that is not there may come later.
            let _ = watcher.watch(folder, *mode);
        }
    }
}

impl Signal {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, weight: Weight) {
        let mut pending = self.pending();
        match weight {
            Weight::Nothing => return,
            Weight::Writing => pending.writing = Some(Instant::now()),
            Weight::Done => {
                pending.since.get_or_insert_with(Instant::now);
            }
        }
        drop(pending);
        self.changed.notify_one();
    }
}

/// What an event is worth.
enum Weight {
    Nothing,
    /// A write that may go on.
    Writing,
    Done,
}

fn weigh(event: &Event, matters: impl Fn(&Path) -> bool) -> Weight {
    if !event.paths.iter().any(|path| matters(path)) {
        return Weight::Nothing;
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Create(CreateKind::Folder)
        | EventKind::Remove(_) => Weight::Done,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => Weight::Nothing,
        _ => Weight::Writing,
    }
}

fn is_of_app(app: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(app) else {
        return false;
    };
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let first = inside.iter().next().and_then(|first| first.to_str());
    !hidden && first.is_some_and(|first| first == config::FILE_NAME || FOLDERS.contains(&first))
}

/// The path that the system's events name.
fn real(folder: &Path) -> Result<PathBuf, Error> {
    folder
        .canonicalize()
        .map_err(|error| Error::host(format!("{} can't be watched", folder.display()), error))
}
