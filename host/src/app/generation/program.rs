//! Python apps in `handlers/`: which files are one, and what runs them all. Routes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::handlers_folder;
use crate::base::error::Error;
use crate::config;
use crate::guest::engine::{Binary, CompileLimits, Engine, Linked};
use crate::services::python::{
    AppCopy, Bytecode, Copies, ENTRY, Maker, Tree, check_component, is_ignored,
};

/// What compiling their component may take: it is an interpreter with all its libraries, and not the app's.
const COMPILE_LIMITS: CompileLimits = CompileLimits {
    memory: 4 << 30,
    time: std::time::Duration::from_secs(600),
};

/// The folder `handlers/`, as a path in an app.
fn handlers() -> PathBuf {
    handlers_folder(Path::new(""))
}

/// Whether a path in an app's folder belongs to this component.
pub fn belongs(path: &Path, file: &str) -> bool {
    let Ok(inside) = path.strip_prefix(handlers()) else {
        return false;
    };
    inside == Path::new(file) || folder_of(file).is_some_and(|folder| inside.starts_with(folder))
}

/// The name of a Python app's folder, if it is one.
fn folder_of(file: &str) -> Option<&str> {
    file.strip_suffix(config::PYTHON)
}

/// The Python app whose file to run this is: `handlers/blog/app.py` is that of `blog.py`.
pub fn app_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(handlers()).ok()?;
    let mut names = inside.iter().map(|name| name.to_str());
    match (names.next()??, names.next()??, names.next()) {
        (folder, ENTRY, None) => Some(format!("{folder}.py")),
        _ => None,
    }
}

/// Whether a path in `handlers/` may be part of a Python app that is a folder.
pub fn is_source(path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(handlers()) else {
        return false;
    };
    let mut names = inside.iter().map(|name| name.to_str());
    inside.iter().count() > 1 && names.all(|name| name.is_some_and(|name| !is_ignored(name)))
}

/// The folders in `handlers/` that are Python apps.
pub fn folders(handlers: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(handlers).into_iter().flatten().flatten();
    let is_named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| !is_ignored(name))
    };
    let paths = entries.map(|entry| entry.path()).filter(is_named);
    paths.filter(|path| path.join(ENTRY).is_file()).collect()
}

type Making = Shared<BoxFuture<'static, Result<Arc<Linked>, String>>>;

/// What runs the Python apps of a process. Nothing of it is there before the first app is.
#[derive(Clone, Default)]
pub struct Programs(Arc<Shelf>);

#[derive(Default)]
struct Shelf {
    /// Their component, where it is not made here.
    given: Option<PathBuf>,
    copies: OnceLock<Copies>,
    making: Mutex<Option<Making>>,
}

impl Programs {
    /// With their component in this file, or with one that is made when it is needed.
    pub fn new(given: Option<PathBuf>) -> Self {
        Self(Arc::new(Shelf {
            given,
            ..Shelf::default()
        }))
    }

    /// Reads an app, and copies it unless that is this version already.
    pub fn read(
        &self,
        engine: &Engine,
        handlers: &Path,
        file: &str,
    ) -> std::io::Result<(Tree, Result<Arc<AppCopy>, Error>)> {
        let tree = Tree::read(handlers, file)?;
        let copy = self.copies(engine).and_then(|copies| {
            copies
                .of(&tree)
                .map_err(|error| Error::host("its files can't be copied into the cache", error))
        });
        Ok((tree, copy))
    }

    /// The packages of an app, installed. `is_strict`: each has to have a hash.
    pub async fn packages(
        &self,
        engine: &Engine,
        tree: &Tree,
        is_strict: bool,
    ) -> Result<Option<PathBuf>, Error> {
        let Some(requirements) = tree.requirements()? else {
            return Ok(None);
        };
        if is_strict {
            requirements.check_hashes()?;
        }
        let folder = cache(engine)?.join("packages");
        requirements.install(&folder).await.map(Some)
    }

