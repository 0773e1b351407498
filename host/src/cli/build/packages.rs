//! An app's packages, as Cargo knows them: which of them a build is for, and where their sources are. Builds nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use serde::Deserialize;

use super::cargo;

/// How many packages are followed.
const MAX_PACKAGES: usize = 500;

/// The packages of an app.
#[derive(Clone, Debug)]
pub struct Packages {
    /// The folder of the workspace, which may contain more than the app.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// The ids of the packages that `cargo build` in the app's folder builds.
    members: BTreeSet<String>,
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
        let members = match metadata.workspace_default_members {
            Some(members) => members,
            None => metadata.workspace_members,
        };
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            members: members.into_iter().collect(),
            all: by_folder(metadata.packages),
        })
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

/// The folders in which `members = ["crates/*"]` and the like look for packages.
pub fn nests(root: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let Ok(Manifest {
        workspace: Some(workspace),
    }) = toml::from_str(&text)
    else {
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
struct Workspace {
    #[serde(default)]
    members: Vec<String>,
}
