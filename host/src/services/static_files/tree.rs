//! A static folder as a generation has it: each file by its path, those that are the same in another coding, and the
//! versions before. Answers no request.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustc_hash::FxHashMap;

use super::encoded::{ENCODED, is_same};
use super::file::{Opened, Room, StaticFile, open};
use super::listing::{Listing, Place};
use crate::base::mark::Stamp;

/// How many changes of a folder the versions of its small files outlive.
const EDITIONS: u64 = 8;

/// A static folder.
pub struct Tree {
    path: PathBuf,
    listing: Arc<Listing>,
    files: FxHashMap<Box<str>, Entry>,
    /// Versions that other files have replaced, the last first.
    past: HashMap<Box<str>, Vec<Past>>,
    /// Counts the changes of this folder.
    edition: u64,
    /// Whether an equal listing means equal bytes.
    is_settled: bool,
}

/// A file at its path.
#[derive(Clone)]
pub struct Entry {
    pub file: Arc<StaticFile>,
    /// The same file in the codings of `ENCODED`.
    pub encoded: [Option<Arc<StaticFile>>; 3],
}

#[derive(Clone)]
struct Past {
    /// The last edition that had it.
    edition: u64,
    file: Arc<StaticFile>,
}

/// What is at a path.
pub enum Found<'a> {
    File(&'a Entry),
    Folder,
    Nothing,
}

impl Tree {
    /// Reads the files that have changed since `before`. Files that are `held` stay as they were.
    pub(super) fn load(
        place: &Place,
        listing: Arc<Listing>,
        before: Option<&Arc<Tree>>,
        held: &HashSet<PathBuf>,
        room: &mut Room,
    ) -> Result<Arc<Tree>, String> {
        let is_held = |path: &str| !held.is_empty() && held.contains(&place.path.join(path));
        if let Some(before) = before
            && before.is_settled
            && before.listing == listing
        {
            before.take_room(room);
            return Ok(before.clone());
        }
        let mut tree = Tree {
            path: place.path.clone(),
            files: FxHashMap::default(),
            past: HashMap::new(),
            edition: before.map_or(1, |before| before.edition + 1),
            is_settled: true,
            listing: listing.clone(),
        };
        let mut unread = Vec::new();
        for (path, stamp) in &listing.files {
            let known = before.and_then(|before| before.files.get(path));
            let as_before = known.filter(|known| {
                is_held(path) || known.file.is_settled && known.file.stamp == *stamp
            });
            match as_before {
                Some(known) => tree.keep(path, known, *stamp, room),
                // Nothing has read it yet, and it is being written.
                None if is_held(path) => tree.is_settled = false,
                None => unread.push(path),
            }
        }
        for (path, known) in before.iter().flat_map(|before| &before.files) {
            // It is away only for now.
            if !listing.files.contains_key(path) && is_held(path) {
                tree.keep(path, known, known.file.stamp, room);
                tree.is_settled = false;
            }
        }
        for path in unread {
            match StaticFile::read(&listing.root, path, room) {
                Ok(Some(file)) => {
                    tree.is_settled &= file.is_settled && file.stamp == listing.files[path];
                    tree.insert(path, Arc::new(file));
                }
                // It went meanwhile.
                Ok(None) => tree.is_settled = false,
                Err(error) => return Err(format!("`{path}` can't be read: {error}")),
            }
        }
        tree.find_encoded(before);
        if let Some(before) = before {
            if tree.is_like(before) {
                tree.edition = before.edition;
            }
            tree.remember(before, room);
        }
        Ok(Arc::new(tree))
    }

    fn insert(&mut self, path: &str, file: Arc<StaticFile>) {
        let encoded = [None, None, None];
        self.files.insert(path.into(), Entry { file, encoded });
    }

    /// Takes a file over.
    fn keep(&mut self, path: &str, known: &Entry, stamp: Stamp, room: &mut Room) {
        room.take(known.file.kept());
        self.is_settled &= known.file.is_settled && known.file.stamp == stamp;
        self.insert(path, known.file.clone());
    }

    /// Counts the files that are kept in memory already.
    fn take_room(&self, room: &mut Room) {
        for entry in self.files.values() {
            room.take(entry.file.kept());
        }
        for past in self.past.values().flatten() {
            room.take(past.file.kept());
        }
    }

    /// Finds the files that are others in another coding. One that is not, or not any more, is none.
    fn find_encoded(&mut self, before: Option<&Arc<Tree>>) {
        let mut found = Vec::new();
        for path in self.files.keys() {
            let Some((plain, number)) = plain(path) else {
                continue;
            };
            let (Some(of), Some(entry)) = (self.files.get(plain), self.files.get(path)) else {
                continue;
            };
            let was = before.and_then(|before| {
                let was = before.files.get(plain)?;
                let is_known = Arc::ptr_eq(&was.file, &of.file)
                    && Arc::ptr_eq(&before.files.get(path)?.file, &entry.file);
                is_known.then(|| was.encoded[number].is_some())
            });
            let is_same = was.unwrap_or_else(|| is_same(number, &entry.file, &of.file));
            match is_same {
                true => found.push((Box::<str>::from(plain), number, entry.file.clone())),
                false => tracing::debug!(
                    target: "general",
                    "{} is not used in place of {plain}: its contents are not the same",
                    self.path.join(&**path).display()
                ),
            }
        }
        for (plain, number, file) in found {
            if let Some(entry) = self.files.get_mut(&plain) {
                entry.encoded[number] = Some(file);
            }
        }
    }

