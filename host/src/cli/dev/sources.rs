//! The sources of an app: which files a build reads, and their contents when the last build began. If a look finds the
//! same contents, there is no new build, whatever was written in between. Builds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::watch::{Watch, is_passing};
use crate::cli::build::{Package, Packages, Step, nests};

/// How many files are looked at.
const MAX_FILES: usize = 20_000;

/// The sources of an app.
pub struct Sources {
    app: PathBuf,
    /// As Cargo knew them last.
    packages: Vec<Package>,
    root: PathBuf,
    /// What the last builds have read, wherever it is.
    inputs: BTreeSet<PathBuf>,
    places: Places,
    /// What the last build has read.
    built: Contents,
    began: SystemTime,
}

/// Where the sources are.
#[derive(Default)]
struct Places {
    /// Folders with all that is in them.
    trees: BTreeSet<PathBuf>,
    /// Files, which need not exist yet.
    files: BTreeSet<PathBuf>,
}

/// The files that exist, each with a digest of its contents.
type Contents = BTreeMap<PathBuf, [u8; 32]>;

impl Sources {
    pub fn of(app: &Path) -> Self {
        let app = app.canonicalize().unwrap_or_else(|_| app.to_path_buf());
        Self {
            root: app.clone(),
            app,
            packages: Vec::new(),
            inputs: BTreeSet::new(),
            places: Places::default(),
            built: Contents::new(),
            began: SystemTime::UNIX_EPOCH,
        }
    }

    /// Finds the sources again, and watches them. Folders that were added are watched from now on.
    pub fn watch(&mut self) -> notify::Result<Watch> {
        // Where Cargo can't read a manifest, the build reports it, and the old places stay watched.
        if let Ok(packages) = Packages::of(&self.app) {
            self.packages = packages.needed(&self.app);
            self.root = packages.root;
        }
        self.places = self.find();
        Watch::of(&self.places.trees, &self.places.files)
    }

    /// Whether a file differs from what the last build has read.
    pub fn have_changed(&self) -> bool {
        self.contents() != self.built
    }

    /// A build begins, and reads what exists now.
    pub fn begin(&mut self) {
        self.began = SystemTime::now();
        self.built = self.contents();
    }

    /// Counts what the build itself has written so far as read: it existed before the compiler ran.
    pub fn follow(&mut self, step: &Step) {
        let until = SystemTime::now();
        match step {
            Step::Resolved => {
                let lock = self.root.join("Cargo.lock");
                self.take(|path| path == lock, until);
            }
            Step::Scripted(id) => {
                let package = self.packages.iter().find(|package| package.id == *id);
                if let Some(folder) = package.map(|package| package.folder.clone()) {
                    self.take(|path| path.starts_with(&folder), until);
                }
            }
            Step::Compiling(_) => {}
        }
    }

    /// A build has ended, and has read these. Files that it is the first to name count as read, unless they were
    /// written since it began.
    pub fn end(&mut self, inputs: &BTreeSet<PathBuf>) {
        self.inputs.clone_from(inputs);
        let found = self.find();
        let known = std::mem::replace(&mut self.places, found);
        let began = self.began;
        self.take(|path| !known.has(path), began);
    }

    /// Counts the present contents of these files as read, unless they were written later.
    fn take(&mut self, which: impl Fn(&Path) -> bool, until: SystemTime) {
        let now = self.contents();
        self.built
            .retain(|path, _| now.contains_key(path) || !which(path));
        for (path, content) in now {
            let is_older = || {
                let written = std::fs::metadata(&path).and_then(|file| file.modified());
                written.is_ok_and(|written| written <= until)
            };
            if which(&path) && self.built.get(&path) != Some(&content) && is_older() {
                self.built.insert(path, content);
            }
        }
    }

    fn find(&self) -> Places {
        let mut places = Places::default();
        for folder in [&self.app, &self.root] {
            let files = [
                "Cargo.toml",
                "Cargo.lock",
                "rust-toolchain.toml",
                "rust-toolchain",
            ];
            places.files.extend(files.map(|file| folder.join(file)));
        }
        // Cargo's own configuration counts in all folders above, too.
        for folder in self.app.ancestors() {
            let files = [".cargo/config.toml", ".cargo/config"].map(|file| folder.join(file));
            let is_near = folder == self.app || folder == self.root;
            places
                .files
                .extend(files.into_iter().filter(|file| is_near || file.is_file()));
        }
        for folder in nests(&self.root) {
            let below = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let folders = below
                .map(|entry| entry.path())
                .filter(|path| !is_passing(path));
            let folders = folders.filter(|path| path.is_dir()).take(MAX_FILES);
            places
                .files
                .extend(folders.map(|folder| folder.join("Cargo.toml")));
            // The folder itself, for what comes into it.
            places.files.insert(folder.join("*"));
        }
        for package in &self.packages {
            places.add(package);
        }
        let inputs = self.inputs.iter().filter(|input| !places.has(input));
        let inputs: Vec<PathBuf> = inputs.cloned().collect();
        places.files.extend(inputs);
        places
    }

