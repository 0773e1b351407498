//! Which folders the system watches, and what the paths in its events mean. A folder that replaces another is watched
//! in its place. Where watching fails, that is logged once and tried again.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::lock;
use crate::app::generation::handlers_folder;
use crate::app::generation::program;
use crate::app::generation::survey::{self, is_component};
use crate::base::mark::{Identity, Mark};
use crate::config;
use crate::services::static_files::Place;

/// How long to wait before a failed watch is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// The folders in an app, beside those of its components and of its static files, whose contents are part of a
/// generation.
const TREES: [&str; 1] = ["templates"];

/// The folders that are watched. None by default.
#[derive(Default)]
pub struct Folders {
    watcher: Option<RecommendedWatcher>,
    pub places: Arc<Mutex<Places>>,
    /// When to try again what could not be watched.
    retry_at: Option<Instant>,
}

/// The meaning of the paths in events.
#[derive(Default)]
pub struct Places {
    /// The app's folder, by the system's path.
    root: PathBuf,
    /// The folders that are watched, as they were then.
    watched: HashMap<PathBuf, Identity>,
    /// Files outside of the app, by the system's paths.
    others: HashMap<PathBuf, PathBuf>,
    /// The static folders by the system's paths.
    trees: Vec<(PathBuf, Place)>,
}

/// The meaning of a path.
pub enum Meaning {
    /// It is this file.
    File(PathBuf),
    /// It is in a static folder, and may be this file.
    Static(PathBuf),
    /// It may have moved several files.
    Unclear,
    Nothing,
}

/// The folders to be watched now, the most important first. Links inside of them are not followed.
fn wanted(
    app: &Path,
    others: &HashMap<PathBuf, PathBuf>,
    static_folders: &[(PathBuf, Place)],
) -> Vec<(PathBuf, RecursiveMode)> {
    let mut folders = Vec::new();
    if let Ok(root) = app.canonicalize() {
        folders.push((root.clone(), RecursiveMode::NonRecursive));
        folders.push((handlers_folder(&root), RecursiveMode::NonRecursive));
        let programs = program::folders(&handlers_folder(&root)).into_iter();
        folders.extend(programs.map(|folder| (folder, RecursiveMode::Recursive)));
        let trees = TREES.map(|name| (root.join(name), RecursiveMode::Recursive));
        folders.extend(trees);
    }
    for (folder, _) in static_folders {
        // One that is in another is watched with that.
        let is_in_another =
            |(other, _): &(PathBuf, Place)| folder != other && folder.starts_with(other);
        if !static_folders.iter().any(is_in_another)
            && !folders.iter().any(|(other, _)| other == folder)
        {
            folders.push((folder.clone(), RecursiveMode::Recursive));
        }
    }
    let parents: BTreeSet<_> = others.keys().filter_map(|path| path.parent()).collect();
    for parent in parents {
        if !folders.iter().any(|(folder, _)| folder == parent) {
            folders.push((parent.to_owned(), RecursiveMode::NonRecursive));
        }
    }
    folders
}

impl Folders {
    /// Watches the folders that an app needs now, and no others. Returns whether one of them was not watched before,
    /// or has been replaced.
    pub fn follow(
        &mut self,
        app: &Path,
        others: &BTreeSet<PathBuf>,
        static_folders: &[Place],
        hear: impl FnMut(notify::Result<Event>) + Send + 'static,
    ) -> bool {
        let others = real_paths(others);
        let static_folders = static_folders.iter();
        let static_folders = static_folders
            .filter_map(|place| Some((place.path.canonicalize().ok()?, place.clone())));
        let trees: Vec<(PathBuf, Place)> = static_folders.collect();
        let wanted = wanted(app, &others, &trees);
        let wanted = wanted.into_iter().filter_map(|(folder, mode)| {
            match Mark::of(&folder) {
                Mark::Folder(identity) => Some((folder, mode, identity)),
                // It may come later.
                _ => None,
            }
        });
        let wanted: Vec<_> = wanted.collect();
        let stale: Vec<PathBuf> = {
            let mut places = lock(&self.places);
            if let Ok(root) = app.canonicalize() {
                places.root = root;
            }
            places.others = others;
            places.trees = trees;
            let is_wanted = |folder: &PathBuf, was: &Identity| {
                wanted
                    .iter()
                    .any(|(wanted, _, is)| wanted == folder && is == was)
            };
            let stale = places
                .watched
                .extract_if(|folder, was| !is_wanted(folder, was));
            stale.map(|(folder, _)| folder).collect()
        };
        if let Some(watcher) = &mut self.watcher {
            for folder in stale {
                // A folder that is gone is not watched any more anyway.
                let _ = watcher.unwatch(&folder);
            }
        }
        let is_missing = |folder: &PathBuf| !lock(&self.places).watched.contains_key(folder);
        let missing: Vec<_> = wanted
            .into_iter()
            .filter(|(folder, _, _)| is_missing(folder))
            .collect();
        let is_waiting = self.retry_at.is_some_and(|at| Instant::now() < at);
        if missing.is_empty() || is_waiting {
            return false;
        }
        match self.watch(missing, hear) {
            Ok(()) => {
                if self.retry_at.take().is_some() {
                    tracing::info!(target: "general", "files are watched again");
                }
                true
            }
            Err(error) => {
                if self.retry_at.is_none() {
                    tracing::warn!(
                        target: "general",
                        "files can't be watched, so they are looked at once a second: {error}"
                    );
                }
                self.retry_at = Some(Instant::now() + RETRY);
                false
            }
        }
    }

