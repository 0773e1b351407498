//! Pure routing: host and path in; route and arguments, or why not, out.
//! It never looks at methods, headers or bodies, and never does IO.

mod pattern;
mod reverse;
mod table;

use std::collections::HashMap;

use regex::{RegexSet, RegexSetBuilder};

pub use pattern::{Arguments, Pattern, PatternError};
pub use reverse::ReverseError;

use table::Table;

/// The compiled size, in bytes, that one set of patterns may reach.
const SET_SIZE_LIMIT: usize = 64 << 20;

/// One entry of the route table: who it is for, and what the caller keeps with it.
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

/// What became of a request's host and path.
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
/// Its cost does not grow with the number of routes: see `table` for how a path finds its
/// candidates. All host patterns are tried in one run, and only if a candidate has one.
#[derive(Debug)]
pub struct Router<T> {
    routes: Vec<Route<T>>,
    table: Table,
    hosts: RegexSet,
    /// For each route the index of its host pattern in `hosts`.
    host_of: Vec<Option<usize>>,
    names: HashMap<String, usize>,
}

impl<T> Router<T> {
    /// Builds the table. It can fail only where the patterns are too large together.
    ///
    /// Of two routes with one name the later answers to it, as in Tornado; callers that want names
    /// to be unique check that before.
    pub fn new(routes: Vec<Route<T>>) -> Result<Router<T>, PatternError> {
        let table = Table::new(routes.iter().map(|route| &route.pattern).collect())?;
        let (hosts, host_of) = index_hosts(&routes)?;
        let names = routes
            .iter()
            .enumerate()
            .filter_map(|(index, route)| Some((route.name.clone()?, index)))
            .collect();
        Ok(Router {
            routes,
            table,
            hosts,
            host_of,
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
        let mut hosts = None;
        let mut host_fits = |index: usize| match self.host_of[index] {
            None => true,
            Some(pattern) => hosts
                .get_or_insert_with(|| self.hosts.matches(host))
                .matched(pattern),
        };
        let candidates = self.table.candidates(path);
        let Some(&index) = candidates.iter().find(|&&index| host_fits(index)) else {
            return Found::Nothing;
        };
        let route = &self.routes[index];
        match route.pattern.arguments(path) {
            Some(arguments) => Found::Route(route, arguments),
            None => Found::NotUtf8(route),
        }
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

/// Pairs of claims on the same host and pattern text, as (earlier, later) indices. The later of
/// two can never be reached.
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

/// One set of all distinct host patterns, and for each route its index there.
fn index_hosts<T>(routes: &[Route<T>]) -> Result<(RegexSet, Vec<Option<usize>>), PatternError> {
    let mut patterns: Vec<&Pattern> = Vec::new();
    let mut seen = HashMap::new();
    let host_of = routes
        .iter()
        .map(|route| {
            let host = route.host.as_ref()?;
            Some(*seen.entry(host.text()).or_insert_with(|| {
                patterns.push(host);
                patterns.len() - 1
            }))
        })
        .collect();
    Ok((set(&patterns)?, host_of))
}

/// Patterns that are tried in one run.
fn set(patterns: &[&Pattern]) -> Result<RegexSet, PatternError> {
    RegexSetBuilder::new(patterns.iter().map(|pattern| pattern.anchored()))
        .size_limit(SET_SIZE_LIMIT)
        .build()
        .map_err(|_| PatternError {
            message: format!(
                "{} patterns are larger together than {SET_SIZE_LIMIT} bytes when compiled",
                patterns.len()
            ),
            hint: Some("write them with smaller repetitions such as `{1,20}`".to_owned()),
            offset: None,
        })
}

#[cfg(test)]
mod tests;
