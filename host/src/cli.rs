//! The command line: its commands and options. Each command's work is in its own file.

mod add;
mod build;
mod check;
mod compiler;
mod completions;
mod dev;
mod diagnostics;
mod grants;
mod inspect;
mod man;
mod new;
mod routes;
mod secret;
mod serve;
mod signals;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::app::generation::{Generation, Refusal, handlers_folder};
use crate::base::error::{Fault, Faults};
use crate::config::{self, Format, Levels, Listen, Override, Overrides};
use crate::log::{self, Logs};

/// What Tornado is for Python, for WebAssembly: serves request handlers that are components, and swaps them
/// under load.
///
/// An app is a folder with `handlers/*.wasm`, or Python apps as `handlers/*.py`, and, where it needs one, a
/// `waterspout.toml`. Drop one in, and it serves; replace it, and the next request sees the new one.
#[derive(Parser)]
#[command(name = "waterspout", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve an app, and swap its components whenever they change
    ///
    /// Example: `waterspout serve myapp --listen 127.0.0.1:8888 --admin 127.0.0.1:8889`
    Serve(Serve),
    /// Serve an app while you write it: build its handlers first and on every save, with `debug` on
    ///
    /// Errors of the compiler are shown here and in the browser, whose pages reload themselves after a swap.
    ///
    /// Example: `waterspout dev examples`
    Dev(Serve),
    /// Make a new app, with one handler, that builds and serves as it is
    ///
    /// Example: `waterspout new myapp && waterspout dev myapp`
    New(New),
    /// Add a component to an app, with its own crate and its route
    ///
    /// Example: `waterspout add admin` in the app's folder
    Add(Add),
    /// Build the app's handler sources into handlers/
    ///
    /// The sources are the Cargo package or workspace in the app's folder; every `cdylib` in it becomes
    /// `handlers/<crate>.wasm`.
    Build(Build),
    /// Say what is wrong with an app, without serving it
    Check(Check),
    /// Show an app's routes in their order, or which of them takes a URL and with what arguments
    ///
    /// Example: `waterspout routes examples /story/1`
    Routes(Routes),
    /// Show what a component is: its handlers, what it imports, and which grants that suggests; or what a Python app is
    ///
    /// Example: `waterspout inspect examples/handlers/hello.wasm`
    Inspect(inspect::Inspect),
    /// Print what a shell needs to complete this command
    ///
    /// Example, for bash: `source <(waterspout completions bash)`
    Completions(completions::Completions),
    /// Compile what a server sends
    #[command(hide = true)]
    Compiler(compiler::Compiler),
    /// Print the manual page
    ///
    /// Example: `waterspout man | man -l -`
    Man(man::Man),
}

#[derive(Args)]
struct App {
    /// The app's folder
    #[arg(default_value = ".")]
    app: PathBuf,
}

/// What counts more than `waterspout.toml`.
#[derive(Args)]
struct Set {
    /// Set a key of waterspout.toml: `settings.debug=true`, `server.max_body_size=1MB`
    ///
    /// VALUE is TOML, or else a plain string. May be given more than once; the last one counts. Comes before the
    /// environment (`WATERSPOUT_SETTINGS__DEBUG=true`), which comes before the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<Override>,
}

impl Set {
    /// The values of the environment and of the command line. The last one counts.
    fn said(&self) -> Result<Vec<Override>, Faults> {
        let mut said = config::environment(std::env::vars_os())?;
        said.extend_from_slice(&self.set);
        Ok(said)
    }
}

#[derive(Args)]
struct New {
    /// The app's folder, which must not be there; its last part is the name of the crate, or of the Python app
    name: PathBuf,
    /// What its handlers are written in
    #[arg(long, value_enum, default_value_t)]
    lang: Language,
}

#[derive(Args)]
struct Add {
    /// The name of the component and of its folder; it serves the path of this name
    name: String,
    /// The app's folder
    #[arg(default_value = ".")]
    app: PathBuf,
}

/// The languages that `new` knows.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Language {
    #[default]
    Rust,
    Python,
}

/// Where there is what was made before.
#[derive(Args)]
struct Stores {
    /// Where compiled code is kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// The component for Python apps, as `waterspout build --python-runtime` writes it [default: made on first use]
    #[arg(long, value_name = "FILE")]
    python_runtime: Option<PathBuf>,
}

impl Stores {
    /// The folder of compiled code.
    fn cache(&self) -> Option<PathBuf> {
        cache_dir(self.cache_dir.as_ref())
    }
}

#[derive(Args)]
struct Build {
    #[command(flatten)]
    app: App,
    /// Write the component for Python apps here, for servers without Python or a package index
    #[arg(long, value_name = "FILE")]
    python_runtime: Option<PathBuf>,
}

#[derive(Args)]
struct Check {
    #[command(flatten)]
    app: App,
    #[command(flatten)]
    set: Set,
    #[command(flatten)]
    stores: Stores,
}

