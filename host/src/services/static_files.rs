//! Static files: folders as they were when a generation was loaded, with what is known of each file in them. A request
//! is a lookup here, so a path that leads elsewhere has nothing to find. Knows no HTTP beyond the values of headers.

mod content_type;
mod encoded;
mod file;
mod listing;
mod pieces;
mod tree;
mod urls;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

pub use file::{StaticFile, http_date};
pub use listing::{Listed, Place};
pub use pieces::Pieces;
pub use tree::{Entry, Found, Tree};
pub use urls::{StaticUrls, UrlError};

use file::Room;

/// How many bytes of files a generation keeps in memory, with the versions before.
const MEMORY: u64 = 64 << 20;

/// The static folders of a generation.
#[derive(Clone, Default)]
pub struct StaticFiles {
    trees: BTreeMap<Place, Arc<Tree>>,
}

impl StaticFiles {
    /// Reads what has changed since `previous`. Files that are `held` stay as they were. An error says what is wrong with
    /// which folder.
    pub fn load(
        listings: BTreeMap<Place, Listed>,
        previous: &StaticFiles,
        held: &HashSet<PathBuf>,
    ) -> Result<Self, (Place, String)> {
        let mut trees = BTreeMap::new();
        let mut room = Room::of(MEMORY);
        for (place, listed) in listings {
            let before = previous.trees.get(&place);
            let tree = match (listed, before) {
                (Listed::Folder(listing), _) => {
                    Tree::load(&place, listing, before, held, &mut room)
                }
                (Listed::Missing, Some(before)) if before.is_held(&place, held) => {
                    Ok(before.clone())
                }
                (Listed::Missing, _) => Err("there is no such folder".to_owned()),
                (Listed::Wrong(message), _) => Err(message),
            };
            match tree {
                Ok(tree) => trees.insert(place, tree),
                Err(message) => return Err((place, message)),
            };
        }
        Ok(Self { trees })
    }

    /// A folder.
    pub fn get(&self, place: &Place) -> Option<&Arc<Tree>> {
        self.trees.get(place)
    }

    /// Whether all files are the same in both.
    pub fn is_like(&self, other: &StaticFiles) -> bool {
        let (own, others) = (self.trees.iter(), other.trees.iter());
        self.trees.len() == other.trees.len()
            && own.zip(others).all(|((place, tree), (other, before))| {
                place == other && (Arc::ptr_eq(tree, before) || tree.is_like(before))
            })
    }

    /// The files that differ, with what happened to each.
    pub fn changes_since(&self, old: &StaticFiles) -> Vec<(PathBuf, &'static str)> {
        let mut changes = Vec::new();
        for (place, tree) in &self.trees {
            let Some(before) = old.trees.get(place) else {
                changes.push((place.path.clone(), "came"));
                continue;
            };
            let paths = tree.changes_since(before).into_iter();
            changes.extend(paths.map(|(path, change)| (place.path.join(path), change)));
        }
        let gone = old.trees.keys().filter(|place| self.get(place).is_none());
        changes.extend(gone.map(|place| (place.path.clone(), "went")));
        changes
    }

    /// Hashes the large files that have no version yet, where there are any. Takes as long as it takes to read them.
    pub fn hash_large(&self) {
        for tree in self.trees.values() {
            tree.hash_large();
        }
    }

    /// Whether there are any.
    pub fn has_unhashed(&self) -> bool {
        self.trees
            .values()
            .any(|tree| tree.unhashed().next().is_some())
    }
}
