//! Which static folders a configuration asks for, and their files, loaded with the rest of a generation. Answers no
//! request.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Previous, Survey};
use crate::base::error::{Fault, Faults, Position};
use crate::config::{
    self, Config, STATIC_FOLDER, STATIC_URL_PREFIX, StaticArgs, StaticPath, Target,
};
use crate::services::static_files::{Listed, Place, StaticFiles, StaticUrls};

/// All static folders. `None`: nothing says that it must be there.
pub fn places(app: &Path, config: &Config) -> BTreeMap<Place, Option<Position>> {
    let mut places = BTreeMap::new();
    for destination in config.destinations() {
        if let Target::Static { path, args } = &destination.target {
            places.insert(place(app, path, args), Some(destination.position));
        }
    }
    let position = match &config.settings.static_path {
        StaticPath::At { position, .. } => Some(*position),
        StaticPath::Usual | StaticPath::Off => None,
    };
    if let Some(place) = of_settings(app, config) {
        places.entry(place).or_insert(position);
    }
    places
}

/// The folder of `static_path`, whether it is there or not.
pub fn of_settings(app: &Path, config: &Config) -> Option<Place> {
    let path = match &config.settings.static_path {
        StaticPath::Usual => Path::new(STATIC_FOLDER),
        StaticPath::At { path, .. } => path,
        StaticPath::Off => return None,
    };
    Some(place(app, path, &config.settings.static_handler_args))
}

/// A folder of an app.
pub fn place(app: &Path, path: &Path, args: &StaticArgs) -> Place {
    // Without `.` and without a `/` at its end.
    let path: PathBuf = app.join(path).components().collect();
    Place {
        path,
        dot_files: args.dot_files,
    }
}

/// The URLs of the files in `static_path`, if that is there.
pub fn urls(app: &Path, config: &Config, files: &StaticFiles) -> Option<Arc<StaticUrls>> {
    let tree = files.get(&of_settings(app, config)?)?;
    Some(Arc::new(StaticUrls {
        prefix: prefix(config).into(),
        tree: tree.clone(),
    }))
}

/// Where in the app's URLs the files of `static_path` are.
pub fn prefix(config: &Config) -> &str {
    let prefix = config.settings.static_url_prefix.as_deref();
    prefix.unwrap_or(STATIC_URL_PREFIX)
}

/// Reads the files that have changed since the generation before. Those that are being written or away stay as they were.
pub async fn load(
    app: &Path,
    survey: &mut Survey,
    config: &Config,
    previous: Option<Previous<'_>>,
) -> Result<StaticFiles, Faults> {
    let places = places(app, config);
    if places.is_empty() {
        return Ok(StaticFiles::default());
    }
    let held: HashSet<PathBuf> = previous
        .iter()
        .flat_map(|previous| previous.held.paths())
        .filter(|path| places.keys().any(|place| path.starts_with(&place.path)))
        .cloned()
        .collect();
    let known: Vec<(Place, Option<Listed>)> = places
        .keys()
        .map(|place| (place.clone(), survey.static_folder(place).cloned()))
        .collect();
    let optional: BTreeSet<Place> = places
        .iter()
        .filter(|(_, position)| position.is_none())
        .map(|(place, _)| place.clone())
        .collect();
    let before = previous.map(|previous| previous.generation.static_files.clone());
    let before = before.unwrap_or_default();
    let whole = app.to_owned();
    let loading = tokio::task::spawn_blocking(move || {
        let known = known.into_iter();
        let listings: BTreeMap<Place, Listed> = known
            .map(|(place, listed)| {
                let listed = listed.unwrap_or_else(|| Listed::look(&place, None));
                (place, listed)
            })
            .collect();
        if let Some(place) = listings.keys().find(|place| has_app(place, &whole)) {
            let message = "has the app's own files in it, such as its configuration";
            return (Err((place.clone(), message.to_owned())), listings);
        }
        let mut wanted = listings.clone();
        wanted.retain(|place, listed| {
            let is_known = before.get(place).is_some();
            let is_missing = matches!(listed, Listed::Missing);
            let is_away = held.iter().any(|path| path.starts_with(&place.path));
            !(is_missing && optional.contains(place) && !(is_known && is_away))
        });
        (StaticFiles::load(wanted, &before, &held), listings)
    });
    let (files, listings) = loading.await.map_err(|error| {
        let message = format!("static files can't be read: {error}");
        Faults::from(Fault::in_file(app, message))
    })?;
    for (place, listed) in listings {
        survey.insert_static_folder(place, listed);
    }
    let files = files.map_err(|(place, message)| {
        let message = format!("{}: {message}", place.path.display());
        let file = app.join(config::FILE_NAME);
        Faults::from(match places.get(&place) {
            Some(Some(position)) => config.fault(&file, *position, message),
            _ => Fault::in_file(&place.path, message),
        })
    })?;
    if files.has_unhashed() {
        let files = files.clone();
        // Until that is done they have no version.
        tokio::task::spawn_blocking(move || files.hash_large());
    }
    Ok(files)
}

/// Whether a folder is the app's own, or has it inside: its files would be everybody's.
fn has_app(place: &Place, app: &Path) -> bool {
    match (app.canonicalize(), place.path.canonicalize()) {
        (Ok(app), Ok(folder)) => app.starts_with(folder),
        _ => false,
    }
}