    /// Keeps what this replaces, as long as there is room, the newest first.
    fn remember(&mut self, before: &Tree, room: &mut Room) {
        let mut past = Vec::new();
        for (path, entry) in &before.files {
            let is_same = |now: &Entry| now.file.version() == entry.file.version();
            let is_gone = !self.files.get(path).is_some_and(is_same);
            if is_gone && entry.file.content.is_some() && entry.file.etag().is_some() {
                let edition = before.edition;
                let file = entry.file.clone();
                past.push((path, Past { edition, file }));
            }
        }
        for (path, all) in &before.past {
            past.extend(all.iter().map(|one| (path, one.clone())));
        }
        past.retain(|(_, one)| one.edition + EDITIONS >= self.edition);
        past.sort_by_key(|(_, one)| std::cmp::Reverse(one.edition));
        for (path, one) in past {
            let all = self.past.entry(path.clone()).or_default();
            let is_new = !all
                .iter()
                .any(|other| other.file.version() == one.file.version());
            if is_new && room.take(one.file.kept()) {
                all.push(one);
            }
        }
    }

    /// What is at a path. One with a `/` at its end can only be a folder.
    pub fn find(&self, path: &str) -> Found<'_> {
        if let Some(entry) = self.files.get(path) {
            return Found::File(entry);
        }
        match self
            .listing
            .folders
            .contains(path.strip_suffix('/').unwrap_or(path))
        {
            true => Found::Folder,
            false => Found::Nothing,
        }
    }

    /// An older version of a file, if it is kept.
    pub fn older(&self, path: &str, version: &str) -> Option<&Arc<StaticFile>> {
        let past = self.past.get(path)?.iter();
        let mut files = past.map(|past| &past.file);
        files.find(|file| file.version() == Some(version))
    }

    /// The version of a file. `None`: there is no such file, or its hash is not known.
    pub fn version(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.file.version()
    }

    /// Opens a file as it is now.
    pub fn open(&self, path: &str) -> io::Result<Option<Opened>> {
        match open(&self.listing.root, path)? {
            Some(opened) => Ok(Some(opened)),
            // Another folder may have the place by now.
            None => match Dir::open_ambient_dir(&self.path, ambient_authority()) {
                Ok(root) => open(&root, path),
                Err(_) => Ok(None),
            },
        }
    }

    /// Whether one of its files is held.
    pub(super) fn is_held(&self, place: &Place, held: &HashSet<PathBuf>) -> bool {
        held.iter().any(|path| path.starts_with(&place.path))
    }

    pub(super) fn is_like(&self, other: &Tree) -> bool {
        let mut own = self.files.iter();
        self.files.len() == other.files.len()
            && own.all(|(path, entry)| {
                let other = other.files.get(path);
                other.is_some_and(|other| entry.is_like(other))
            })
            && self.listing.folders == other.listing.folders
    }

    /// The files that differ, with what happened to each, in the order of their paths.
    pub(super) fn changes_since(&self, old: &Tree) -> Vec<(String, &'static str)> {
        let mut changes = Vec::new();
        for (path, entry) in &self.files {
            match old.files.get(path) {
                None => changes.push((path.to_string(), "came")),
                Some(before) if entry.is_like(before) => {}
                Some(_) => changes.push((path.to_string(), "changed")),
            }
        }
        let gone = old
            .files
            .keys()
            .filter(|path| !self.files.contains_key(*path));
        changes.extend(gone.map(|path| (path.to_string(), "went")));
        changes.sort();
        changes
    }

    /// The files that are hashed behind the load.
    pub(super) fn unhashed(&self) -> impl Iterator<Item = (&str, &StaticFile)> {
        let files = self.files.iter();
        files
            .filter(|(_, entry)| entry.file.is_unhashed())
            .map(|(path, entry)| (&**path, &*entry.file))
    }

    pub(super) fn hash_large(&self) {
        for (path, file) in self.unhashed() {
            file.hash_large(&self.listing.root, path);
        }
    }
}

impl Entry {
    fn is_like(&self, other: &Entry) -> bool {
        let is_there = |entry: &Entry| entry.encoded.each_ref().map(Option::is_some);
        Arc::ptr_eq(&self.file, &other.file)
            || self.file.stamp == other.file.stamp
                && self.file.etag() == other.file.etag()
                && is_there(self) == is_there(other)
    }
}

impl StaticFile {
    /// How many bytes of it are kept in memory.
    fn kept(&self) -> u64 {
        self.content
            .as_ref()
            .map_or(0, |content| content.len() as u64)
    }
}

/// The path without the end that names a coding, and which one that is.
fn plain(path: &str) -> Option<(&str, usize)> {
    let (plain, end) = path.rsplit_once('.')?;
    let number = ENCODED.iter().position(|name| *name == end)?;
    Some((plain, number))
}
