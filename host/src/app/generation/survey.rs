//! The files that an app is read from, at one moment: which exist, and the `Mark` of each. Lists and looks; reads no
//! file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::handlers_folder;
use super::program;
use crate::base::mark::{Mark, is_missing};
use crate::config;
use crate::services::static_files::{Listed, Place};

/// How many files it looks at. An app with more is refused when it is read.
const MAX_FILES: usize = 20_000;

/// The files that exist, by their paths. Files in the app have paths relative to it, others as they were asked for.
#[derive(Clone, Debug)]
pub struct Survey {
    taken: SystemTime,
    /// The app's folder has the empty path. An entry in `handlers/` is here even if its link leads nowhere.
    files: BTreeMap<PathBuf, Mark>,
    /// The static folders. Their files have the paths of their folders before their own.
    static_folders: BTreeMap<Place, Listed>,
    /// The error, if the components can't be listed.
    unlisted: Option<String>,
}

impl Survey {
    /// Looks at an app, and at these files and folders elsewhere.
    pub fn take(app: &Path, others: &BTreeSet<PathBuf>) -> Self {
        let mut survey = Self {
            taken: SystemTime::now(),
            files: BTreeMap::new(),
            static_folders: BTreeMap::new(),
            unlisted: None,
        };
        for path in [root(), handlers(), config::FILE_NAME.into()] {
            let mark = Mark::of(&app.join(&path));
            survey.insert(path, mark);
        }
        if let Err(error) = survey.list_components(app)
            && (!is_missing(&error) || survey.has(&handlers()))
        {
            survey.unlisted = Some(error.to_string());
        }
        for path in others {
            survey.look_at(path);
        }
        survey
    }

    /// A survey of nothing: no file is known.
    pub fn nothing() -> Self {
        Self {
            taken: SystemTime::UNIX_EPOCH,
            files: BTreeMap::new(),
            static_folders: BTreeMap::new(),
            unlisted: Some("nobody has looked".to_owned()),
        }
    }

