//! Notices that an app's folder has changed: a rename at once, a write when its writer has closed the file. Reads
//! nothing in it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::config;
use crate::error::Error;

/// How long a file must be left alone where the system does not tell that its writer has closed it.
const QUIET: Duration = Duration::from_millis(200);

/// The folder in an app where its components are.
const HANDLERS: &str = "handlers";

/// The folders in an app whose contents are part of a generation.
const FOLDERS: [&str; 3] = [HANDLERS, "templates", "static"];

/// Whether the system tells when a writer has closed its file.
const TELLS_OF_CLOSING: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Watches some folders as long as it lives.
pub struct Watch {
    watcher: Mutex<RecommendedWatcher>,
    /// Where paths begin.
    root: PathBuf,
    folders: Vec<(PathBuf, RecursiveMode)>,
    /// Files elsewhere that matter as well.
    others: Arc<Mutex<HashSet<PathBuf>>>,
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
    /// Whether a folder may have come since all were last watched.
    new_folders: bool,
    /// Files that somebody is writing.
    open: HashMap<PathBuf, Writing>,
    /// What was written, or came or went, since the look began that is under way.
    touched: Option<HashSet<PathBuf>>,
}

/// A look at what is watched, from its beginning until it is dropped. There is one at a time.
pub struct Look<'a> {
    signal: &'a Signal,
    open: HashSet<PathBuf>,
}

/// What will end a write.
#[derive(Clone, Copy)]
enum Writing {
    /// The writer's closing.
    UntilClosed,
    /// No sign for a while, after this last one.
    UntilQuiet(Instant),
}

impl Watch {
    /// Watches all of an app that is part of a generation.
    pub fn app(folder: &Path) -> Result<Self, Error> {
        let app = real(folder)?;
        let mut folders = vec![(app.clone(), RecursiveMode::NonRecursive)];
        folders.extend(FOLDERS.map(|name| (app.join(name), RecursiveMode::Recursive)));
        Self::new(app.clone(), folders, move |path| {
            let inside = path.strip_prefix(&app).ok()?;
            is_of_app(inside).then(|| inside.to_path_buf())
        })
    }

    /// Watches these files as well, in place of those that it was told of before. What becomes of them is told by
    /// their whole paths.
    pub fn also(&self, files: &[PathBuf]) {
        let mut watcher = lock(&self.watcher);
        let mut others = HashSet::new();
        for file in files {
            let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
                continue;
            };
            let Ok(folder) = folder.canonicalize() else {
                continue;
            };
            if !self.folders.iter().any(|(watched, _)| *watched == folder) {
                watch(&mut watcher, &folder, RecursiveMode::NonRecursive);
            }
            others.insert(folder.join(name));
        }
        *lock(&self.others) = others;
    }

    /// Watches the sources of Rust packages: their manifests, and what lies in `src`.
    pub fn sources(packages: &[PathBuf]) -> Result<Self, Error> {
        let mut folders = Vec::new();
        for package in packages {
            let package = real(package)?;
            folders.push((package.join("src"), RecursiveMode::Recursive));
            folders.push((package, RecursiveMode::NonRecursive));
        }
        Self::new(PathBuf::new(), folders, |path| {
            let extension = path.extension()?;
            (extension == "rs" || extension == "toml").then(|| path.to_path_buf())
        })
    }

    fn new(
        root: PathBuf,
        folders: Vec<(PathBuf, RecursiveMode)>,
        matters: impl Fn(&Path) -> Option<PathBuf> + Send + 'static,
    ) -> Result<Self, Error> {
        let signal = Arc::new(Signal::default());
        let seen = signal.clone();
        let others = Arc::<Mutex<HashSet<PathBuf>>>::default();
        let known = others.clone();
        let matters = move |path: &PathBuf| {
            matters(path).or_else(|| is_one_of(&lock(&known), path).then(|| path.clone()))
        };
        let watcher =
            notify::recommended_watcher(move |event: notify::Result<Event>| match event {
                Ok(event) if !event.need_rescan() => {
                    let weight = weigh(&event.kind);
                    for path in &event.paths {
                        if let Some(known) = matters(path) {
                            seen.note(known, weight, may_bring_folder(&event.kind, path));
                        }
                    }
                }
                _ => seen.note_anything(),
            });
        let watch = Self {
            watcher: Mutex::new(
                watcher.map_err(|error| Error::host("no file can be watched", error))?,
            ),
            root,
            folders,
            others,
            signal,
        };
        watch.watch_folders();
        Ok(watch)
    }

    /// Waits for the next change, and tells when it was noticed.
    pub async fn changed(&self) -> Instant {
        loop {
            self.newer().await;
            let (noticed, new_folders) = self.signal.pending().take();
            if new_folders {
                self.watch_folders();
            }
            if let Some(since) = noticed {
                return since;
            }
        }
    }

    /// Waits until there is a change that nobody has asked for yet, and leaves it at that.
    pub async fn newer(&self) {
        loop {
            let sign = self.signal.changed.notified();
            let quiet_at = {
                let pending = self.signal.pending();
                if pending.since.is_some() {
                    return;
                }
                pending.quiet_at()
            };
            match quiet_at {
                None => sign.await,
                Some(at) => {
                    if tokio::time::timeout_at(at.into(), sign).await.is_err() {
                        self.signal.pending().end_what_is_quiet(&self.root);
                    }
                }
            }
        }
    }

    /// Begins a look at what is watched.
    pub fn look(&self) -> Look<'_> {
        let mut pending = self.signal.pending();
        pending.touched = Some(HashSet::new());
        Look {
            signal: &self.signal,
            open: pending.open.keys().cloned().collect(),
        }
    }

    fn watch_folders(&self) {
        let mut watcher = lock(&self.watcher);
        for (folder, mode) in &self.folders {
            if !watch(&mut watcher, folder, *mode) {
                // Until it can be.
                self.signal.pending().new_folders = true;
            }
        }
    }
}

