//! What is known of files that change: which are being written, which are away, and since when a change waits. Decides
//! when a change counts; watches nothing and looks at nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::app::generation::survey::{self, Survey};
use crate::base::mark::Mark;
use crate::services::static_files::{Listed, Place};

/// How long a file must be unchanged to count as complete, where the system does not report that it was closed.
pub const QUIET: Duration = Duration::from_millis(200);

/// How long a file must be away to count as gone. Until then it will probably be replaced.
pub const AWAY: Duration = Duration::from_secs(2);

/// Whether the system reports that a file was closed after a write.
pub const TELLS_OF_CLOSING: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Nothing,
    /// A write. It goes on until the file is closed, where the system reports that.
    Writing,
    /// The beginning of a write, or all of it: for a link the end is not reported.
    Perhaps,
    Done,
    /// The file has left its place.
    Gone,
}

/// What is known of one file.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// The file is being written, until it is closed.
    Writing,
    /// The file may be being written, until there was no sign for a while.
    Perhaps {
        last: Instant,
        /// Whether this comes from an event, so that another will report the end.
        is_told: bool,
    },
    /// The file is away since this time.
    Away(Instant),
    /// The file has changed, and was not looked at since.
    Done,
}

/// The files of one app, or of some packages.
#[derive(Default)]
pub struct Signs {
    signs: HashMap<PathBuf, Sign>,
    /// When the change was noticed that was not taken yet.
    since: Option<Instant>,
    /// The state of all files at the last look.
    seen: Option<Survey>,
    /// The files that were written since the current look began.
    touched: Option<HashSet<PathBuf>>,
}

/// The files that a load leaves alone. They count as unchanged.
#[derive(Debug, Default)]
pub struct Held {
    /// Files that are being written.
    pub writing: HashSet<PathBuf>,
    /// Files that are away and will probably be replaced.
    pub away: HashSet<PathBuf>,
}

impl Held {
    pub fn has(&self, path: &Path) -> bool {
        self.writing.contains(path) || self.away.contains(path)
    }

    pub fn is_empty(&self) -> bool {
        self.writing.is_empty() && self.away.is_empty()
    }

    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.writing.iter().chain(&self.away)
    }
}

impl Signs {
    /// Notes an event of a file.
    pub fn note(&mut self, path: PathBuf, weight: Weight, now: Instant) {
        match weight {
            Weight::Nothing => return,
            Weight::Writing if TELLS_OF_CLOSING => {
                self.signs.insert(path.clone(), Sign::Writing);
            }
            Weight::Writing => self.is_perhaps_written(&path, now, true),
            Weight::Perhaps => match self.signs.get(&path) {
                // It says nothing new.
                Some(Sign::Writing | Sign::Done) => return,
                _ => self.is_perhaps_written(&path, now, true),
            },
            Weight::Done => {
                self.forget_below(&path);
                self.signs.insert(path.clone(), Sign::Done);
                self.since.get_or_insert(now);
            }
            Weight::Gone => {
                self.forget_below(&path);
                let covers = |seen: &Survey| seen.covers(&path) && !seen.has(&path);
                match self.seen.as_ref().is_some_and(covers) {
                    // It came and went between two looks, so nothing has read it.
                    true => self.signs.remove(&path),
                    false => self.signs.insert(path, Sign::Away(now)),
                };
                return;
            }
        }
        self.touch(path);
    }

    /// The system reports nothing more from below a folder that is gone.
    fn forget_below(&mut self, folder: &Path) {
        let is_below = |path: &Path| path != folder && path.starts_with(folder);
        self.signs.retain(|path, _| !is_below(path));
    }

    fn is_perhaps_written(&mut self, path: &Path, now: Instant, is_told: bool) {
        let sign = self.signs.get(path);
        let is_told = is_told || matches!(sign, Some(Sign::Perhaps { is_told: true, .. }));
        let sign = Sign::Perhaps { last: now, is_told };
        self.signs.insert(path.to_owned(), sign);
    }

    fn touch(&mut self, path: PathBuf) {
        if let Some(touched) = &mut self.touched {
            touched.insert(path);
        }
    }

