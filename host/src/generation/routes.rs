//! The route table of a generation: what the configuration says, then what its components declare. Loads
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{Component, Lead, Refusal, State, handlers_folder};
use crate::bindings::Description;
use crate::config::{self, Config, Destination};
use crate::error::{Fault, Faults};
use crate::resources::Target;
use crate::router::{Pattern, PatternError, Route, Router, duplicate_claims};

pub type Components = BTreeMap<String, Arc<Component>>;

/// What comes of the routes.
pub struct Resolved {
    pub router: Router<usize>,
    /// Where each route of the router leads.
    pub leads: Vec<Lead>,
    /// Where a path leads that no route takes.
    pub default: Option<Lead>,
}

/// Puts the table together. A component that `is_away` claims nothing that another claims: it has moved there.
pub fn resolve(
    folder: &Path,
    config: &Config,
    components: &Components,
    is_away: impl Fn(&str) -> bool,
) -> Result<Resolved, Refusal> {
    let mut table = Table::default();
    table.add_configured(folder, config, components);
    let default = config
        .settings
        .default_handler
        .as_ref()
        .and_then(|default| {
            let file = folder.join(config::FILE_NAME);
            table.lead(config, &file, default, components)
        });
    let first_declared = table.routes.len();
    for component in components.values() {
        if !config.routes_to(&component.file) {
            table.add_declared(folder, component);
        }
    }
    let away: BTreeSet<PathBuf> = components
        .keys()
        .filter(|file| is_away(file))
        .map(|file| handlers_folder(folder).join(file))
        .collect();
    table.give_way(first_declared, &away);
    table.refuse_rivals(first_declared);
    let (router, leads) = table.finish(folder)?;
    Ok(Resolved {
        router,
        leads,
        default,
    })
}

#[derive(Default)]
struct Table {
    routes: Vec<Route<usize>>,
    leads: Vec<Lead>,
    /// Whom to blame for each route.
    owners: Vec<PathBuf>,
    faults: Vec<Fault>,
}

impl Table {
    fn add_configured(&mut self, folder: &Path, config: &Config, components: &Components) {
        let file = folder.join(config::FILE_NAME);
        for route in &config.routes {
            let Some(lead) = self.lead(config, &file, &route.destination, components) else {
                continue;
            };
            self.push(
                &file,
                route.pattern.clone(),
                route.host.clone(),
                route.name.clone(),
                lead,
            );
        }
    }

    /// Where a destination in the configuration leads. `None`: nowhere, and the fault is noted.
    fn lead(
        &mut self,
        config: &Config,
        file: &Path,
        destination: &Destination,
        components: &Components,
    ) -> Option<Lead> {
        match &destination.target {
            config::Target::Component { file: name, class } => {
                let kwargs = Value::Object(destination.kwargs.clone()).to_string();
                match lead(components.get(name)?, class.as_deref(), kwargs.into()) {
                    Ok(lead) => Some(lead),
                    Err((message, hint)) => {
                        let fault = config.fault(file, destination.position, message);
                        self.faults.push(fault.hint(hint));
                        None
                    }
                }
            }
            config::Target::Redirect { url, permanent } => Some(Lead::Redirect {
                url: url.clone(),
                permanent: *permanent,
            }),
            config::Target::Error { status_code } => Some(Lead::Error {
                status_code: *status_code,
            }),
        }
    }

    /// The routes that a component declares itself, or else the one that its file name gives it.
    fn add_declared(&mut self, folder: &Path, component: &Arc<Component>) {
        let file = handlers_folder(folder).join(&component.file);
        let declared = match &component.state {
            State::Serving { declared, .. } => &declared[..],
            State::Failed(_) => &[],
        };
        if declared.is_empty() {
            return self.mount(&file, component);
        }
        for route in declared {
            let lead = handler_lead(component, route.handler, route.kwargs.clone());
            let (pattern, host) = (route.pattern.clone(), route.host.clone());
            self.push(&file, pattern, host, route.name.clone(), lead);
        }
    }

    fn mount(&mut self, file: &Path, component: &Arc<Component>) {
        let file_name = &component.file;
        let stem = file_name.strip_suffix(".wasm").unwrap_or(file_name);
        let path = if stem == "index" {
            String::new()
        } else {
            regex::escape(stem)
        };
        match (
            Pattern::new(&format!("/{path}")),
            lead(component, None, "{}".into()),
        ) {
            (Ok(pattern), Ok(lead)) => self.push(file, pattern, None, None, lead),
            (Err(error), _) => self.faults.push(bad_pattern(file, &error)),
            (_, Err((message, hint))) => self.faults.push(Fault::in_file(file, message).hint(hint)),
        }
    }

    fn push(
        &mut self,
        owner: &Path,
        pattern: Pattern,
        host: Option<Pattern>,
        name: Option<String>,
        lead: Lead,
    ) {
        self.routes.push(Route {
            pattern,
            host,
            name,
            target: self.leads.len(),
        });
        self.leads.push(lead);
        self.owners.push(owner.to_path_buf());
    }