/// Watches a folder. One that is watched already is watched on; one that is not there may come later. Tells whether it
/// is not there or watched.
fn watch(watcher: &mut RecommendedWatcher, folder: &Path, mode: RecursiveMode) -> bool {
    if let Err(error) = watcher.watch(folder, mode)
        && folder.exists()
    {
        let folder = folder.display();
        tracing::warn!(target: "general", "{folder} can't be watched, so a change needs a SIGHUP: {error}");
        return false;
    }
    true
}

/// Whether this is one of the files, or what the links to all of a folder go through (Kubernetes calls it `..data`).
fn is_one_of(files: &HashSet<PathBuf>, path: &Path) -> bool {
    let is_beside = || {
        let hidden = path.file_name().and_then(|name| name.to_str());
        hidden.is_some_and(|name| name.starts_with(".."))
            && files.iter().any(|file| file.parent() == path.parent())
    };
    files.contains(path) || is_beside()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Look<'_> {
    /// Which files somebody was writing when it began, so that they had better be left alone.
    pub fn open(&self) -> &HashSet<PathBuf> {
        &self.open
    }

    /// Whether such a file was written since it began. Then what was seen of it may have been half of it, and its
    /// change is yet to be told.
    pub fn was_touched(&self, which: impl Fn(&Path) -> bool) -> bool {
        let pending = self.signal.pending();
        pending.touched.iter().flatten().any(|path| which(path))
    }
}

impl Drop for Look<'_> {
    /// What nobody asks for is not kept: there is no end to the names of files.
    fn drop(&mut self) {
        self.signal.pending().touched = None;
    }
}

impl Signal {
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        lock(&self.state)
    }

    fn note(&self, path: PathBuf, weight: Weight, new_folder: bool) {
        let mut pending = self.pending();
        pending.new_folders |= new_folder;
        match weight {
            Weight::Nothing => return,
            Weight::Writing => {
                let writing = match TELLS_OF_CLOSING {
                    true => Writing::UntilClosed,
                    false => Writing::UntilQuiet(Instant::now()),
                };
                pending.open.insert(path.clone(), writing);
            }
            Weight::Perhaps => {
                let quiet = Writing::UntilQuiet(Instant::now());
                let writing = pending.open.entry(path.clone()).or_insert(quiet);
                if matches!(writing, Writing::UntilQuiet(_)) {
                    *writing = quiet;
                }
            }
            Weight::Done => {
                pending.since.get_or_insert_with(Instant::now);
                // Of a folder that went, nothing below it will be told.
                pending.open.retain(|open, _| !open.starts_with(&path));
            }
        }
        if weight != Weight::Perhaps
            && let Some(touched) = &mut pending.touched
        {
            touched.insert(path);
        }
        drop(pending);
        self.changed.notify_one();
    }

    /// Notes that signs were lost.
    fn note_anything(&self) {
        let mut pending = self.pending();
        pending.open.clear();
        pending.new_folders = true;
        pending.since.get_or_insert_with(Instant::now);
        drop(pending);
        self.changed.notify_one();
    }
}

