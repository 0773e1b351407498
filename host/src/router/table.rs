//! From a path to the routes that match it, without trying them one by one.
//! It never looks at hosts and never picks: candidates come in the table's order.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use regex::{Regex, RegexSet};

use super::pattern::{Pattern, PatternError};
use super::set;

/// Indices of routes, arranged so that a path finds its candidates.
///
/// A pattern without metacharacters takes exactly one path, so all routes that match that path are
/// known when the table is built, and a look-up is all it costs. Any other pattern is filed under
/// the literal text it begins with: `/story/([0-9]+)` under `/story/`. A path is held against the
/// patterns filed under its own beginnings, and those under one beginning are tried in one run. A
/// single set of all patterns would be simpler, but thrashes its cache from some thousand on.
#[derive(Debug)]
pub(super) struct Table {
    literals: HashMap<String, Vec<usize>>,
    prefixes: HashMap<String, Bucket>,
    /// The distinct lengths of the keys of `prefixes`.
    lengths: BTreeSet<usize>,
}

/// The patterns that begin with the same text.
#[derive(Debug)]
enum Bucket {
    One(Regex, usize),
    Many(RegexSet, Vec<usize>),
}

impl Table {
    pub(super) fn new(patterns: Vec<&Pattern>) -> Result<Table, PatternError> {
        let mut filed: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, pattern) in patterns.iter().enumerate() {
            if pattern.literal().is_none() {
                filed.entry(pattern.prefix()).or_default().push(index);
            }
        }
        let mut table = Table {
            literals: HashMap::new(),
            lengths: filed.keys().map(|prefix| prefix.len()).collect(),
            prefixes: HashMap::new(),
        };
        for (prefix, indices) in filed {
            let bucket = Bucket::new(&patterns, indices)?;
            table.prefixes.insert(prefix.to_owned(), bucket);
        }
        for (index, pattern) in patterns.iter().enumerate() {
            let Some(path) = pattern.literal() else {
                continue;
            };
            if !table.literals.contains_key(path) {
                let candidates = table.search(path);
                table.literals.insert(path.to_owned(), candidates);
            }
            if let Some(candidates) = table.literals.get_mut(path) {
                candidates.push(index);
            }
        }
        for candidates in table.literals.values_mut() {
            candidates.sort_unstable();
        }
        Ok(table)
    }

    /// All routes whose pattern matches `path`, in order.
    pub(super) fn candidates(&self, path: &str) -> Cow<'_, [usize]> {
        match self.literals.get(path) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(self.search(path)),
        }
    }

    /// All routes that match `path` by a regular expression, in order.
    fn search(&self, path: &str) -> Vec<usize> {
        let mut candidates = Vec::new();
        let beginnings = self.lengths.iter().map_while(|&length| {
            // A length inside a character is no beginning of this path, but a longer one may be.
            (length <= path.len()).then(|| path.get(..length))
        });
        for bucket in beginnings
            .flatten()
            .filter_map(|text| self.prefixes.get(text))
        {
            match bucket {
                Bucket::One(regex, index) if regex.is_match(path) => candidates.push(*index),
                Bucket::One(..) => {}
                Bucket::Many(set, indices) => {
                    candidates.extend(set.matches(path).iter().map(|found| indices[found]));
                }
            }
        }
        candidates.sort_unstable();
        candidates
    }
}

impl Bucket {
    fn new(patterns: &[&Pattern], indices: Vec<usize>) -> Result<Bucket, PatternError> {
        if let [index] = indices[..] {
            return Ok(Bucket::One(patterns[index].regex().clone(), index));
        }
        let members: Vec<&Pattern> = indices.iter().map(|&index| patterns[index]).collect();
        Ok(Bucket::Many(set(&members)?, indices))
    }
}
