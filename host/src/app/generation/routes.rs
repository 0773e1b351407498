//! The route table of a generation: first the configuration, then the claims of components, each below its own name
//! before any other. Loads nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::claims::{Claim, Wide, name_of};
use super::declared::kwargs;
use super::static_folders;
use super::{Component, Lead, Refusal, State, handlers_folder};
use crate::base::error::{Fault, Faults};
use crate::base::router::{Pattern, PatternError, Reach, Route, Router, duplicate_claims, path_of};
use crate::config::{
    self, Config, Destination, Protection, RouteLimits, RouteProtection, StaticArgs,
};
use crate::guest::description::Description;
use crate::guest::resources::Target;
use crate::services::static_files::{StaticFiles, Tree};

pub type Components = BTreeMap<String, Arc<Component>>;

/// The resolved routes.
pub struct Resolved {
    pub router: Router<usize>,
    /// Where each route of the router leads.
    pub leads: Vec<Lead>,
    /// Where a path without a route leads.
    pub default: Option<Lead>,
    /// The components that take more paths than belong to their names.
    pub wide: Vec<Wide>,
}

/// Makes the table. A component that `is_away` loses its claims to other components that claim the same.
pub fn resolve(
    folder: &Path,
    config: &Config,
    components: &Components,
    static_files: &StaticFiles,
    is_away: impl Fn(&str) -> bool,
) -> Result<Resolved, Refusal> {
    let mut table = Table {
        protection: config.settings.protection.clone(),
        static_files: static_files.clone(),
        ..Table::default()
    };
    table.add_static(folder, config);
    table.add_configured(folder, config, components);
    let default = config
        .settings
        .default_handler
        .as_ref()
        .and_then(|default| {
            let file = folder.join(config::FILE_NAME);
            table.lead(folder, config, &file, default, components)
        });
    let unnamed = components.values();
    let unnamed = unnamed.filter(|component| !config.routes_to(&component.file));
    let (programs, unnamed): (Vec<_>, Vec<_>) =
        unnamed.partition(|component| config::is_python(&component.file));
    let mut claims: Vec<Claim> = unnamed
        .into_iter()
        .flat_map(|component| table.claims(folder, component))
        .collect();
    let away: BTreeSet<PathBuf> = components
        .keys()
        .filter(|file| is_away(file))
        .map(|file| handlers_folder(folder).join(file))
        .collect();
    table.give_way(&mut claims, &away);
    table.refuse_rivals(&claims);
    let wide = Wide::among(&claims);
    table.add_claims(claims);
    table.add_program(folder, &programs, &away);
    let (router, leads) = table.finish(folder)?;
    Ok(Resolved {
        router,
        leads,
        default,
        wide,
    })
}

#[derive(Default)]
struct Table {
    /// What protects routes that the configuration does not name.
    protection: Protection,
    static_files: StaticFiles,
    routes: Vec<Route<usize>>,
    leads: Vec<Lead>,
    /// The file to blame for each route.
    owners: Vec<PathBuf>,
    faults: Vec<Fault>,
}

impl Table {
    /// Adds the routes of `static_path`, which come first, as in Tornado.
    fn add_static(&mut self, folder: &Path, config: &Config) {
        let place = static_folders::of_settings(folder, config);
        let Some(tree) = place.and_then(|place| self.static_files.get(&place).cloned()) else {
            return;
        };
        let file = folder.join(config::FILE_NAME);
        let prefix = static_folders::prefix(config);
        let below = format!("{}(.*)", regex::escape(prefix));
        for pattern in [r"/(robots\.txt)", r"/(favicon\.ico)", &below] {
            let args = &config.settings.static_handler_args;
            match Pattern::new(pattern) {
                Ok(pattern) => {
                    let lead = static_lead(&tree, args);
                    self.push(&file, pattern, None, None, lead);
                }
                Err(error) => self.faults.push(bad_pattern(&file, &error)),
            }
        }
    }

