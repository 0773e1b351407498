//! The result of the last build and the last swap of `dev`, and the pages that wait for the next. Builds and answers
//! nothing.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use tokio::sync::watch;

/// The state that building, swapping and answering under `dev` share.
pub struct Workbench {
    /// Tells the versions of one process from those of the next.
    process: u64,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    /// Counts the changes for which pages are reloaded.
    changes: u64,
    /// The server accepts connections.
    listens: bool,
    /// How far the first build is, until it has ended.
    first_build: Option<Trouble>,
    build: Build,
    /// Why the folder as it is now does not serve.
    refusal: Option<Trouble>,
    ended: bool,
}

#[derive(Default)]
enum Build {
    #[default]
    Done,
    Failed(Trouble),
    /// The build's result is in its place, and is about to be served.
    Mended(Trouble),
}

/// Why an app can't be served as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Trouble {
    pub title: Cow<'static, str>,
    /// May have the colours of a terminal.
    pub text: Arc<str>,
    pub status: StatusCode,
}

impl Trouble {
    /// No fault is known, and nothing serves yet.
    pub fn not_loaded() -> Self {
        Self::passing("Loading …", "The app is built, and is about to be served.")
    }

    /// A handler has failed, with an error or with a trap.
    pub fn of_guest(status: StatusCode, text: &str) -> Self {
        let reason = status.canonical_reason().unwrap_or("Unknown");
        Self {
            title: format!("{}: {reason}", status.as_u16()).into(),
            text: text.into(),
            status,
        }
    }

    fn fault(title: &'static str, text: &str) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            status: StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What ends by itself.
    fn passing(title: &'static str, text: &str) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            status: StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Workbench {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            process: now.map_or(0, |now| now.as_micros() as u64),
            state: watch::Sender::default(),
        }
    }

    /// The server accepts connections.
    pub fn listens(&self) {
        self.state.send_modify(|state| state.listens = true);
    }

    /// Waits until the server accepts connections.
    pub async fn listening(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| state.listens).await;
    }

    /// The first build goes on, and how far it is. Until it has ended, nothing serves.
    pub fn is_building(&self, text: &str) {
        self.change(|state| {
            let trouble = Trouble::passing("Building …", text);
            let is_known = state.first_build.as_ref() == Some(&trouble);
            state.first_build = Some(trouble);
            !is_known
        });
    }

    /// The first build has ended, and its result is in its place.
    pub fn has_built(&self) {
        self.change(|state| state.first_build.take().is_some());
    }

    /// Whether the first build goes on.
    pub fn waits_for_build(&self) -> bool {
        self.state.borrow().first_build.is_some()
    }

    /// Waits until the first build has ended.
    pub async fn built_once(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(|state| state.first_build.is_none()).await;
    }

    /// The app does not build, and why.
    pub fn build_failed(&self, text: &str) {
        self.change(|state| {
            let trouble = Trouble::fault("The app does not build", text);
            let is_known = matches!(&state.build, Build::Failed(known) if *known == trouble);
            state.build = Build::Failed(trouble);
            // It is shown from now on, whichever build it was.
            state.first_build = None;
            !is_known
        });
    }

    /// The app is built. Where its result must be swapped in, pages wait for the swap.
    pub fn built(&self, is_swapped: bool) {
        self.change(|state| match std::mem::take(&mut state.build) {
            Build::Failed(trouble) | Build::Mended(trouble) if is_swapped => {
                state.build = Build::Mended(trouble);
                false
            }
            Build::Failed(_) => true,
            other => {
                state.build = other;
                false
            }
        });
    }

    /// The folder as it is now serves.
    pub fn swapped(&self) {
        self.change(|state| {
            state.refusal = None;
            state.end_mended();
            true
        });
    }

    /// The folder is the same as what serves.
    pub fn kept(&self) {
        self.change(|state| state.refusal.take().is_some() | state.end_mended());
    }

    /// The folder as it is now can't be served, and why.
    pub fn refused(&self, text: String) {
        self.change(|state| {
            let trouble = Trouble::fault("The change is refused", &text);
            let is_known = state.refusal.as_ref() == Some(&trouble);
            state.refusal = Some(trouble);
            // Behind a build that has failed nobody sees it.
            let is_hidden = matches!(state.build, Build::Failed(_));
            state.end_mended() | !(is_known || is_hidden)
        });
    }

    /// Ends all waits.
    pub fn end(&self) {
        self.change(|state| {
            state.ended = true;
            true
        });
    }

    /// Why the app can't be served as it is, if it can't.
    pub fn trouble(&self) -> Option<Trouble> {
        let state = self.state.borrow();
        if let Some(trouble) = &state.first_build {
            return Some(trouble.clone());
        }
        match &state.build {
            Build::Failed(trouble) | Build::Mended(trouble) => Some(trouble.clone()),
            Build::Done => state.refusal.clone(),
        }
    }

    /// The version that pages show now.
    pub fn version(&self) -> String {
        self.version_of(&self.state.borrow())
    }

    /// Waits until pages have to show something else. `None`: they never will, because the server ends.
    pub async fn newer_than(&self, version: &str) -> Option<String> {
        let mut state = self.state.subscribe();
        let newer = |state: &State| state.ended || self.version_of(state) != version;
        let state = state.wait_for(newer).await.ok()?;
        (!state.ended).then(|| self.version_of(&state))
    }

    fn version_of(&self, state: &State) -> String {
        format!("{:x}-{}", self.process, state.changes)
    }

    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        self.state.send_if_modified(|state| {
            let is_shown = change(state);
            state.changes += u64::from(is_shown);
            is_shown
        });
    }
}