    /// Notes a change of an unknown kind.
    pub fn note_anything(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Notes that the system will not report the end of writes that are under way.
    pub fn lose_track(&mut self, now: Instant) {
        for sign in self.signs.values_mut() {
            if matches!(sign, Sign::Writing | Sign::Perhaps { .. }) {
                *sign = Sign::Perhaps {
                    last: now,
                    is_told: false,
                };
            }
        }
    }

    /// Notes the present state of all files. A file that differs and was not `told` of by an event is perhaps being
    /// written.
    pub fn compare(&mut self, survey: Survey, now: Instant, told: &HashSet<PathBuf>) {
        let Some(seen) = self.seen.take() else {
            self.seen = Some(survey);
            return;
        };
        for (path, mark) in looked_at(&survey, &seen) {
            let path = &*path;
            let is_back = matches!(self.signs.get(path), Some(Sign::Away(_)));
            let is_other = seen.mark(path) != Some(mark) && !told.contains(path);
            let is_known = matches!(self.signs.get(path), Some(Sign::Writing | Sign::Done));
            if survey.has(path) && (is_back || is_other) && !is_known {
                self.is_perhaps_written(path, now, false);
                self.touch(path.to_owned());
            }
        }
        for (path, mark) in looked_at(&seen, &survey) {
            let path = &*path;
            // Components go with their folder. A missing granted folder is an error when it is opened.
            let is_folder = matches!(mark, Mark::Folder(_));
            let counts = !is_folder || path.is_relative() && path != survey::handlers();
            let is_missing = survey.covers(path) && !survey.has(path) && seen.has(path);
            let is_known = matches!(self.signs.get(path), Some(Sign::Away(_)));
            if is_missing && counts && !is_known {
                self.signs.insert(path.to_owned(), Sign::Away(now));
            }
        }
        if !survey.has_folders_of(&seen) {
            // A new folder may still be incomplete.
            for (path, sign) in &mut self.signs {
                if let Sign::Away(since) = sign
                    && !is_root(path)
                {
                    *since = now;
                }
            }
        }
        self.seen = Some(survey);
    }

    /// Adds files to those that are looked at, with their marks when they were read, and static folders.
    pub fn add_to_seen(
        &mut self,
        others: impl Iterator<Item = (PathBuf, Mark)>,
        static_folders: &BTreeMap<Place, Listed>,
    ) {
        let Some(seen) = &mut self.seen else { return };
        for (place, listed) in static_folders {
            seen.insert_static_folder(place.clone(), listed.clone());
        }
        for (path, mark) in others {
            if seen.mark(&path).is_none() {
                seen.insert(path, mark);
            }
        }
    }

    /// Begins a look, which will see all changes until now. Returns the files that events have named.
    pub fn begin_look(&mut self) -> HashSet<PathBuf> {
        self.since = None;
        self.touched = Some(HashSet::new());
        let is_done = |_: &PathBuf, sign: &mut Sign| matches!(sign, Sign::Done);
        self.signs
            .extract_if(is_done)
            .map(|(path, _)| path)
            .collect()
    }

    /// The files that a look leaves alone.
    pub fn held(&self) -> Held {
        let mut held = Held::default();
        for (path, sign) in &self.signs {
            match sign {
                Sign::Away(_) => held.away.insert(path.clone()),
                Sign::Writing | Sign::Perhaps { .. } => held.writing.insert(path.clone()),
                Sign::Done => false,
            };
        }
        held
    }

    /// Ends a look. Drops what it noted, because the number of file names has no limit.
    pub fn end_look(&mut self) {
        self.touched = None;
    }

    /// The files that were written or came since the current look began.
    pub fn touched(&self) -> impl Iterator<Item = &Path> {
        self.touched.iter().flatten().map(PathBuf::as_path)
    }

    /// The state of all files at the last look.
    pub fn seen(&self) -> Option<&Survey> {
        self.seen.as_ref()
    }

    /// When the change was noticed that was not taken yet.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Takes it.
    pub fn take_since(&mut self) -> Option<Instant> {
        self.since.take()
    }

    /// Whether a file may be being written without events about it.
    pub fn is_to_be_looked_at(&self) -> bool {
        let mut signs = self.signs.values();
        signs.any(|sign| matches!(sign, Sign::Perhaps { is_told: false, .. }))
    }

    /// When the next file will have been unchanged, or away, for long enough. A file that was away before `began` does
    /// not count.
    pub fn due_at(&self, began: Option<Instant>) -> Option<Instant> {
        let has_root = self.has_root();
        let signs = self.signs.iter();
        signs
            .filter_map(|(path, sign)| sign.due_at(path, began, has_root))
            .min()
    }

    /// Counts files that were unchanged, or away, for long enough. After an event, an empty file does not count: it
    /// will be written soon.
    pub fn settle(
        &mut self,
        now: Instant,
        began: Option<Instant>,
        is_empty: impl Fn(&Path) -> bool,
    ) {
        let has_root = self.has_root();
        let mut has_changed = false;
        self.signs.retain(|path, sign| {
            let due_at = sign.due_at(path, began, has_root);
            if due_at.is_none_or(|at| now < at) {
                return true;
            }
            let is_told = matches!(sign, Sign::Perhaps { is_told: true, .. });
            if is_told && TELLS_OF_CLOSING && is_empty(path) {
                *sign = Sign::Writing;
                return true;
            }
            has_changed = true;
            let is_gone = matches!(sign, Sign::Away(_));
            *sign = Sign::Done;
            !is_gone
        });
        if has_changed {
            self.since.get_or_insert(now);
        }
    }

    /// Whether the app's folder was there.
    fn has_root(&self) -> bool {
        self.seen.as_ref().is_none_or(Survey::has_root)
    }
}

impl Sign {
    /// When the file of this path will have been unchanged, or away, for long enough. No file is gone while the app's
    /// folder is gone.
    fn due_at(&self, path: &Path, began: Option<Instant>, has_root: bool) -> Option<Instant> {
        match *self {
            Sign::Writing | Sign::Done => None,
            Sign::Perhaps { last, .. } => Some(last + QUIET),
            Sign::Away(since) => {
                let is_known = began.is_some_and(|began| since < began);
                let counts = !is_known && (has_root || is_root(path));
                counts.then_some(since + AWAY)
            }
        }
    }
}

/// The files of a survey, but of static folders only those that are not as in another.
fn looked_at<'a>(
    survey: &'a Survey,
    other: &Survey,
) -> impl Iterator<Item = (Cow<'a, Path>, Mark)> {
    let files = survey
        .files()
        .map(|(path, mark)| (Cow::Borrowed(path), mark));
    let unlike = survey.static_files_unlike(other).into_iter();
    files.chain(unlike.map(|(path, mark)| (Cow::Owned(path), mark)))
}

