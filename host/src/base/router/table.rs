//! From a host and a path to the routes that may take them, without trying all. Does not choose: candidates come in
//! the table's order, and the caller tries them in turn.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use rustc_hash::FxHashMap;

use super::pattern::{Pattern, PatternError};
use super::tree::{Builder, Tree};

/// Indices of routes, arranged so that a host and a path find their candidates.
///
/// Routes are grouped by their host pattern, so that a host skips all groups that aren't its own.
#[derive(Debug)]
pub(super) struct Table {
    tree: Tree,
    /// The routes of all hosts.
    common: Group,
    /// The distinct host patterns, and the routes of each.
    hosts: Vec<(Pattern, Group)>,
    /// The root in the tree where a host finds those of `hosts` that may take it.
    hosts_root: u32,
}

/// Routes for the same hosts.
///
/// A pattern without metacharacters takes exactly one path. Its route is known when the table is built, and found by
/// one look-up. All other patterns are in the tree.
#[derive(Debug)]
struct Group {
    /// The requested paths come from clients, but the keys come from the app: its hashes need no secret.
    literals: FxHashMap<String, [usize; 1]>,
    root: u32,
}

impl Table {
    /// `routes` are host and path patterns.
    pub(super) fn new(routes: &[(Option<&Pattern>, &Pattern)]) -> Result<Table, PatternError> {
        let mut common = Vec::new();
        let mut hosts: Vec<(&Pattern, Vec<usize>)> = Vec::new();
        let mut host_of = HashMap::new();
        for (index, &(host, _)) in routes.iter().enumerate() {
            let Some(host) = host else {
                common.push(index);
                continue;
            };
            let number = *host_of.entry(host.text()).or_insert(hosts.len());
            if number == hosts.len() {
                hosts.push((host, Vec::new()));
            }
            hosts[number].1.push(index);
        }

        let mut builder = Builder::default();
        let hosts_root = builder.node()?;
        for (number, (host, _)) in hosts.iter().enumerate() {
            builder.insert(hosts_root, host.shapes(), number)?;
        }
        let patterns: Vec<&Pattern> = routes.iter().map(|(_, pattern)| *pattern).collect();
        let common_root = plant(&mut builder, &patterns, &common)?;
        let mut roots = Vec::new();
        for (_, indices) in &hosts {
            roots.push(plant(&mut builder, &patterns, indices)?);
        }

        let tree = builder.build();
        Ok(Table {
            common: Group::new(common_root, &tree, &patterns, &common),
            hosts: hosts
                .into_iter()
                .zip(roots)
                .map(|((host, indices), root)| {
                    let group = Group::new(root, &tree, &patterns, &indices);
                    (host.clone(), group)
                })
                .collect(),
            hosts_root,
            tree,
        })
    }

    /// Routes in order, the first that takes `path` on `host` among them. All are for this host; their paths must
    /// still be tried.
    pub(super) fn candidates(&self, host: &str, path: &str) -> Cow<'_, [usize]> {
        let common = self.common.candidates(&self.tree, path);
        if self.hosts.is_empty() {
            return common;
        }
        let mut candidates = common.into_owned();
        for &number in &*self.tree.find(self.hosts_root, host) {
            let (pattern, group) = &self.hosts[number];
            if pattern.matches(host) {
                candidates.extend_from_slice(&group.candidates(&self.tree, path));
            }
        }
        candidates.sort_unstable();
        Cow::Owned(candidates)
    }
}

impl Group {
    fn new(root: u32, tree: &Tree, patterns: &[&Pattern], indices: &[usize]) -> Group {
        let mut literals = FxHashMap::default();
        for &index in indices {
            let Some(path) = patterns[index].literal() else {
                continue;
            };
            if literals.contains_key(path) {
                continue;
            }
            let expressions = tree.find(root, path);
            let mut earlier = expressions.iter().filter(|&&found| found < index);
            let first = earlier.find(|&&found| patterns[found].matches(path));
            literals.insert(path.to_owned(), [*first.unwrap_or(&index)]);
        }
        Group { literals, root }
    }

    fn candidates<'t>(&'t self, tree: &'t Tree, path: &str) -> Cow<'t, [usize]> {
        match self.literals.get(path) {
            Some(first) => Cow::Borrowed(first),
            None => tree.find(self.root, path),
        }
    }
}

/// Puts those of `indices` in the tree that aren't literal, without duplicates: only the first can win.
fn plant(
    builder: &mut Builder,
    patterns: &[&Pattern],
    indices: &[usize],
) -> Result<u32, PatternError> {
    let root = builder.node()?;
    let mut seen = HashSet::new();
    for &index in indices {
        let pattern = patterns[index];
        let is_copy = !pattern.is_part() && !seen.insert(pattern.text());
        if pattern.literal().is_none() && !is_copy {
            builder.insert(root, pattern.shapes(), index)?;
        }
    }
    Ok(root)
}