#[derive(Args)]
struct Routes {
    /// The app's folder [default: this one]
    app: Option<PathBuf>,
    /// `/path` or `http://host/path`
    url: Option<String>,
    #[command(flatten)]
    set: Set,
    #[command(flatten)]
    stores: Stores,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    app: App,
    #[command(flatten)]
    set: Set,
    /// Listen here instead of where `[server] listen` says: `127.0.0.1:8888`, `[::1]:8888`, `unix:/run/app.sock`
    #[arg(long, value_name = "ADDR")]
    listen: Vec<Listen>,
    /// Show health and status here: `127.0.0.1:8889`
    #[arg(long, value_name = "ADDR")]
    admin: Option<Listen>,
    #[command(flatten)]
    stores: Stores,
    /// How log lines look, instead of what `[log] format` says
    #[arg(long, value_enum)]
    log_format: Option<Format>,
    /// What is logged, instead of what `[log] level` says: `debug`, `info`, `warn`, `error` or `off`, or
    /// `access=warn,app=debug`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Levels>,
    /// End as on SIGTERM when standard input ends, and so with the program that holds its other end
    #[arg(long)]
    end_with_stdin: bool,
}

impl Serve {
    fn overrides(&self, debug: bool) -> Result<Overrides, Faults> {
        Ok(Overrides {
            listen: self.listen.clone(),
            admin: self.admin.clone(),
            log_format: self.log_format,
            log_level: self.log_level.unwrap_or_default(),
            debug,
            cookie_secret: debug.then(secret::random),
            said: self.set.said()?,
        })
    }

    /// Starts the logs with the settings that are known before the configuration is read.
    fn start_logs(&self) -> Logs {
        log::start(&config::Log {
            level: self.log_level.unwrap_or_default(),
            format: self.log_format.unwrap_or_default(),
            access: None,
        })
    }
}

/// Runs the command. 0: fine, 1: the app is at fault, 2: the command line is.
pub fn run() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(options) => {
            let logs = options.start_logs();
            on_all_cores(serve::serve(&options, &logs, None))
        }
        Command::Dev(options) => {
            let logs = options.start_logs();
            on_all_cores(dev::dev(&options, &logs))
        }
        Command::New(options) => new::new(&options),
        Command::Add(options) => add::add(&options),
        Command::Build(options) => on_all_cores(build::run(&options)),
        Command::Check(options) => on_all_cores(check::check(&options)),
        Command::Routes(options) => on_all_cores(routes::routes(&options)),
        Command::Inspect(options) => on_all_cores(inspect::inspect(&options)),
        Command::Compiler(options) => compiler::compiler(&options),
        Command::Completions(options) => completions::completions(&options),
        Command::Man(options) => man::man(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            diagnostics::error(&error);
            ExitCode::from(if is_of_the_command_line(&error) { 2 } else { 1 })
        }
    }
}

/// Whether all faults come from `--set`.
fn is_of_the_command_line(error: &anyhow::Error) -> bool {
    let faults = match error.downcast_ref::<Refusal>() {
        Some(refusal) if !refusal.components.is_empty() => None,
        Some(refusal) => refusal.faults.as_ref(),
        None => error.downcast_ref::<Faults>(),
    };
    faults.is_some_and(Faults::are_of_the_command_line)
}

fn on_all_cores(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    // A compilation may still be under way, and is not waited for.
    runtime.shutdown_background();
    done
}

/// An app is a folder.
fn must_be_folder(app: &Path) -> anyhow::Result<()> {
    match app.metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => bail!("{}: an app is a folder, and this is a file", app.display()),
        Err(_) => bail!(
            "{}: there is no such folder; `waterspout new {}` makes an app",
            app.display(),
            app.display()
        ),
    }
}

/// What looks wrong with an app that has nothing to serve.
fn nothing_to_serve(app: &Path, generation: &Generation) -> Option<Fault> {
    if !generation.components.is_empty() || generation.routes().next().is_some() {
        return None;
    }
    let fault = Fault::in_file(
        app,
        "there is nothing to serve: no component and no Python app in handlers/, and no route",
    );
    let misplaced = std::fs::read_dir(app).into_iter().flatten().flatten();
    let misplaced = misplaced.map(|entry| entry.path()).find(|path| {
        path.extension()
            .is_some_and(|end| end == "wasm" || end == "py")
    });
    Some(fault.hint(match misplaced {
        Some(path) => format!(
            "{} belongs into {}",
            path.display(),
            handlers_folder(app).display()
        ),
        None if build::has_sources(app) => {
            format!("`waterspout build {}` makes the components", app.display())
        }
        None => format!(
            "put components or Python apps into {}",
            handlers_folder(app).display()
        ),
    }))
}

/// The folder of compiled code, unless the command line says another.
fn cache_dir(given: Option<&PathBuf>) -> Option<PathBuf> {
    match given {
        Some(folder) => Some(folder.clone()),
        None => dirs::cache_dir().map(|folder| folder.join("waterspout")),
    }
}

/// A number of something: `1 route`, `2 routes`.
fn counted(count: usize, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}