    fn watch(
        &mut self,
        folders: Vec<(PathBuf, RecursiveMode, Identity)>,
        hear: impl FnMut(notify::Result<Event>) + Send + 'static,
    ) -> notify::Result<()> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            None => {
                let config = Config::default().with_follow_symlinks(false);
                self.watcher.insert(RecommendedWatcher::new(hear, config)?)
            }
        };
        for (folder, mode, identity) in folders {
            // Before its first event.
            lock(&self.places).watched.insert(folder.clone(), identity);
            if let Err(error) = watcher.watch(&folder, mode) {
                lock(&self.places).watched.remove(&folder);
                if folder.exists() {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// The system's paths of these files. A path that is no file in an existing folder has none.
fn real_paths(files: &BTreeSet<PathBuf>) -> HashMap<PathBuf, PathBuf> {
    let real = files
        .iter()
        .filter(|path| !path.is_dir())
        .filter_map(|path| {
            let folder = path.parent()?.canonicalize().ok()?;
            Some((folder.join(path.file_name()?), path.clone()))
        });
    real.collect()
}

impl Places {
    /// The meaning of an event's path. `has_left`: nothing is there any more.
    pub fn meaning(&mut self, path: &Path, has_left: bool) -> Meaning {
        if self.watched.contains_key(path) {
            if has_left {
                // The system stops watching it, even if another folder takes its place.
                self.watched.remove(path);
            }
            return Meaning::Unclear;
        }
        if let Some(known) = self.others.get(path) {
            return Meaning::File(known.clone());
        }
        if let Some(meaning) = self.meaning_in_trees(path) {
            return meaning;
        }
        let name = path.file_name().and_then(|name| name.to_str());
        // A link that other links go through (Kubernetes calls it `..data`).
        let is_beside = name.is_some_and(|name| name.starts_with(".."));
        match path.strip_prefix(&self.root).ok().map(meaning_in_app) {
            Some(Meaning::Nothing) | None if is_beside => Meaning::Unclear,
            Some(meaning) => meaning,
            None => Meaning::Nothing,
        }
    }
}

impl Places {
    /// The meaning of a path in a static folder.
    fn meaning_in_trees(&self, path: &Path) -> Option<Meaning> {
        let mut is_below = false;
        for (folder, place) in &self.trees {
            let Ok(inside) = path.strip_prefix(folder) else {
                continue;
            };
            is_below = true;
            let mut names = inside.iter().map(|name| name.as_encoded_bytes());
            if inside
                .iter()
                .any(|name| name.as_encoded_bytes().starts_with(b".."))
            {
                // A link that other links go through.
                return Some(Meaning::Unclear);
            }
            if place.dot_files || !names.any(|name| name.starts_with(b".")) {
                return Some(Meaning::Static(place.path.join(inside)));
            }
        }
        is_below.then_some(Meaning::Nothing)
    }
}

fn meaning_in_app(path: &Path) -> Meaning {
    let name = path.file_name().and_then(|name| name.to_str());
    let (name, folder) = (name.unwrap_or_default(), path.parent());
    let tree = path.iter().next().and_then(|first| first.to_str());
    let is_in_tree = tree.is_some_and(|first| TREES.contains(&first));
    if path == Path::new(config::FILE_NAME)
        || folder == Some(&survey::handlers()) && is_component(name)
        || program::is_source(path)
    {
        Meaning::File(path.to_owned())
    } else if path == survey::handlers()
        || may_be_program(path, folder)
        || TREES.contains(&name) && is_in_tree
        || path == Path::new(config::STATIC_FOLDER)
    {
        Meaning::Unclear
    } else if is_in_tree && !name.starts_with('.') {
        Meaning::File(path.to_owned())
    } else {
        Meaning::Nothing
    }
}

/// Whether a path may be the folder of a Python app.
fn may_be_program(path: &Path, folder: Option<&Path>) -> bool {
    folder == Some(&survey::handlers()) && path.extension().is_none()
}
