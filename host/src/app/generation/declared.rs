//! The routes that a component declares for itself, read once when it is loaded. `routes` decides whether they are in
//! the table.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::error::Error;
use crate::base::router::{Budget, Pattern, PatternError};
use crate::guest::description::Description;

/// How large the patterns of one component may be together once compiled, in bytes: a thousand of the usual size. Most
/// need no expression, and do not count.
const PATTERNS_SIZE: usize = 16 << 20;

/// One declared route.
pub struct Declared {
    /// Index into the component's handlers.
    pub handler: usize,
    pub pattern: Pattern,
    pub host: Option<Pattern>,
    pub name: Option<String>,
    /// A JSON object, unless it is empty.
    pub kwargs: Option<Arc<str>>,
}

/// Reads all of them, in declared order.
pub fn read(description: &Description) -> Result<Vec<Declared>, Error> {
    let mut declared = Vec::new();
    let mut budget = Budget::of(PATTERNS_SIZE);
    for (handler, class) in description.handlers.iter().enumerate() {
        for route in &class.routes {
            let pattern = Pattern::new_within(&route.pattern, &mut budget).map_err(bad_pattern)?;
            let host = route.host.as_deref();
            let host = host.map(|host| Pattern::host_within(host, &mut budget));
            let host = host.transpose();
            let kwargs = read_kwargs(route.kwargs.as_deref()).map_err(|error| {
                let pattern = &route.pattern;
                Error::component(format!(
                    "declares kwargs for `{pattern}` that are no JSON object: {error}"
                ))
            })?;
            declared.push(Declared {
                handler,
                pattern,
                host: host.map_err(bad_pattern)?,
                name: route.name.clone(),
                kwargs,
            });
        }
    }
    Ok(declared)
}

fn read_kwargs(text: Option<&str>) -> Result<Option<Arc<str>>, serde_json::Error> {
    let Some(text) = text else {
        return Ok(None);
    };
    serde_json::from_str(text).map(kwargs)
}

/// The keyword arguments of a route, in the form for guests.
pub fn kwargs(kwargs: Map<String, Value>) -> Option<Arc<str>> {
    (!kwargs.is_empty()).then(|| Value::Object(kwargs).to_string().into())
}

fn bad_pattern(error: PatternError) -> Error {
    let hint = error
        .hint
        .map(|hint| format!(" ({hint})"))
        .unwrap_or_default();
    Error::component(format!(
        "declares a route that is none: {}{hint}",
        error.message
    ))
}
