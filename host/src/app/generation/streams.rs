//! Where the streams of a generation lead: each `[[tcp]]` to a handler of a component. Loads no component.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::declared::kwargs;
use super::routes::Components;
use super::{Component, Generation, Refusal, handlers_folder};
use crate::base::error::{Fault, Faults};
use crate::config::{self, Config, Listen, TcpListen};
use crate::guest::resources::Target;
use crate::services::tcp::Terms;
use crate::tls::Tls;

/// One `[[tcp]]`.
pub struct Streams {
    pub listen: Vec<Listen>,
    pub tls: Option<StreamTls>,
    pub lead: StreamLead,
}

/// How streams are encrypted.
#[derive(Clone, PartialEq)]
pub struct StreamTls {
    pub tls: Tls,
    /// Whether that begins with the stream; else the handler begins it.
    pub start: bool,
}

/// Where streams lead.
pub enum StreamLead {
    Handler {
        component: Arc<Component>,
        target: Arc<Target>,
        terms: Arc<Terms>,
    },
    /// To a component that never loaded.
    Failed { component: Arc<Component> },
}

impl StreamLead {
    /// The component where it leads, whether that serves or not.
    pub fn component(&self) -> &Arc<Component> {
        match self {
            Self::Handler { component, .. } | Self::Failed { component } => component,
        }
    }
}

/// In the form of the configuration.
impl fmt::Display for StreamLead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler {
                component, target, ..
            } => write!(f, "{}#{}", component.file, target.class.name),
            Self::Failed { component } => f.write_str(&component.file),
        }
    }
}

/// Finds the handlers. `tls` has the certificates of each `[[tcp]]`.
pub fn resolve(
    folder: &Path,
    config: &Config,
    components: &Components,
    tls: Vec<Option<StreamTls>>,
) -> Result<Vec<Streams>, Refusal> {
    let (mut streams, mut faults) = (Vec::new(), Vec::new());
    for (entry, tls) in config.tcp.iter().zip(tls) {
        // A component that does not exist is a fault already.
        let Some(component) = components.get(&entry.file) else {
            continue;
        };
        match lead(component, entry, tls.as_ref()) {
            Ok(lead) => streams.push(Streams {
                listen: entry.listen.clone(),
                tls,
                lead,
            }),
            Err((message, hint)) => {
                let place = folder.join(config::FILE_NAME);
                faults.push(config.fault(&place, entry.position, message).hint(hint));
            }
        }
    }
    match faults.is_empty() {
        true => Ok(streams),
        false => Err(Faults::new(faults).into()),
    }
}

/// What to warn of: components with handlers of streams, to none of which a `[[tcp]]` leads.
pub fn without_listeners(folder: &Path, generation: &Generation) -> Vec<(String, Fault)> {
    let components = generation.components.values();
    let unled = components.filter_map(|component| {
        let handlers = &component.pool()?.description().streams;
        let leads = |streams: &Streams| streams.lead.component().file == component.file;
        let first = handlers.first().filter(|_| !generation.streams.iter().any(leads))?;
        let file = &component.file;
        // The component of Python apps has one, whether an app uses it or not.
        if file.ends_with(config::PYTHON) {
            return None;
        }
        let fault = Fault::in_file(
            &handlers_folder(folder).join(file),
            "has handlers of streams, and no [[tcp]] leads to one",
        );
        let name = &first.name;
        Some((
            file.clone(),
            fault.hint(format!(
                "`[[tcp]]` with `listen = \"127.0.0.1:7000\"` and `handler = \"{file}#{name}\"` in waterspout.toml"
            )),
        ))
    });
    unled.collect()
}

/// The error is a fault, with a hint.
fn lead(
    component: &Arc<Component>,
    entry: &TcpListen,
    tls: Option<&StreamTls>,
) -> Result<StreamLead, (String, String)> {
    let Some(pool) = component.pool() else {
        let component = component.clone();
        return Ok(StreamLead::Failed { component });
    };
    let (file, handlers) = (&entry.file, &pool.description().streams);
    let known = || {
        let names: Vec<_> = handlers
            .iter()
            .map(|class| format!("`{}`", class.name))
            .collect();
        match names.is_empty() {
            true => "its `export!` names none: `tcp = [Echo]`".to_owned(),
            false => format!("it has {}", names.join(", ")),
        }
    };
    let position = match &entry.class {
        Some(name) => handlers.iter().position(|class| class.name == *name),
        None if handlers.len() > 1 => {
            let message = format!("`{file}` has {} stream handlers", handlers.len());
            return Err((
                format!("{message}; say which one, as `{file}#Class`"),
                known(),
            ));
        }
        None => (!handlers.is_empty()).then_some(0),
    };
    let Some(position) = position else {
        let message = match &entry.class {
            Some(name) => format!("`{file}` has no stream handler `{name}`"),
            None => format!("`{file}` has no stream handlers"),
        };
        return Err((message, known()));
    };
    Ok(StreamLead::Handler {
        target: Arc::new(Target {
            handler: position as u32,
            class: handlers[position].clone(),
            kwargs: kwargs(entry.kwargs.clone()),
            strip_prefix: None,
            guard: config::Guard::default(),
        }),
        terms: Arc::new(Terms {
            limits: component.settings.stream_limits(),
            certificates: tls.map(|tls| tls.tls.config().clone()),
            meter: pool.meter().clone(),
            lingers: true,
            side: |meter| &meter.streams,
        }),
        component: component.clone(),
    })
}
