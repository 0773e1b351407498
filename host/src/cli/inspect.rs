//! `waterspout inspect`: what one component is, its imports, and the grants that these suggest; or what a Python app is.
//! Does not start it, and serves nothing.

mod program;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use self::program::Program;
use super::grants::{suggestions, warnings};
use super::table::table;
use super::{Stores, counted, diagnostics, serve};
use crate::app::generation::{compile_limits, describe, handlers_folder};
use crate::base::error::{Fault, Faults};
use crate::base::shards::Shards;
use crate::config::{Config, show_duration};
use crate::guest::bindings::work::Timing;
use crate::guest::description::Description;
use crate::guest::engine::{Binary, exports};
use crate::guest::imports::Import;
use crate::log::plain;

#[derive(Args)]
pub struct Inspect {
    /// The component, or the file or the folder of a Python app
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where compiled code is kept [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

pub async fn inspect(options: &Inspect) -> anyhow::Result<()> {
    let path = &options.file;
    if let Some(program) = Program::of(path) {
        print!("{}", program.inspect(app_of(&program.path()))?);
        return Ok(());
    }
    let fault = |what: &dyn std::fmt::Display| Fault::in_file(path, what.to_string());
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let binary = Binary::read(path)
        .map_err(|error| Faults::from(fault(&format_args!("can't be read: {error}"))))?;
    let stores = Stores {
        cache_dir: options.cache_dir.clone(),
        python_runtime: None,
    };
    let config = Config::default();
    let runtime = serve::runtime(&config, &stores, Shards::here(), serve::no_kv())?;
    let engine = &runtime.engine;
    let binary = Arc::new(binary);
    let compiled = engine.compile(&file, &binary, compile_limits(&config.server));
    let component = compiled
        .await
        .map_err(|error| Faults::from(fault(&error)))?;
    exports(&component).map_err(|error| {
        let hint = "make one with waterspout-sdk (`waterspout new`), or on the worlds of wit/";
        Faults::from(fault(&error).hint(hint))
    })?;

    let imports = Import::all(&component);
    let missing = engine.not_offered(&component);
    let needs = imports_and_grants(&imports, &missing);
    let described = match engine.link(&component) {
        Ok(linked) => describe(&runtime, &file, linked).await,
        Err(error) => Err(error),
    };
    match described {
        Ok(description) => {
            let size = binary.component()?.len() / 1024;
            println!("{}: {size} KB, sha256 {}\n", plain(&file), binary.sha256());
            print!(
                "{}{}\n{needs}",
                itself(&description, &file),
                work(&description)
            );
        }
        // Its imports may be the reason.
        Err(error) => {
            print!("{needs}");
            return Err(Faults::from(fault(&error)).into());
        }
    }
    if let Some((app, config)) = app_of(path) {
        diagnostics::warn(&Faults::new(warnings(&app, &config, &file, &imports)));
    }
    Ok(())
}

/// The app in whose `handlers/` the file is, if its configuration can be read. `check` reports its faults.
fn app_of(file: &Path) -> Option<(PathBuf, Config)> {
    let handlers = file.parent()?;
    let app = handlers.parent()?;
    if handlers_folder(app) != handlers {
        return None;
    }
    Config::load(app, &[])
        .ok()
        .map(|config| (app.to_owned(), config))
}

/// The component's description.
fn itself(description: &Description, file: &str) -> String {
    let handlers = description.handlers.iter().map(|handler| {
        let functions = handler.class.functions().join(", ");
        [handler.name.clone(), functions]
    });
    let mut text = "handlers, and the functions that they implement\n".to_owned();
    text += &table("  ", &handlers.collect::<Vec<_>>());

    if !description.streams.is_empty() {
        text += "\nhandlers of streams, which a [[tcp]] has to name\n";
        let rows = description.streams.iter();
        let rows = rows.map(|class| [class.name.clone()]);
        text += &table("  ", &rows.collect::<Vec<_>>());
    }

    let mut routes = Vec::new();
    for handler in &description.handlers {
        for route in &handler.routes {
            let say = |key: &str, value: &Option<String>| {
                let value = value.as_deref();
                value.map(|value| format!("{key} = {value}"))
            };
            let rest = [
                say("name", &route.name),
                say("host", &route.host),
                say("kwargs", &route.kwargs),
            ];
            routes.push([
                route.pattern.clone(),
                handler.name.clone(),
                rest.into_iter().flatten().collect::<Vec<_>>().join(", "),
            ]);
        }
    }
    text += "\nroutes that it declares, for where no [[route]] names it\n";
    text += &match (&routes[..], &description.handlers[..]) {
        ([], []) => "  none, and it has no handler that one could lead to\n".to_owned(),
        ([], [_]) => match file.strip_suffix(".wasm").unwrap_or(file) {
            "index" => "  none, so it is at /\n".to_owned(),
            stem => format!("  none, so it is at /{stem}\n"),
        },
        ([], _) => "  none, so a [[route]] has to name each handler\n".to_owned(),
        _ => table("  ", &routes),
    };

    let lasting = [
        (
            description.lifecycle.single,
            "single: never more than one instance takes requests",
        ),
        (
            description.lifecycle.start,
            "start: called in each instance before its first request",
        ),
        (
            description.lifecycle.stop,
            "stop: called in each instance after its last request",
        ),
    ];
    let said: Vec<&str> = lasting
        .into_iter()
        .filter_map(|(is_so, what)| is_so.then_some(what))
        .collect();
    text += "\ninstances\n";
    match said.is_empty() {
        true => text += "  as many as the configuration says, without start and stop\n",
        false => said.iter().for_each(|line| _ = writeln!(text, "  {line}")),
    }
    text
}

/// Its work beside requests, if there is any.
fn work(description: &Description) -> String {
    let mut text = String::new();
    if !description.functions.is_empty() {
        text += "\nfunctions that are called by name\n";
        let rows = description.functions.iter().map(|name| [name.clone()]);
        text += &table("  ", &rows.collect::<Vec<_>>());
    }
    if !description.schedules.is_empty() {
        text += "\nschedules that it declares, for where no [[schedule]] names it\n";
        let rows = description.schedules.iter().map(|schedule| {
            let when = match &schedule.timing {
                Timing::Cron(text) => format!("cron {text}"),
                Timing::Every(period) => {
                    let period = Duration::from_nanos(*period);
                    format!("every {}", show_duration(period))
                }
            };
            [schedule.name.clone(), when, schedule.function.clone()]
        });
        text += &table("  ", &rows.collect::<Vec<_>>());
    }
    text
}

/// What it needs of the host.
fn imports_and_grants(imports: &[Import], missing: &[String]) -> String {
    let rows: Vec<[String; 2]> = imports
        .iter()
        .map(|import| {
            let offered = match missing.contains(&import.name) {
                true => "not offered",
                false => "offered",
            };
            [import.name.clone(), offered.to_owned()]
        })
        .collect();
    let mut text = "imports, and whether this host offers them\n".to_owned();
    match rows.is_empty() {
        true => text += "  none\n",
        false => text += &table("  ", &rows),
    }

    let rows = suggestions(imports);
    text += "\ngrants that its imports suggest\n";
    match rows.is_empty() {
        true => text += "  none\n",
        false => text += &table("  ", &rows),
    }
    text
}
