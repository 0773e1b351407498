//! Options for a test where `App::serve` does not fit. Starts the server, and is used up by that.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::command::Waterspout;
use crate::config::Config;
use crate::server::Server;
use crate::stage::{self, Stage};
use crate::{App, build, options};

/// How long a fetch, or a line of the log, is waited for: Tornado's default.
const ASYNC_TEST_TIMEOUT: Duration = Duration::from_secs(5);

/// An app that is to be served: [`App::builder`].
#[derive(Debug, Default)]
#[must_use = "nothing is served before `serve` is called"]
pub struct Builder {
    folder: PathBuf,
    config: Option<String>,
    httpserver_options: Vec<OsString>,
    waterspout: Option<PathBuf>,
    timeout: Option<Duration>,
}

impl Builder {
    /// The app's folder, relative to that of the test's crate, which is the default. What has a `Cargo.toml` is built.
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// This configuration instead of the app's `waterspout.toml`.
    ///
    /// ```no_run
    /// use waterspout_test::App;
    ///
    /// let app = App::builder().with_config("[settings]\ndebug = true").serve();
    /// assert!(app.fetch("/broken").text().contains("panicked"));
    /// ```
    pub fn with_config(mut self, text: impl Into<String>) -> Self {
        self.config = Some(text.into());
        self
    }

    /// More options for `waterspout serve`, such as `["--log-level", "debug"]`: Tornado's `get_httpserver_options`. The
    /// address is learnt from the log, so the server's own log, `general`, has at least the level `info`.
    pub fn with_httpserver_options<O: Into<OsString>>(
        mut self,
        options: impl IntoIterator<Item = O>,
    ) -> Self {
        self.httpserver_options
            .extend(options.into_iter().map(Into::into));
        self
    }

    /// How long each fetch, and each line of the log, is waited for, whatever `ASYNC_TEST_TIMEOUT` says. Otherwise that
    /// counts, or else 5 seconds.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The command, instead of the one that the environment variable `WATERSPOUT` names or that is on the `PATH`.
    pub fn with_waterspout(mut self, command: impl Into<PathBuf>) -> Self {
        self.waterspout = Some(command.into());
        self
    }

    /// Builds the app, unless it is built already, and serves it.
    ///
    /// # Panics
    ///
    /// As [`App::serve`].
    #[track_caller]
    pub fn serve(self) -> App {
        self.start().unwrap_or_else(|error| panic!("{error}"))
    }

    fn start(self) -> Result<App, String> {
        // Cargo sets it for every test; a program that is run by hand is in its folder.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
        let folder = PathBuf::from(package).join(&self.folder);
        let folder = folder
            .canonicalize()
            .map_err(|error| format!("there is no app in {}: {error}", folder.display()))?;
        let waterspout = Waterspout::find(self.waterspout);
        build::once(&waterspout, &folder)?;
        let is_own = self.config.is_none();
        let config = Config::of(match self.config {
            Some(config) => Some(config),
            None => config_of(&folder)?,
        });
        let stage = Stage::set(&folder, &config)?;
        let place = stage.app().display().to_string();
        let options = options::of(&self.httpserver_options, config.has_kv_file);
        let server = Server::start(&waterspout, stage.app(), &options)?;
        let timeout = self.timeout.unwrap_or_else(async_test_timeout);
        // A fault is in the app's own file, and that is what a reader looks for.
        App::new(server, stage, timeout).map_err(|error| match is_own {
            true => error.replace(&place, &folder.display().to_string()),
            false => error,
        })
    }
}

/// The text of the app's own configuration, if it has one.
fn config_of(app: &Path) -> Result<Option<String>, String> {
    let file = app.join(stage::CONFIG);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// Tornado's `get_async_test_timeout`.
fn async_test_timeout() -> Duration {
    let said = std::env::var("ASYNC_TEST_TIMEOUT").ok();
    said.and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok())
        .unwrap_or(ASYNC_TEST_TIMEOUT)
}
