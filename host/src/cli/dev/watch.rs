//! Notices that something may have changed in some folders. Does not know whether it has: it reads nothing in them.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// How long there must be no event before a save counts as complete.
const QUIET: Duration = Duration::from_millis(50);

/// How long to wait for that while events go on.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches as long as this exists.
pub struct Watch {
    _watcher: RecommendedWatcher,
    sign: Arc<Notify>,
}

impl Watch {
    /// Watches these folders with all that is in them, and these files, which need not exist yet. A file named `*`
    /// means any folder in its place.
    pub fn of(trees: &BTreeSet<PathBuf>, files: &BTreeSet<PathBuf>) -> notify::Result<Self> {
        let sign = Arc::<Notify>::default();
        let (noticed, matters) = (sign.clone(), matters(trees.clone(), files.clone()));
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let is_nothing = |event: &Event| {
                let is_read = matches!(event.kind, EventKind::Access(access) if !is_end(access));
                is_read || !event.need_rescan() && !event.paths.iter().any(|path| matters(path))
            };
            // Where events were lost, anything may have happened.
            if !event.is_ok_and(|event| is_nothing(&event)) {
                noticed.notify_one();
            }
        })?;
        let is_in_tree = |folder: &Path| trees.iter().any(|tree| folder.starts_with(tree));
        let parents = trees.iter().chain(files).filter_map(|path| path.parent());
        let parents: BTreeSet<&Path> = parents.filter(|folder| !is_in_tree(folder)).collect();
        let parents = parents
            .into_iter()
            .map(|path| (path, RecursiveMode::NonRecursive));
        let trees = trees.iter().map(|tree| (&**tree, RecursiveMode::Recursive));
        for (folder, mode) in parents.chain(trees) {
            match watcher.watch(folder, mode) {
                // What does not exist may come, which the folder above reports.
                Err(error) if !is_absent(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(Self {
            _watcher: watcher,
            sign,
        })
    }

    /// Waits until something may have changed since this began, or since it was last called.
    pub async fn changed(&self) {
        self.sign.notified().await;
        let quiet = async {
            while tokio::time::timeout(QUIET, self.sign.notified())
                .await
                .is_ok()
            {}
        };
        let _ = tokio::time::timeout(PATIENCE, quiet).await;
    }
}

/// Whether a file, by its name, is hidden or a temporary file of an editor.
pub fn is_passing(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with('.') || name.ends_with('~'))
}

fn matters(
    trees: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
) -> impl Fn(&Path) -> bool + Send + 'static {
    // The folders above may come and go, too.
    let above = trees.iter().chain(&files).flat_map(|path| path.ancestors());
    let above: HashSet<PathBuf> = above.map(Path::to_path_buf).collect();
    move |path| {
        let is_below = |tree: &PathBuf| {
            let inside = path.strip_prefix(tree);
            inside.is_ok_and(|inside| !inside.iter().any(|name| is_passing(name.as_ref())))
        };
        let is_newcomer = || {
            let any = path.parent().map(|folder| folder.join("*"));
            any.is_some_and(|any| files.contains(&any)) && !is_passing(path)
        };
        above.contains(path) || trees.iter().any(is_below) || is_newcomer()
    }
}

/// Whether a writer has closed its file.
fn is_end(access: notify::event::AccessKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(access, AccessKind::Close(AccessMode::Write))
}

fn is_absent(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
        ),
        _ => false,
    }
}