    /// Gives a version the bytecode that is kept of its modules. `None`: it has all. Otherwise who takes what it makes.
    pub fn bytecode(&self, engine: &Engine, tree: &Tree, copy: &AppCopy) -> Option<Bytecode> {
        let folder = cache(engine).ok()?.join("bytecode");
        let kept = Bytecode::open(&folder).ok()?;
        (!kept.give(tree, copy)).then_some(kept)
    }

    fn copies(&self, engine: &Engine) -> Result<&Copies, Error> {
        if let Some(copies) = self.0.copies.get() {
            return Ok(copies);
        }
        let copies = Copies::open(&cache(engine)?.join("apps"))
            .map_err(|error| Error::host("the cache can't be written", error))?;
        Ok(self.0.copies.get_or_init(|| copies))
    }

    /// The component that runs all apps. It is made, compiled and linked once, whoever asks and gives up meanwhile.
    pub async fn component(&self, engine: &Arc<Engine>) -> Result<Arc<Linked>, Error> {
        let making = {
            let mut kept = self.making();
            kept.get_or_insert_with(|| {
                let made = tokio::spawn(make(engine.clone(), self.0.given.clone()));
                let made = made.map(|made| made.unwrap_or_else(|error| Err(error.to_string())));
                made.boxed().shared()
            })
            .clone()
        };
        let made = making.clone().await;
        if made.is_err() {
            // The next one who asks tries again.
            self.making().take_if(|kept| kept.ptr_eq(&making));
        }
        made.map_err(Error::component)
    }

    fn making(&self) -> std::sync::MutexGuard<'_, Option<Making>> {
        self.0.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn make(engine: Arc<Engine>, given: Option<PathBuf>) -> Result<Arc<Linked>, String> {
    let said = |error: Error| error.to_string();
    let place = match given {
        Some(place) => {
            check_component(&place).map_err(said)?;
            place
        }
        None => {
            let maker = Maker::new(&cache(&engine).map_err(said)?);
            maker.component().await.map_err(said)?
        }
    };
    let read = tokio::task::spawn_blocking(move || Binary::read(&place)).await;
    let binary = read.map_err(std::io::Error::other).flatten();
    let binary =
        binary.map_err(|error| format!("the component for Python apps can't be read: {error}"))?;
    let binary = Arc::new(binary);
    let compiled = engine.compile("the component for Python apps", &binary, COMPILE_LIMITS);
    let component = compiled.await.map_err(said)?;
    engine.link(&component).map(Arc::new).map_err(said)
}

/// The folder of the cache for Python.
fn cache(engine: &Engine) -> Result<PathBuf, Error> {
    match engine.cache_folder() {
        Some(folder) => Ok(folder.join("python")),
        None => Err(Error::component(
            "a Python app needs a cache folder, which nobody else can write to; say one by --cache-dir",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_a_file_or_a_folder_of_the_same_name() {
        for (path, file, is_part) in [
            ("handlers/blog.py", "blog.py", true),
            ("handlers/blog/app.py", "blog.py", true),
            ("handlers/blog/pages/page.html", "blog.py", true),
            ("handlers/blogs/app.py", "blog.py", false),
            ("handlers/blog.wasm", "blog.wasm", true),
            ("handlers/blog/app.py", "blog.wasm", false),
            ("handlers/blog/app.py", "blog.py.py", false),
            ("templates/blog.py", "blog.py", false),
        ] {
            assert_eq!(belongs(Path::new(path), file), is_part, "{path} of {file}");
        }
        let app = |path| app_of(Path::new(path));
        assert_eq!(app("handlers/blog/app.py").as_deref(), Some("blog.py"));
        assert_eq!(app("handlers/blog/pages/app.py"), None);
        assert_eq!(app("handlers/app.py"), None);
        assert!(is_source(Path::new("handlers/blog/pages/page.html")));
        assert!(!is_source(Path::new("handlers/blog/__pycache__/app.pyc")));
        assert!(!is_source(Path::new("handlers/blog.wasm")));
    }
}
