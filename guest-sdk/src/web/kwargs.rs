//! The keyword arguments of a route, as `initialize` gets them.

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use crate::result::Result;

/// The `kwargs` of a route, as [`initialize`](crate::RequestHandler::initialize) gets them.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// #[derive(Default)]
/// struct Story {
///     db: String,
/// }
///
/// #[handler]
/// impl RequestHandler for Story {
///     fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
///         self.db = kwargs.get("db")?;
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Kwargs(serde_json::Map<String, serde_json::Value>);

impl Kwargs {
    /// One of them. `Option` is for those that may be absent.
    ///
    /// An error where it is absent or of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let value = self.0.get(name).cloned().unwrap_or(serde_json::Value::Null);
        let missing = if self.0.contains_key(name) {
            ""
        } else {
            ", which is missing"
        };
        serde_json::from_value(value)
            .with_context(|| format!("reading the keyword argument {name:?}{missing}"))
    }

    /// All of them, read into a struct. With `#[serde(deny_unknown_fields)]` it is as strict as a Python function.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # fn initialize(kwargs: Kwargs) -> Result {
    /// #[derive(serde::Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Arguments {
    ///     db: String,
    ///     size: Option<u32>,
    /// }
    ///
    /// let Arguments { db, size } = kwargs.parse()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn parse<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_value(self.0.into()).context("reading the keyword arguments")
    }

    /// `text`: a JSON object, or nothing.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let text = if text.is_empty() { "{}" } else { text };
        serde_json::from_str(text)
            .map(Self)
            .context("reading the keyword arguments")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kwargs_by_name() {
        let kwargs = Kwargs::new(r#"{"db": "main", "size": 3}"#).unwrap();
        assert_eq!(kwargs.get::<String>("db").unwrap(), "main");
        assert_eq!(kwargs.get::<Option<String>>("cache").unwrap(), None);
        let missing = kwargs.get::<String>("cache").unwrap_err().to_string();
        assert_eq!(
            missing,
            r#"reading the keyword argument "cache", which is missing"#
        );
        assert!(kwargs.get::<String>("size").is_err());
    }

    #[test]
    fn kwargs_as_a_struct() {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Strict {
            db: String,
        }
        assert_eq!(
            Kwargs::new(r#"{"db": "main"}"#)
                .unwrap()
                .parse::<Strict>()
                .unwrap()
                .db,
            "main"
        );
        assert!(
            Kwargs::new(r#"{"db": "main", "size": 3}"#)
                .unwrap()
                .parse::<Strict>()
                .is_err()
        );
        assert!(Kwargs::new("").unwrap().parse::<Strict>().is_err());
    }
}
