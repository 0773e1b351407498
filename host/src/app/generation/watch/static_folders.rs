//! The static folders that are watched, as they were looked at last. Looks at them again after an event, and else so seldom
//! that it costs little, however many files they have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::app::generation::survey::Survey;
use crate::services::static_files::{Listed, Place};

/// Looking at a folder without a reason takes at most this part of the time.
const SHARE: u32 = 50;

/// The folders. None by default.
#[derive(Default)]
pub struct StaticFolders(BTreeMap<Place, Looked>);

struct Looked {
    listed: Listed,
    at: Instant,
    took: Duration,
}

impl Looked {
    fn look(place: &Place, before: Option<&Listed>) -> Self {
        let at = Instant::now();
        let listed = Listed::look(place, before);
        Self {
            listed,
            took: at.elapsed(),
            at,
        }
    }

    /// Whether enough time has passed for another look.
    fn is_due(&self) -> bool {
        self.at.elapsed() >= self.took * SHARE
    }
}

impl StaticFolders {
    /// Sets the folders, in place of those set before, and returns them as they are known. Those in `known` were read in
    /// that state.
    pub fn set(
        &mut self,
        places: BTreeSet<Place>,
        known: Option<&Survey>,
    ) -> BTreeMap<Place, Listed> {
        let mut before = std::mem::take(&mut self.0);
        for place in places {
            let known = known.and_then(|known| known.static_folder(&place));
            let looked = match (before.remove(&place), known) {
                (Some(before), _) => before,
                (None, Some(known)) => Looked {
                    listed: known.clone(),
                    // It was looked at some time ago, which may be longer than it takes.
                    at: Instant::now(),
                    took: Duration::ZERO,
                },
                (None, None) => Looked::look(&place, None),
            };
            self.0.insert(place, looked);
        }
        self.listed()
    }

    /// Looks at those that are due, or at all of them.
    pub fn look(&mut self, at_all: bool) -> BTreeMap<Place, Listed> {
        for (place, looked) in &mut self.0 {
            if at_all || looked.is_due() {
                *looked = Looked::look(place, Some(&looked.listed));
            }
        }
        self.listed()
    }

    /// The folders themselves.
    pub fn places(&self) -> Vec<Place> {
        self.0.keys().cloned().collect()
    }

    fn listed(&self) -> BTreeMap<Place, Listed> {
        let all = self.0.iter();
        all.map(|(place, looked)| (place.clone(), looked.listed.clone()))
            .collect()
    }
}