    fn list_components(&mut self, app: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(handlers_folder(app))?.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if is_component(name) {
                let mark = Mark::of(&entry.path());
                self.files.insert(component_path(name), mark);
            }
        }
        for app in program::folders(&handlers_folder(app)) {
            if let Some(name) = app.file_name() {
                self.list_sources(&app, &handlers().join(name));
            }
        }
        Ok(())
    }

    /// Lists a Python app, or a folder in it. What can't be listed is found out when it is read.
    fn list_sources(&mut self, folder: &Path, inside: &Path) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let path = inside.join(entry.file_name());
            if self.files.len() > MAX_FILES || !program::is_source(&path) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.list_sources(&entry.path(), &path);
            } else {
                self.files.insert(path, Mark::of(&entry.path()));
            }
        }
    }

    /// Looks at a file or a folder elsewhere.
    pub fn look_at(&mut self, path: &Path) {
        self.insert(path.to_owned(), Mark::of(path));
    }

    /// Adds static folders that were looked at.
    pub fn with_static_folders(mut self, folders: BTreeMap<Place, Listed>) -> Self {
        self.static_folders = folders;
        self
    }

    /// Adds a static folder that was not looked at yet.
    pub fn insert_static_folder(&mut self, place: Place, listed: Listed) {
        self.static_folders.entry(place).or_insert(listed);
    }

    /// A static folder, if it was looked at.
    pub fn static_folder(&self, place: &Place) -> Option<&Listed> {
        self.static_folders.get(place)
    }

    /// The files in static folders that are not as they are in another survey.
    pub fn static_files_unlike(&self, other: &Survey) -> Vec<(PathBuf, Mark)> {
        let mut unlike = Vec::new();
        for (place, listed) in &self.static_folders {
            let others = other.static_folders.get(place);
            if others.is_some_and(|others| listed.is_same(others)) {
                continue;
            }
            for (path, stamp) in listed.files() {
                let before = others.and_then(|others| others.stamp(Path::new(path)));
                if before != Some(stamp) {
                    unlike.push((place.path.join(path), Mark::File(stamp)));
                }
            }
        }
        unlike
    }

    /// The mark of a file in a static folder.
    fn static_mark(&self, path: &Path) -> Option<Mark> {
        self.static_folders.iter().find_map(|(place, listed)| {
            let inside = path.strip_prefix(&place.path).ok()?;
            listed.stamp(inside).map(Mark::File)
        })
    }

    /// Notes the mark of a path.
    pub fn insert(&mut self, path: PathBuf, mark: Mark) {
        self.files.insert(path, mark);
    }

    /// Forgets a file, which will not be read.
    pub fn forget(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// The mark of a path, if it was looked at.
    pub fn mark(&self, path: &Path) -> Option<Mark> {
        let mark = self.files.get(path).copied();
        mark.or_else(|| self.static_mark(path))
    }

    /// Whether something was at a path, even if the system gave an error.
    pub fn has(&self, path: &Path) -> bool {
        self.mark(path).is_some_and(|mark| mark != Mark::Missing)
    }

    /// Whether a file is as it was `before`, so that it need not be read again.
    pub fn agrees(&self, before: &Survey, path: &Path) -> bool {
        let (now, then) = (self.files.get(path), before.files.get(path));
        now == then
            && now.is_some_and(|mark| mark.is_settled(before.taken) && mark.is_settled(self.taken))
    }

    /// Whether the app's folder was there.
    pub fn has_root(&self) -> bool {
        self.has(&root())
    }

    /// Whether the folders that contain files are the same in both.
    pub fn has_folders_of(&self, other: &Survey) -> bool {
        [root(), handlers()]
            .iter()
            .all(|path| self.mark(path) == other.mark(path))
    }

    /// Whether a file at this path would be known.
    pub fn covers(&self, path: &Path) -> bool {
        match path.parent() {
            _ if self.files.contains_key(path) => true,
            Some(parent) if parent.starts_with(handlers()) => self.unlisted.is_none(),
            Some(_) => {
                let mut folders = self.static_folders.iter();
                let is_listed = |listed: &Listed| !matches!(listed, Listed::Wrong(_));
                folders.any(|(place, listed)| path.starts_with(&place.path) && is_listed(listed))
            }
            None => false,
        }
    }

    /// All that it looked at.
    pub fn files(&self) -> impl Iterator<Item = (&Path, Mark)> {
        self.files.iter().map(|(path, mark)| (&**path, *mark))
    }

    /// The names of all components, or the error of listing them.
    pub fn components(&self) -> Result<impl Iterator<Item = String>, &str> {
        match &self.unlisted {
            None => Ok(self.names()),
            Some(error) => Err(error),
        }
    }

    /// The names of Python apps that are a file and a folder.
    pub fn twice(&self) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        self.names()
            .filter(|name| !seen.insert(name.clone()))
            .collect()
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let folder = handlers();
        self.files.keys().filter_map(move |path| {
            let name = path.strip_prefix(&folder).ok()?.to_str()?;
            let is_file = is_component(name) && !name.contains('/');
            is_file
                .then(|| name.to_owned())
                .or_else(|| program::app_of(path))
        })
    }
}

/// The app's folder, as a path below it.
fn root() -> PathBuf {
    PathBuf::new()
}

/// The folder of its components.
pub fn handlers() -> PathBuf {
    handlers_folder(&root())
}

/// Where in an app a component is.
pub fn component_path(file: &str) -> PathBuf {
    handlers().join(file)
}

/// Whether a file in `handlers/` is a component or a Python app, by its name.
pub fn is_component(name: &str) -> bool {
    let end = Path::new(name).extension();
    end.is_some_and(|end| end == "wasm" || end == "py") && !name.starts_with('.')
}
