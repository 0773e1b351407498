//! Pure routing: from host and path to route and arguments, or to the reason why there is none. Never looks at
//! methods, headers or bodies, and never does IO.

mod name;
mod pattern;
mod reverse;
mod shape;
mod straight;
mod table;
mod tree;

use std::collections::HashMap;

pub use name::{Reach, path_of};
pub use pattern::{Arguments, Budget, Pattern, PatternError};
pub use reverse::ReverseError;

use pattern::Taken;
use table::Table;

/// One entry of the route table: what it matches, and what the caller keeps with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Route<T> {
    /// Which paths it takes.
    pub pattern: Pattern,
    /// Which hosts it takes, made by [`Pattern::host`]; all of them if absent.
    pub host: Option<Pattern>,
    /// Its name for [`Router::reverse`].
    pub name: Option<String>,
    /// What it leads to.
    pub target: T,
}

/// The result for a request's host and path.
#[derive(Debug, PartialEq)]
pub enum Found<'r, T> {
    /// This route takes it, with these arguments.
    Route(&'r Route<T>, Arguments),
    /// This route would take it, but an argument is not UTF-8 once decoded: the client's fault.
    NotUtf8(&'r Route<T>),
    /// No route takes it.
    Nothing,
}

/// An ordered route table. The first route that matches wins.
///
/// The cost of a search does not grow with the number of routes: one automaton of all patterns (see `tree`) finds the
/// few that may take a path, and only these are tried.
#[derive(Debug)]
pub struct Router<T> {
    routes: Vec<Route<T>>,
    table: Table,
    names: HashMap<String, usize>,
}

impl<T> Router<T> {
    /// Builds the table. It can fail only where the patterns are too large together.
    ///
    /// Of two routes with one name the later has it, as in Tornado. Callers that want unique names check that before.
    pub fn new(routes: Vec<Route<T>>) -> Result<Router<T>, PatternError> {
        let patterns: Vec<_> = routes
            .iter()
            .map(|route| (route.host.as_ref(), &route.pattern))
            .collect();
        let table = Table::new(&patterns)?;
        let names = routes
            .iter()
            .enumerate()
            .filter_map(|(index, route)| Some((route.name.clone()?, index)))
            .collect();
        Ok(Router {
            routes,
            table,
            names,
        })
    }

    /// The routes, in order.
    pub fn routes(&self) -> &[Route<T>] {
        &self.routes
    }

    /// Finds the first route that takes `path` on `host`.
    ///
    /// `host` is a name without port (see [`host_name`]), in any case. `path` is the request's path
    /// as it was sent, still percent-encoded: only arguments are decoded.
    pub fn find(&self, host: &str, path: &str) -> Found<'_, T> {
        for &index in &*self.table.candidates(host, path) {
            let route = &self.routes[index];
            match route.pattern.take(path) {
                Taken::Yes(arguments) => return Found::Route(route, arguments),
                Taken::NotUtf8 => return Found::NotUtf8(route),
                Taken::No => {}
            }
        }
        Found::Nothing
    }

    /// The path of the route called `name`, with `arguments` in place of its groups.
    pub fn reverse(
        &self,
        name: &str,
        arguments: &[impl AsRef<str>],
    ) -> Result<String, ReverseError> {
        match self.names.get(name) {
            Some(&index) => self.routes[index].pattern.reverse(arguments),
            None => Err(ReverseError::UnknownName(name.to_owned())),
        }
    }
}

/// Pairs of routes with the same host and pattern text, as (earlier, later) indices. The later of two can never be
/// reached.
pub fn duplicate_claims<'a>(
    claims: impl IntoIterator<Item = (Option<&'a Pattern>, &'a Pattern)>,
) -> Vec<(usize, usize)> {
    let mut first = HashMap::new();
    let mut pairs = Vec::new();
    for (index, (host, pattern)) in claims.into_iter().enumerate() {
        let earlier = *first
            .entry((host.map(Pattern::text), pattern.text()))
            .or_insert(index);
        if earlier != index {
            pairs.push((earlier, index));
        }
    }
    pairs
}

/// The host without its port: `example.com` of `example.com:8888`, `[::1]` of `[::1]:8888`.
pub fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty()
                && !port.is_empty()
                && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
