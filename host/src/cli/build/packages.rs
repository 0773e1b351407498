//! An app's packages, as Cargo knows them: which of them a build is for, and where their sources are. Builds nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use serde::Deserialize;

use super::cargo::cargo;

/// How many packages are followed.
const MAX_PACKAGES: usize = 500;

/// The packages of an app.
#[derive(Clone, Debug)]
pub struct Packages {
    /// The folder of the workspace, which may contain more than the app.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// The ids of the packages that a build of the app is for.
    members: BTreeSet<String>,
    /// Whether Cargo has to be told which these are.
    are_named: bool,
    all: BTreeMap<PathBuf, Package>,
}

/// A package whose sources are on this machine and not from a registry.
#[derive(Clone, Debug)]
pub struct Package {
    pub id: String,
    pub folder: PathBuf,
    /// The main file of each of its targets that may be built.
    pub mains: Vec<PathBuf>,
    /// The folders of the packages that it uses by path.
    uses: Vec<PathBuf>,
}

impl Packages {
    /// The packages of the app's workspace.
    pub fn of(app: &Path) -> anyhow::Result<Self> {
        let metadata = ask(app, None)
            .with_context(|| format!("{}: cargo does not say what is there", app.display()))?;
        let more = more_components(app, &metadata);
        let members = match metadata.workspace_default_members {
            Some(members) => members,
            None => metadata.workspace_members,
        };
        let mut members: BTreeSet<String> = members.into_iter().collect();
        let by_default = members.len();
        members.extend(more);
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            are_named: members.len() > by_default,
            members,
            all: by_folder(metadata.packages),
        })
    }

    /// What tells Cargo which packages to build.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        let named = self.members.iter().filter(|_| self.are_named);
        named.flat_map(|id| ["--package", id])
    }

    /// Whether a build of the app is for this package, and does not only need it.
    pub fn is_meant(&self, id: &str) -> bool {
        self.members.contains(id)
    }

    /// The packages that a build is for, and all that they use by path, directly or not. Errors of Cargo are left to
    /// the build.
    pub fn needed(&self, app: &Path) -> Vec<Package> {
        let mut known = self.all.clone();
        let meant = known.values().filter(|package| self.is_meant(&package.id));
        let mut next: VecDeque<PathBuf> = meant.map(|package| package.folder.clone()).collect();
        let mut seen: BTreeSet<PathBuf> = next.iter().cloned().collect();
        let mut needed = Vec::new();
        while let Some(folder) = next.pop_front()
            && needed.len() < MAX_PACKAGES
        {
            if !known.contains_key(&folder)
                && let Ok(metadata) = ask(app, Some(&folder.join("Cargo.toml")))
            {
                known.extend(by_folder(metadata.packages));
            }
            let Some(package) = known.get(&folder) else {
                continue;
            };
            let more = package.uses.iter();
            next.extend(
                more.filter(|folder| seen.insert((*folder).clone()))
                    .cloned(),
            );
            needed.push(package.clone());
        }
        needed
    }
}

/// The components that an app lists as members of its workspace, beside its own package. Cargo alone would not build them.
fn more_components(app: &Path, metadata: &Metadata) -> Vec<String> {
    let root = &metadata.workspace_root;
    let is_root = app.canonicalize().ok() == root.canonicalize().ok();
    let workspace = workspace(root).filter(|workspace| workspace.default_members.is_none());
    let Some(workspace) = workspace.filter(|_| is_root) else {
        return Vec::new();
    };
    let packages = metadata.packages.iter().filter(|package| {
        let folder = package.manifest_path.parent();
        let folder = folder.and_then(|folder| folder.strip_prefix(root).ok());
        let kinds = || package.targets.iter().flat_map(|target| &target.kind);
        metadata.workspace_members.contains(&package.id)
            && kinds().any(|kind| kind == "cdylib")
            && folder.is_some_and(|folder| workspace.lists(folder))
    });
    packages.map(|package| package.id.clone()).collect()
}

/// The table `[workspace]` of a folder's manifest, if that has one.
fn workspace(root: &Path) -> Option<Workspace> {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    toml::from_str::<Manifest>(&text).ok()?.workspace
}

/// The folders in which `members = ["crates/*"]` and the like look for packages.
pub fn nests(root: &Path) -> Vec<PathBuf> {
    let Some(workspace) = workspace(root) else {
        return Vec::new();
    };
    let globs = workspace.members.iter();
    globs
        .filter_map(|glob| glob.find(['*', '?', '[']).map(|at| &glob[..at]))
        .map(|plain| match plain.rsplit_once('/') {
            Some((folder, _)) => root.join(folder),
            None => root.to_path_buf(),
        })
        .collect()
}

fn by_folder(packages: Vec<Described>) -> BTreeMap<PathBuf, Package> {
    let packages = packages.into_iter().filter_map(|package| {
        let folder = package.manifest_path.parent()?.to_path_buf();
        // These are not built for the app.
        let is_aside = |kind: &String| matches!(&**kind, "test" | "bench" | "example");
        let targets = package.targets.into_iter();
        let built = targets.filter(|target| !target.kind.iter().any(is_aside));
        let uses = package.dependencies.into_iter();
        let package = Package {
            id: package.id,
            folder: folder.clone(),
            mains: built.map(|target| target.src_path).collect(),
            uses: uses.filter_map(|dependency| dependency.path).collect(),
        };
        Some((folder, package))
    });
    packages.collect()
}

fn ask(app: &Path, manifest: Option<&Path>) -> anyhow::Result<Metadata> {
    let mut cargo = cargo(app);
    cargo.args(["metadata", "--no-deps", "--format-version=1"]);
    if let Some(manifest) = manifest {
        cargo.arg("--manifest-path").arg(manifest);
    }
    let output = cargo.stderr(Stdio::null()).output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
    workspace_members: Vec<String>,
    workspace_default_members: Option<Vec<String>>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<BuildTarget>,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct BuildTarget {
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Manifest {
    workspace: Option<Workspace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Workspace {
    #[serde(default)]
    members: Vec<String>,
    default_members: Option<Vec<String>>,
}

impl Workspace {
    /// Whether a folder, by its path in the workspace, is among the members.
    fn lists(&self, folder: &Path) -> bool {
        self.members.iter().any(|pattern| {
            let plain = pattern.trim_start_matches("./").trim_end_matches('/');
            let expression = regex::escape(plain)
                .replace(r"\*", "[^/]*")
                .replace(r"\?", "[^/]");
            let expression = regex::Regex::new(&format!("^{expression}$"));
            expression.is_ok_and(|expression| expression.is_match(&folder.to_string_lossy()))
        })
    }
}
