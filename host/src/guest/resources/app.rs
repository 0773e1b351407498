//! What guests may ask of the app: of the generation in which their request began, or of the newest. Owns no
//! generation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwapOption;

use super::Forms;
use crate::base::metrics::{Counter, RouteMeter};
use crate::base::router::Router;
use crate::config::Protection;
use crate::services::signing::Signer;
use crate::services::static_files::StaticUrls;

/// The part of its app that a request may ask for.
pub struct App {
    /// The payload of a route is its index in the generation's list of targets.
    pub router: Router<usize>,
    /// `[settings] app`, as JSON.
    pub settings: Arc<str>,
    pub login_url: Option<String>,
    pub protection: Protection,
    /// What signs. `None`: the app has no `cookie_secret`.
    pub signer: Option<Arc<Signer>>,
    /// The forms that are read before a guest is entered.
    pub forms: Forms,
    /// The generation's number.
    pub generation: u64,
    pub meters: Meters,
    /// The URLs of static files, where the app has any.
    pub static_urls: Option<Arc<StaticUrls>>,
}

/// The meters of a generation's requests.
pub struct Meters {
    /// By route.
    pub routes: Vec<Arc<RouteMeter>>,
    /// Of requests that no route takes.
    pub none: Arc<RouteMeter>,
    /// Requests that were matched against the routes.
    pub requests: Arc<Counter>,
}

impl Meters {
    /// The meter of a route, or of requests without one.
    pub fn of(&self, route: Option<usize>) -> &RouteMeter {
        let known = route.and_then(|route| self.routes.get(route));
        known.unwrap_or(&self.none)
    }
}

/// The newest generation that serves. Empty before the first one does.
#[derive(Default)]
pub struct Newest(ArcSwapOption<App>);

impl Newest {
    /// Sets the generation that serves from now on.
    pub fn set(&self, app: &Arc<App>) {
        self.0.store(Some(app.clone()));
    }

    pub fn get(&self) -> Option<Arc<App>> {
        self.0.load_full()
    }
}

/// The part of its app that an instance may ask for without a request.
#[derive(Clone, Default)]
pub struct AppView {
    pub newest: Arc<Newest>,
    /// `[settings] app` of the generation that the component was loaded for, as JSON.
    pub loaded: Arc<str>,
    /// Whether `start` has asked for the settings, in any instance of the component.
    pub start_has_asked: Arc<AtomicBool>,
    /// Whether `start` is running.
    pub starts: bool,
}

impl AppView {
    /// `[settings] app`, as JSON.
    pub fn settings(&self) -> Arc<str> {
        if self.starts {
            self.start_has_asked.store(true, Relaxed);
            return self.loaded.clone();
        }
        match self.newest.get() {
            Some(app) => app.settings.clone(),
            None => self.loaded.clone(),
        }
    }
}