    fn contents(&self) -> Contents {
        let mut files: Vec<PathBuf> = self.places.files.iter().cloned().collect();
        let mut folders: Vec<PathBuf> = self.places.trees.iter().cloned().collect();
        while let Some(folder) = folders.pop()
            && files.len() < MAX_FILES
        {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    _ if is_passing(&path) => {}
                    // No links to folders: they may form a circle.
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    _ => files.push(path),
                }
            }
        }
        let digests = files.into_iter().filter_map(|path| {
            let digest = digest(&path).ok()?;
            Some((path, digest))
        });
        digests.collect()
    }
}

impl Places {
    fn add(&mut self, package: &Package) {
        let folder = &package.folder;
        self.files.insert(folder.join("Cargo.toml"));
        self.files.insert(folder.join("build.rs"));
        for main in &package.mains {
            match main.parent() {
                Some(tree) if tree != folder && tree.starts_with(folder) => {
                    self.trees.insert(tree.to_path_buf());
                }
                _ => {
                    self.files.insert(main.clone());
                }
            }
        }
    }

    fn has(&self, path: &Path) -> bool {
        let is_below = |tree: &PathBuf| path.starts_with(tree);
        self.files.contains(path) || self.trees.iter().any(is_below)
    }
}

fn digest(path: &Path) -> std::io::Result<[u8; 32]> {
    // Reading a pipe and the like may never end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut digest = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut digest)?;
    Ok(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Far longer than anything here takes.
    const LONG: Duration = Duration::from_secs(60);

    fn write(path: PathBuf, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn package(folder: PathBuf, more: &str) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let manifest = format!("[package]\nname = {name:?}\nedition = \"2024\"\n{more}");
        write(folder.join("Cargo.toml"), &manifest);
        write(folder.join("src/lib.rs"), "");
    }

    /// A workspace of one member that uses one package, which uses another.
    fn workspace() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().canonicalize().unwrap().join("app");
        let near = "[dependencies]\nnear = { path = \"../../../near\" }\n";
        let far = "[dependencies]\nfar = { path = \"../far\" }\n";
        write(
            app.join("Cargo.toml"),
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n",
        );
        package(app.join("crates/one"), near);
        package(app.with_file_name("near"), far);
        package(app.with_file_name("far"), "");
        (folder, app)
    }

    /// Waits until a build is due, and begins it.
    async fn due(sources: &mut Sources, mut watch: Watch) -> Watch {
        let waited = tokio::time::timeout(LONG, async {
            loop {
                watch.changed().await;
                watch = sources.watch().unwrap();
                if sources.have_changed() {
                    sources.begin();
                    return watch;
                }
            }
        });
        waited.await.unwrap()
    }

    #[tokio::test]
    async fn all_that_a_build_may_read_is_watched() {
        let (_folder, app) = workspace();
        let mut sources = Sources::of(&app);
        let mut watch = sources.watch().unwrap();
        sources.begin();
        let far = app.with_file_name("far");
        for file in [
            app.join("crates/one/src/page.html"),
            app.join("crates/one/src/deep/er/page.html"),
            app.join("crates/one/build.rs"),
            far.join("src/lib.rs"),
            far.join("Cargo.toml"),
            app.join("Cargo.lock"),
            app.join(".cargo/config.toml"),
        ] {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            write(file.clone(), &format!("{text}\n# {}", file.display()));
            watch = due(&mut sources, watch).await;
        }
        // A member that comes while it runs, and what lies in it.
        package(app.join("crates/two"), "");
        watch = due(&mut sources, watch).await;
        write(app.join("crates/two/src/other.rs"), "");
        watch = due(&mut sources, watch).await;
        // A folder that was away for a moment.
        let (src, aside) = (app.join("crates/two/src"), app.join("crates/two/x"));
        std::fs::rename(&src, &aside).unwrap();
        watch = due(&mut sources, watch).await;
        std::fs::rename(&aside, &src).unwrap();
        watch = due(&mut sources, watch).await;
        write(src.join("other.rs"), "// again");
        due(&mut sources, watch).await;
    }

    #[tokio::test]
    async fn what_a_build_writes_itself_is_no_reason_to_build() {
        let (_folder, app) = workspace();
        let one = app.join("crates/one");
        let mut sources = Sources::of(&app);
        sources.watch().unwrap();
        sources.begin();
        let id = |package: &Package| package.folder.ends_with("one").then(|| package.id.clone());
        let id = sources.packages.iter().find_map(id).unwrap();

        // Its script writes a new file, and Cargo the versions.
        write(one.join("src/made.rs"), "// 1");
        write(app.join("Cargo.lock"), "# 1");
        assert!(sources.have_changed());
        sources.follow(&Step::Resolved);
        sources.follow(&Step::Scripted(id));
        assert!(!sources.have_changed());
        // Or the same once more.
        write(one.join("src/made.rs"), "// 1");
        assert!(!sources.have_changed());
        // What is written after that is to be built.
        write(one.join("src/lib.rs"), "// 2");
        assert!(sources.have_changed());

        // A file that a build is the first to name is known from then on, wherever it is.
        sources.begin();
        let page = app.with_file_name("page.html");
        write(page.clone(), "1");
        sources.began = SystemTime::now() + LONG;
        sources.end(&BTreeSet::from([page.clone()]));
        assert!(!sources.have_changed());
        write(page, "2");
        assert!(sources.have_changed());
    }
}