impl Pending {
    /// When a change was noticed, if there is one, and whether a folder may have come with it.
    fn take(&mut self) -> (Option<Instant>, bool) {
        (self.since.take(), std::mem::take(&mut self.new_folders))
    }

    /// When the first file will have been left alone for long enough.
    fn quiet_at(&self) -> Option<Instant> {
        let last_signs = self.open.values().filter_map(|writing| match writing {
            Writing::UntilClosed => None,
            Writing::UntilQuiet(last) => Some(*last + QUIET),
        });
        last_signs.min()
    }

    fn end_what_is_quiet(&mut self, root: &Path) {
        let before = self.open.len();
        self.open.retain(|path, writing| match writing {
            Writing::UntilClosed => true,
            Writing::UntilQuiet(last) if last.elapsed() < QUIET => true,
            Writing::UntilQuiet(_) => {
                // Nobody links an empty file: somebody has made it and is about to write.
                let empty = std::fs::metadata(root.join(path)).is_ok_and(|file| file.len() == 0);
                *writing = Writing::UntilClosed;
                TELLS_OF_CLOSING && empty
            }
        });
        if self.open.len() < before {
            self.since.get_or_insert_with(Instant::now);
        }
    }
}

/// What an event is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Nothing,
    /// A write, which goes on until its end is told where the system does so.
    Writing,
    /// The beginning of a write, or all that will be told: of a link nobody tells the end.
    Perhaps,
    Done,
}

fn weigh(event: &EventKind) -> Weight {
    match event {
        // It was told of both names already.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) if TELLS_OF_CLOSING => {
            Weight::Nothing
        }
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Create(CreateKind::Folder)
        | EventKind::Remove(_) => Weight::Done,
        EventKind::Access(_) => Weight::Nothing,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Metadata(_)) => Weight::Perhaps,
        _ => Weight::Writing,
    }
}

/// Whether there may be a folder since this event that was not watched before it. Where one went, another may have
/// come already; and a link to one comes as a file.
fn may_bring_folder(event: &EventKind, path: &Path) -> bool {
    match event {
        EventKind::Remove(_) => true,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) => path.is_dir(),
        _ => false,
    }
}

/// Whether this path within the app is part of a generation.
fn is_of_app(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();
    !hidden
        && match names[..] {
            [config::FILE_NAME] => true,
            [HANDLERS, file] => file.ends_with(".wasm"),
            [HANDLERS, ..] => names.len() == 1,
            [first, ..] => FOLDERS.contains(&first),
            [] => false,
        }
}

/// The path that the system's events name.
fn real(folder: &Path) -> Result<PathBuf, Error> {
    folder
        .canonicalize()
        .map_err(|error| Error::host(format!("{} can't be watched", folder.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far longer than anything here takes.
    const LONG: Duration = Duration::from_secs(30);

    fn app() -> (tempfile::TempDir, Watch) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(HANDLERS)).unwrap();
        let watch = Watch::app(folder.path()).unwrap();
        (folder, watch)
    }

    /// Of a link, no end is ever told. Whoever is busy with something older has to hear of it all the same.
    #[tokio::test]
    async fn a_link_is_something_newer() {
        let (folder, watch) = app();
        let aside = folder.path().join("aside");
        std::fs::write(&aside, "a component").unwrap();
        std::fs::hard_link(&aside, folder.path().join("handlers/linked.wasm")).unwrap();
        tokio::time::timeout(LONG, watch.newer()).await.unwrap();
        tokio::time::timeout(LONG, watch.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_touched_is_kept_only_for_a_look() {
        let (folder, watch) = app();
        let write = async |name: &str| {
            std::fs::write(folder.path().join("handlers").join(name), "a component").unwrap();
            tokio::time::timeout(LONG, watch.changed()).await.unwrap();
        };
        write("before.wasm").await;
        assert!(watch.signal.pending().touched.is_none());
        let look = watch.look();
        write("meanwhile.wasm").await;
        assert!(look.was_touched(|path| path == Path::new("handlers/meanwhile.wasm")));
        assert!(!look.was_touched(|path| path == Path::new("handlers/before.wasm")));
        drop(look);
        write("after.wasm").await;
        assert!(watch.signal.pending().touched.is_none());
    }
}
