//! `allow` of a component: what its guest may reach outside of itself, as lists of texts by name. Which names there are
//! and what their texts mean is not known here: the caller says it with a [`GrantKey`] for each.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::error::{Fault, Position};

use super::Config;
use super::report::did_you_mean;
use super::section::table;
use super::value::Value;

/// What a guest may reach outside of itself. The default is only the app's own state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow(BTreeMap<String, Vec<String>>);

impl Allow {
    /// The list of this name, if there is one.
    pub fn list(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// The texts of the list of this name.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.list(name)
            .unwrap_or_default()
            .iter()
            .map(String::as_str)
    }
}

/// The places of an `allow`, by the names of its lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllowPositions(BTreeMap<String, ListPosition>);

#[derive(Clone, Debug, PartialEq)]
struct ListPosition {
    name: Position,
    list: Position,
    texts: Vec<Position>,
}

impl AllowPositions {
    /// The place of a list. `None`: it is missing.
    pub fn list(&self, name: &str) -> Option<Position> {
        self.0.get(name).map(|position| position.list)
    }
}

/// A list that `allow` may have.
#[derive(Debug)]
pub struct GrantKey {
    /// Its name.
    pub name: &'static str,
    /// What each of its texts must be.
    pub text: &'static str,
    /// A valid list.
    pub example: &'static str,
    /// Whether a text is valid.
    pub is_valid: fn(&str) -> bool,
}

pub(super) fn read(value: Value<'_, '_>) -> Option<(Allow, AllowPositions)> {
    let (mut allow, mut positions) = (Allow::default(), AllowPositions::default());
    for (name, value) in table(value, "in `allow`")?.entries() {
        let mut places = Vec::new();
        let texts = value.list(|text| {
            places.push(text.position());
            text.text().map(str::to_owned)
        });
        let Some(texts) = texts else {
            continue;
        };
        let position = ListPosition {
            name: name.position(),
            list: value.position(),
            texts: places,
        };
        allow.0.insert(name.text().to_owned(), texts);
        positions.0.insert(name.text().to_owned(), position);
    }
    Some((allow, positions))
}

impl Config {
    /// What is wrong with the grants of all components, where these are the lists that `allow` may have.
    pub fn wrong_grants(&self, file: &Path, known: &[&GrantKey]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for spanned in self.components.values() {
            for (name, texts) in &spanned.component.allow.0 {
                let Some(position) = spanned.allow.0.get(name) else {
                    continue;
                };
                let key = known.iter().find(|key| key.name == name);
                let Some(key) = key else {
                    let names = || known.iter().map(|key| key.name);
                    let hint = did_you_mean(name, names()).unwrap_or_else(|| {
                        format!("known keys: `{}`", names().collect::<Vec<_>>().join("`, `"))
                    });
                    let message = format!("unknown key `{name}` in `allow`");
                    faults.push(self.fault(file, position.name, message).hint(hint));
                    continue;
                };
                let wrong = texts.iter().zip(&position.texts);
                for (text, place) in wrong.filter(|(text, _)| !(key.is_valid)(text)) {
                    let message = format!("`{name}` must be {}, not {text:?}", key.text);
                    let hint = format!("for example `{name} = {}`", key.example);
                    faults.push(self.fault(file, *place, message).hint(hint));
                }
            }
        }
        faults
    }
}