/// Whether it is the app's folder itself.
fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// An app with this component, and what is known of its files.
    struct App {
        folder: tempfile::TempDir,
        signs: Signs,
        now: Instant,
    }

    const FILE: &str = "handlers/one.wasm";

    impl App {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("handlers")).unwrap();
            let mut app = Self {
                folder,
                signs: Signs::default(),
                now: Instant::now(),
            };
            app.write("as it was");
            app.glance();
            app
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join(FILE), text).unwrap();
        }

        fn remove(&self) {
            std::fs::remove_file(self.folder.path().join(FILE)).unwrap();
        }

        fn hear(&mut self, weight: Weight) {
            self.signs.note(FILE.into(), weight, self.now);
        }

        fn survey(&self) -> Survey {
            Survey::take(self.folder.path(), &BTreeSet::new())
        }

        fn glance(&mut self) {
            let survey = self.survey();
            self.signs.compare(survey, self.now, &HashSet::new());
        }

        /// Begins a look, and returns whether it leaves written and absent files alone.
        fn look(&mut self) -> (bool, bool) {
            let told = self.signs.begin_look();
            let survey = self.survey();
            self.signs.compare(survey, self.now, &told);
            let held = self.signs.held();
            let file = Path::new(FILE);
            (held.writing.contains(file), held.away.contains(file))
        }

        /// Whether there is a change, some time later.
        fn changes_within(&mut self, time: Duration) -> bool {
            self.now += time;
            self.signs.settle(self.now, None, |_| false);
            self.signs.take_since().is_some()
        }
    }

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_told_to_be_done_counts_at_once_and_is_seen_by_one_look() {
        let mut app = App::new();
        app.write("another text");
        app.hear(Weight::Writing);
        assert_eq!(
            (app.look(), app.changes_within(AWAY)),
            ((true, false), false)
        );
        app.hear(Weight::Done);
        assert!(app.changes_within(Duration::ZERO));
        assert_eq!(app.look(), (false, false));
        assert!(!app.changes_within(AWAY));
    }

    #[test]
    fn what_is_only_seen_counts_when_it_was_left_alone() {
        let mut app = App::new();
        for text in ["a text", "a longer text", "the longest text of all"] {
            app.write(text);
            app.glance();
            assert!(app.signs.is_to_be_looked_at());
            assert!(!app.changes_within(QUIET - MOMENT), "{text}");
        }
        assert!(app.changes_within(MOMENT));
        assert_eq!(app.look(), (false, false));
        app.glance();
        assert!(!app.changes_within(AWAY));
    }

    #[test]
    fn what_goes_counts_when_it_has_stayed_away() {
        for is_told in [true, false] {
            let mut app = App::new();
            app.remove();
            match is_told {
                true => app.hear(Weight::Gone),
                false => app.glance(),
            }
            assert!(!app.changes_within(AWAY - MOMENT));
            assert_eq!(app.look(), (false, true));
            assert!(app.changes_within(MOMENT));
            assert_eq!(app.look(), (false, false));
            assert!(!app.changes_within(AWAY));
        }
    }

    #[test]
    fn what_is_back_in_time_was_never_gone() {
        let mut app = App::new();
        app.remove();
        app.hear(Weight::Gone);
        assert!(!app.changes_within(AWAY - MOMENT));
        app.write("another text");
        app.hear(Weight::Perhaps);
        assert_eq!(app.look(), (true, false), "its writer may be at it");
        app.hear(Weight::Done);
        assert!(app.changes_within(Duration::ZERO));
        assert_eq!(app.look(), (false, false));
        app.remove();
        app.hear(Weight::Gone);
        assert!(
            !app.changes_within(AWAY - MOMENT),
            "from now on, not from before"
        );
    }

    /// A change that was held back when a load began is known to that load.
    #[test]
    fn what_was_away_before_a_load_does_not_interrupt_it() {
        let mut app = App::new();
        app.remove();
        app.hear(Weight::Gone);
        app.now += MOMENT;
        let began = Some(app.now);
        assert_eq!(app.signs.due_at(began), None);
        app.signs.settle(app.now + AWAY, began, |_| false);
        assert_eq!(app.signs.since(), None);
        assert!(app.changes_within(AWAY));
    }

    #[test]
    fn no_file_is_gone_with_the_folder_of_the_app_before_it_is_back() {
        let mut app = App::new();
        let (place, aside) = (
            app.folder.path().to_owned(),
            app.folder.path().with_extension("aside"),
        );
        std::fs::rename(&place, &aside).unwrap();
        app.glance();
        assert!(app.changes_within(AWAY), "the folder is gone");
        assert_eq!(app.look(), (false, true));
        assert!(!app.changes_within(AWAY));
        std::fs::create_dir(&place).unwrap();
        app.glance();
        app.changes_within(AWAY - MOMENT);
        assert_eq!(app.look(), (false, true));
        assert!(app.changes_within(MOMENT));
        std::fs::remove_dir_all(&aside).unwrap();
    }

    #[test]
    fn what_is_touched_is_kept_only_for_a_look() {
        let mut app = App::new();
        app.hear(Weight::Done);
        assert_eq!(app.signs.touched().count(), 0);
        app.look();
        app.hear(Weight::Done);
        assert_eq!(app.signs.touched().collect::<Vec<_>>(), [Path::new(FILE)]);
        app.signs.end_look();
        assert_eq!(app.signs.touched().count(), 0);
    }

    #[test]
    fn what_came_and_went_between_two_looks_is_nothing() {
        let mut app = App::new();
        let file = PathBuf::from("handlers/new.wasm");
        app.signs.note(file.clone(), Weight::Perhaps, app.now);
        app.signs.note(file, Weight::Gone, app.now);
        assert!(!app.changes_within(AWAY));
    }
}
