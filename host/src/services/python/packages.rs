//! The packages that an app's `requirements.txt` names, installed once into the cache: wheels of pure Python, in the
//! versions that it says, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest, Sha256};

use super::pip;
use crate::base::error::Error;
use crate::base::files;

/// The name of the file in an app's folder.
pub const FILE_NAME: &str = "requirements.txt";

/// The version of Python that apps run on.
pub const PYTHON: &str = "3.14";

/// Packages whose code in C does nothing that their code in Python does not, and that publish no wheel without it. Of
/// these a wheel for a processor is taken, and what is for the processor is left out.
const WITH_OPTIONAL_CODE: [&str; 3] = ["markupsafe", "msgpack", "pyyaml"];

/// Whose wheels those are: of the last versions of CPython, as older versions of a package have none for the newest, and
/// always of the same system, so that each machine has the same.
const WHEELS: [(&str, &str); 4] = [
    (PYTHON, "cp314"),
    ("3.13", "cp313"),
    ("3.12", "cp312"),
    ("3.11", "cp311"),
];
const SYSTEM: &str = "manylinux2014_x86_64";

/// What pip says where there is no such wheel.
const NO_WHEEL: &str = "No matching distribution found";

/// `name==version`, and any number of hashes.
static REQUIREMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    const LINE: &str = r"^[A-Za-z0-9][A-Za-z0-9._-]* *== *[A-Za-z0-9][A-Za-z0-9.!+_-]*(?P<hashes>( +--hash=sha256:[0-9a-f]{64})*)$";
    Regex::new(LINE).ok()
});

/// The folder into which pip installs.
const INSTALLED: &str = "installed";

/// What a `requirements.txt` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Requirements {
    /// One package each.
    lines: Vec<String>,
    /// The first line without a hash.
    unhashed: Option<String>,
}

impl Requirements {
    /// Reads the file's text. The error says which line is not taken.
    pub fn read(text: &str) -> Result<Self, Error> {
        let text = text.replace("\r\n", "\n").replace("\\\n", " ");
        let mut requirements = Self {
            lines: Vec::new(),
            unhashed: None,
        };
        for line in text.lines() {
            let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let parts = REQUIREMENT.as_ref().and_then(|form| form.captures(&line));
            let Some(parts) = parts else {
                return Err(Error::component(format!(
                    "{FILE_NAME}: `{line}` is not taken: a line is `name==version`, with `--hash=sha256:…` or without"
                )));
            };
            if parts["hashes"].is_empty() {
                requirements.unhashed.get_or_insert(line.clone());
            }
            requirements.lines.push(line);
        }
        Ok(requirements)
    }

    /// One package each, with its hashes.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Whether there is nothing to install.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Checks that each has a hash, so that it is known what is installed.
    pub fn check_hashes(&self) -> Result<(), Error> {
        match &self.unhashed {
            None => Ok(()),
            Some(line) => Err(Error::component(format!(
                "{FILE_NAME}: `{line}` has no `--hash=sha256:…`; without one it is installed by `dev` only"
            ))),
        }
    }

    /// The folder with the packages, below this one. They are installed where they are not there yet.
    pub async fn install(&self, folder: &Path) -> Result<PathBuf, Error> {
        let place = folder.join(self.key());
        if place.is_dir() {
            return Ok(place);
        }
        let io = |error| Error::host(format!("{} can't be written", folder.display()), error);
        files::make_private_folder(folder).map_err(io)?;
        let work = tempfile::tempdir_in(folder).map_err(io)?;
        let count = self.lines.len();
        tracing::info!(target: "general", "installing {count} packages of Python, for {FILE_NAME} …");
        self.install_into(work.path()).await.map_err(|error| {
            Error::component(format!(
                "{FILE_NAME}: {error}\nOnly wheels of pure Python are installed, and only what the file names itself"
            ))
        })?;
        let installed = work.path().join(INSTALLED);
        std::fs::create_dir_all(&installed).map_err(io)?;
        match std::fs::rename(installed, &place) {
            // Another app, or another process, has the same.
            Err(_) if place.is_dir() => Ok(place),
            renamed => renamed.map(|()| place).map_err(io),
        }
    }

    async fn install_into(&self, work: &Path) -> Result<(), String> {
        let (mixed, pure): (Vec<_>, Vec<_>) =
            self.lines.iter().partition(|line| has_optional_code(line));
        for line in mixed {
            self.install_mixed(work, line).await?;
        }
        match pure.is_empty() {
            true => Ok(()),
            false => self.pip(work, &pure, "any", (PYTHON, "none"), "py").await,
        }
    }

    /// Installs one of the packages with code in C, without it.
    async fn install_mixed(&self, work: &Path, line: &String) -> Result<(), String> {
        let mut result = Ok(());
        for wheel in WHEELS {
            result = self.pip(work, &[line], SYSTEM, wheel, "cp").await;
            match &result {
                Err(said) if said.contains(NO_WHEEL) => {}
                _ => break,
            }
        }
        result?;
        pip::remove_native(&work.join(INSTALLED)).map_err(|error| error.to_string())
    }

    async fn pip(
        &self,
        work: &Path,
        lines: &[&String],
        platform: &str,
        (python, abi): (&str, &str),
        implementation: &str,
    ) -> Result<(), String> {
        let list: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
        std::fs::write(work.join(FILE_NAME), list.join("\n")).map_err(|error| error.to_string())?;
        let mut arguments = vec!["--no-compile", "--requirement", FILE_NAME];
        arguments.extend(["--platform", platform, "--implementation", implementation]);
        arguments.extend(["--abi", abi, "--python-version", python]);
        if self.unhashed.is_none() {
            arguments.push("--require-hashes");
        }
        pip::install(work, INSTALLED, &arguments).await
    }

    fn key(&self) -> String {
        let mut sum = Sha256::new();
        sum.update(PYTHON);
        for line in &self.lines {
            sum.update("\n");
            sum.update(line);
        }
        format!("{:x}", sum.finalize())
    }
}

/// Whether a line is for one of the packages that do without their code in C.
fn has_optional_code(line: &str) -> bool {
    let name = line.split([' ', '=']).next().unwrap_or_default();
    WITH_OPTIONAL_CODE.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_and_hashes_are_taken() {
        let hash = format!("--hash=sha256:{}", "0".repeat(64));
        let text = format!("# none\r\n\nitsdangerous==2.2.0 \\\n    {hash} \\\n  {hash} # why\n");
        let read = Requirements::read(&text).unwrap();
        assert_eq!(read.lines, [format!("itsdangerous==2.2.0 {hash} {hash}")]);
        assert!(read.check_hashes().is_ok());
        let read = Requirements::read("a == 1.0\nb==2").unwrap();
        let error = read.check_hashes().unwrap_err().to_string();
        assert!(error.contains("`a == 1.0` has no `--hash"), "{error}");
        for line in [
            "jinja2",
            "jinja2>=3",
            "jinja2==3.*,<4",
            "jinja2[i18n]==3",
            "jinja2==3; python_version > '3'",
            "--index-url x",
            "-r other.txt",
            "-e .",
            "./package",
            "a @ file:///a.whl",
            "a==1 --hash=md5:00",
            "a==1 --no-binary a",
        ] {
            let error = Requirements::read(line).unwrap_err().to_string();
            assert!(error.contains(&format!("`{line}` is not taken")), "{error}");
        }
    }
}