    fn add_configured(&mut self, folder: &Path, config: &Config, components: &Components) {
        let file = folder.join(config::FILE_NAME);
        for route in &config.routes {
            let Some(mut lead) = self.lead(folder, config, &file, &route.destination, components)
            else {
                continue;
            };
            if let Lead::Handler {
                component,
                limits,
                target,
                ..
            } = &mut lead
            {
                *limits = route.limits;
                if let Some(target) = Arc::get_mut(target) {
                    target.strip_prefix = route.strip_prefix.as_deref().map(Arc::from);
                    let is_python = config::is_python(&component.file);
                    let protection = &config.settings.protection;
                    target.guard = protection.guard(&route.protection, is_python);
                }
            }
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
        folder: &Path,
        config: &Config,
        file: &Path,
        destination: &Destination,
        components: &Components,
    ) -> Option<Lead> {
        match &destination.target {
            config::Target::Component { file: name, class } => {
                let kwargs = kwargs(destination.kwargs.clone());
                match lead(
                    components.get(name)?,
                    class.as_deref(),
                    kwargs,
                    &self.protection,
                ) {
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
            config::Target::Static { path, args } => {
                let place = static_folders::place(folder, path, args);
                Some(static_lead(self.static_files.get(&place)?, args))
            }
        }
    }

    /// The routes that a component declares, or else the one of its file name.
    fn claims(&mut self, folder: &Path, component: &Arc<Component>) -> Vec<Claim> {
        let file = handlers_folder(folder).join(&component.file);
        let declared = match &component.state {
            State::Serving { declared, .. } => &declared[..],
            State::Failed(_) => &[],
        };
        if component
            .pool()
            .is_some_and(|pool| pool.description().handlers.is_empty())
        {
            return Vec::new();
        }
        if declared.is_empty() {
            return self.mount(&file, component).into_iter().collect();
        }
        let claims = declared.iter().map(|route| Claim {
            owner: file.clone(),
            reach: route.pattern.reach(name_of(&file)),
            route: Route {
                pattern: route.pattern.clone(),
                host: route.host.clone(),
                name: route.name.clone(),
                target: handler_lead(
                    component,
                    route.handler,
                    route.kwargs.clone(),
                    &self.protection,
                ),
            },
        });
        claims.collect()
    }

    fn mount(&mut self, file: &Path, component: &Arc<Component>) -> Option<Claim> {
        let path = path_of(name_of(file));
        match (
            Pattern::new(&path),
            lead(component, None, None, &self.protection),
        ) {
            (Ok(pattern), Ok(lead)) => {
                return Some(Claim {
                    owner: file.to_path_buf(),
                    reach: Reach::Own,
                    route: Route {
                        pattern,
                        host: None,
                        name: None,
                        target: lead,
                    },
                });
            }
            (Err(error), _) => self.faults.push(bad_pattern(file, &error)),
            (_, Err((message, hint))) => self.faults.push(Fault::in_file(file, message).hint(hint)),
        }
        None
    }

    /// Adds claims. Paths below a name belong first to its component, whichever file comes first; a claim that reaches
    /// further comes after them. A claim that may be either is in both places. Each component's claims keep their
    /// order.
    fn add_claims(&mut self, claims: Vec<Claim>) {
        for claim in &claims {
            let route = claim.route.clone();
            let pattern = match claim.reach {
                Reach::Own => route.pattern,
                Reach::Wider => route.pattern.within(name_of(&claim.owner)),
                Reach::Elsewhere => continue,
            };
            self.push(&claim.owner, pattern, route.host, route.name, route.target);
        }
        for Claim { owner, route, .. } in claims.into_iter().filter(Claim::is_wide) {
            self.push(&owner, route.pattern, route.host, route.name, route.target);
        }
    }

    /// Adds the Python app that takes all paths that nothing else takes. One that is away makes room for another.
    fn add_program(
        &mut self,
        folder: &Path,
        programs: &[&Arc<Component>],
        away: &BTreeSet<PathBuf>,
    ) {
        let place = |program: &Component| handlers_folder(folder).join(&program.file);
        let is_away = |program: &&Arc<Component>| away.contains(&place(program));
        let (gone, there): (Vec<&Arc<Component>>, Vec<&Arc<Component>>) =
            programs.iter().copied().partition(is_away);
        let Some(first) = there.first().or(gone.first()) else {
            return;
        };
        for other in there.iter().skip(1) {
            let message = format!("takes every path that is left, and so does {}", first.file);
            let fault = Fault::in_file(&place(other), message)
                .hint("say in waterspout.toml which paths each is to have, with a [[route]]");
            self.faults.push(fault);
        }
        let file = place(first);
        match (
            Pattern::new(".*"),
            lead(first, None, None, &self.protection),
        ) {
            (Ok(pattern), Ok(lead)) => self.push(&file, pattern, None, None, lead),
            (Err(error), _) => self.faults.push(bad_pattern(&file, &error)),
            (_, Err((message, hint))) => {
                self.faults.push(Fault::in_file(&file, message).hint(hint))
            }
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

    /// Removes the claims of components that are away, where others claim the same.
    fn give_way(&self, claims: &mut Vec<Claim>, away: &BTreeSet<PathBuf>) {
        if away.is_empty() {
            return;
        }
        let is_away = |claim: &Claim| away.contains(&claim.owner);
        let there = claims.iter().filter(|claim| !is_away(claim));
        let there: Vec<Route<Lead>> = there.map(|claim| claim.route.clone()).collect();
        let named = there.iter().filter_map(|route| route.name.clone());
        let configured = self.routes.iter().filter_map(|route| route.name.clone());
        let names: BTreeSet<String> = named.chain(configured).collect();
        let is_claimed = |route: &Route<Lead>| {
            let is_same =
                |other: &Route<Lead>| other.pattern == route.pattern && other.host == route.host;
            there.iter().any(is_same)
        };
        claims.retain(|claim| !is_away(claim) || !is_claimed(&claim.route));
        for claim in claims.iter_mut().filter(|claim| is_away(claim)) {
            claim.route.name.take_if(|name| names.contains(name));
        }
    }

    /// Refuses two components that claim the same paths, and two routes with one name.
    fn refuse_rivals(&mut self, claims: &[Claim]) {
        let claimed = claims.iter().map(|claim| &claim.route);
        let pairs = duplicate_claims(claimed.map(|route| (route.host.as_ref(), &route.pattern)));
        for (first, second) in pairs {
            let pattern = claims[second].route.pattern.text();
            let (first, second) = (&claims[first].owner, &claims[second].owner);
            let message = format!("claims `{pattern}`, and so does {}", first.display());
            let fault = Fault::in_file(second, message)
                .hint("say in waterspout.toml which of them is to have it, with a [[route]]");
            self.faults.push(fault);
        }
        let mut names = BTreeMap::new();
        let configured = self.routes.iter().zip(&self.owners);
        let configured = configured.map(|(route, owner)| (&route.name, owner));
        let claimed = claims.iter().map(|claim| (&claim.route.name, &claim.owner));
        for (name, owner) in configured.chain(claimed) {
            let Some(name) = name else { continue };
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

fn static_lead(tree: &Arc<Tree>, args: &StaticArgs) -> Lead {
    Lead::Static {
        tree: tree.clone(),
        default_filename: args.default_filename.as_deref().map(Arc::from),
    }
}

/// Where a route to this class of this component leads. The error is the fault, with a hint.
fn lead(
    component: &Arc<Component>,
    class: Option<&str>,
    kwargs: Option<Arc<str>>,
    protection: &Protection,
) -> Result<Lead, (String, String)> {
    match &component.state {
        State::Serving { pool, .. } => {
            let index = class_index(&component.file, pool.description(), class)?;
            Ok(handler_lead(component, index, kwargs, protection))
        }
        State::Failed(_) => Ok(failed_lead(component)),
    }
}

fn handler_lead(
    component: &Arc<Component>,
    index: usize,
    kwargs: Option<Arc<str>>,
    protection: &Protection,
) -> Lead {
    let State::Serving { pool, .. } = &component.state else {
        return failed_lead(component);
    };
    let handler = &pool.description().handlers[index];
    Lead::Handler {
        name: format!("{}#{}", component.file, handler.name),
        target: Arc::new(Target {
            handler: index as u32,
            class: handler.class.clone(),
            kwargs,
            strip_prefix: None,
            guard: protection.guard(
                &RouteProtection::default(),
                config::is_python(&component.file),
            ),
        }),
        component: component.clone(),
        limits: RouteLimits::default(),
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
        None if handlers.is_empty() => Err((
            format!("`{file}` has no handlers"),
            "its work begins by itself; no route leads to it".to_owned(),
        )),
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