impl State {
    /// The result of a build is in its place. Another build may have failed since.
    fn end_mended(&mut self) -> bool {
        let is_mended = matches!(self.build, Build::Mended(_));
        if is_mended {
            self.build = Build::Done;
        }
        is_mended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_serves_before_the_first_build_has_ended() {
        let bench = Workbench::new();
        bench.is_building("1 of 2");
        let first = bench.version();
        assert_eq!(&*bench.trouble().unwrap().text, "1 of 2");
        bench.is_building("1 of 2");
        assert_eq!(bench.version(), first);
        bench.is_building("2 of 2");
        assert_ne!(bench.version(), first);
        bench.built(true);
        assert!(bench.waits_for_build());
        bench.has_built();
        assert!(!bench.waits_for_build() && bench.trouble().is_none());
    }

    #[test]
    fn a_first_build_that_fails_has_ended() {
        let bench = Workbench::new();
        bench.is_building("1 of 2");
        bench.build_failed("a typo");
        assert!(!bench.waits_for_build());
        assert_eq!(&*bench.trouble().unwrap().text, "a typo");
    }

    #[test]
    fn a_mended_build_is_shown_when_it_is_swapped_in() {
        let bench = Workbench::new();
        let first = bench.version();
        bench.build_failed("a typo");
        let failed = bench.version();
        assert_ne!(failed, first);
        bench.built(true);
        assert_eq!(bench.version(), failed);
        assert!(bench.trouble().is_some());
        bench.swapped();
        assert_ne!(bench.version(), failed);
        assert!(bench.trouble().is_none());
    }

    #[test]
    fn a_build_that_fails_while_the_one_before_is_swapped_in_stays_failed() {
        let bench = Workbench::new();
        bench.build_failed("a typo");
        bench.built(true);
        bench.build_failed("another");
        bench.swapped();
        assert_eq!(&*bench.trouble().unwrap().text, "another");
    }

    #[test]
    fn a_refusal_behind_a_failed_build_is_shown_only_when_that_is_mended() {
        let bench = Workbench::new();
        bench.build_failed("a typo");
        let failed = bench.version();
        bench.refused("no component".to_owned());
        assert_eq!(bench.version(), failed);
        assert_eq!(&*bench.trouble().unwrap().text, "a typo");
        bench.built(false);
        assert_ne!(bench.version(), failed);
        assert_eq!(&*bench.trouble().unwrap().text, "no component");
    }

    #[test]
    fn what_is_mended_and_as_before_needs_no_swap() {
        let bench = Workbench::new();
        bench.build_failed("a typo");
        let failed = bench.version();
        bench.built(false);
        assert_ne!(bench.version(), failed);
        assert!(bench.trouble().is_none());
    }
}