    /// Takes from those who are away what others claim.
    fn give_way(&mut self, first_declared: usize, away: &BTreeSet<PathBuf>) {
        if away.is_empty() {
            return;
        }
        let is_away = |index: usize| away.contains(&self.owners[index]);
        let there = |from: usize| (from..self.routes.len()).filter(|index| !is_away(*index));
        let claims: Vec<_> = there(first_declared)
            .map(|index| claim(&self.routes[index]))
            .collect();
        let names: Vec<_> = there(0)
            .filter_map(|index| self.routes[index].name.clone())
            .collect();
        let is_claimed =
            |index: usize| is_away(index) && claims.contains(&claim(&self.routes[index]));
        let claimed: Vec<usize> = (first_declared..self.routes.len())
            .filter(|index| is_claimed(*index))
            .collect();
        for index in first_declared..self.routes.len() {
            let is_away = away.contains(&self.owners[index]);
            let route = &mut self.routes[index];
            if is_away && route.name.as_ref().is_some_and(|name| names.contains(name)) {
                route.name = None;
            }
        }
        for index in claimed.into_iter().rev() {
            self.routes.remove(index);
            self.owners.remove(index);
        }
    }

    /// Two components that claim the same paths, or two routes with one name, can't both be meant.
    fn refuse_rivals(&mut self, first_declared: usize) {
        let declared = &self.routes[first_declared..];
        let claims = declared
            .iter()
            .map(|route| (route.host.as_ref(), &route.pattern));
        for (first, second) in duplicate_claims(claims) {
            let (first, second) = (first + first_declared, second + first_declared);
            let pattern = self.routes[second].pattern.text();
            let (first, second) = (&self.owners[first], &self.owners[second]);
            let message = format!("claims `{pattern}`, and so does {}", first.display());
            let fault = Fault::in_file(second, message)
                .hint("say in waterspout.toml which of them is to have it, with a [[route]]");
            self.faults.push(fault);
        }
        let mut names = BTreeMap::new();
        for (route, owner) in self.routes.iter().zip(&self.owners) {
            let Some(name) = &route.name else { continue };
            if let Some(first) = names.insert(name, owner) {
                let message = format!("names a route `{name}`, and so does {}", first.display());
                self.faults.push(Fault::in_file(owner, message));
            }
        }
    }

    fn finish(self, folder: &Path) -> Result<(Router<usize>, Vec<Lead>), Refusal> {
        if !self.faults.is_empty() {
            return Err(Faults::new(self.faults).into());
        }
        let router = Router::new(self.routes)
            .map_err(|error| Faults::from(bad_pattern(&folder.join(config::FILE_NAME), &error)))?;
        Ok((router, self.leads))
    }
}

/// What sets a claim apart from others: the texts of its host and its path.
fn claim(route: &Route<usize>) -> (Option<String>, String) {
    let host = route.host.as_ref().map(|host| host.text().to_owned());
    (host, route.pattern.text().to_owned())
}

/// Where a route to this class of this component leads; else what is wrong, and a hint.
fn lead(
    component: &Arc<Component>,
    class: Option<&str>,
    kwargs: Arc<str>,
) -> Result<Lead, (String, String)> {
    match &component.state {
        State::Serving { pool, .. } => {
            let index = class_index(&component.file, pool.description(), class)?;
            Ok(handler_lead(component, index, kwargs))
        }
        State::Failed(_) => Ok(failed_lead(component)),
    }
}

fn handler_lead(component: &Arc<Component>, index: usize, kwargs: Arc<str>) -> Lead {
    let State::Serving { pool, .. } = &component.state else {
        return failed_lead(component);
    };
    let handler = &pool.description().handlers[index];
    Lead::Handler {
        name: format!("{}#{}", component.file, handler.name),
        target: Target {
            handler: index as u32,
            functions: handler.functions,
            kwargs,
        },
        component: component.clone(),
    }
}

fn failed_lead(component: &Arc<Component>) -> Lead {
    Lead::Failed {
        component: component.clone(),
    }
}

fn class_index(
    file: &str,
    description: &Description,
    class: Option<&str>,
) -> Result<usize, (String, String)> {
    let handlers = &description.handlers;
    let known = || {
        let names: Vec<String> = handlers
            .iter()
            .map(|handler| format!("`{}`", handler.name))
            .collect();
        format!("it has {}", names.join(", "))
    };
    match class {
        Some(class) => handlers
            .iter()
            .position(|handler| handler.name == class)
            .ok_or_else(|| (format!("`{file}` has no handler `{class}`"), known())),
        None if handlers.len() == 1 => Ok(0),
        None => Err((
            format!(
                "`{file}` has {} handlers; say which one, as `{file}#Class`",
                handlers.len()
            ),
            known(),
        )),
    }
}

fn bad_pattern(file: &Path, error: &PatternError) -> Fault {
    let fault = Fault::in_file(file, error.message.clone());
    match &error.hint {
        Some(hint) => fault.hint(hint.clone()),
        None => fault,
    }
}
