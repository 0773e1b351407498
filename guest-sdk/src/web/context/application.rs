//! What a handler can ask of the app that serves the request.

use anyhow::{anyhow, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::result::Result;
use crate::runtime::bindings::waterspout::web::application::{self, ReverseError};
use crate::web::context::Context;
use crate::web::{settings, static_files};

impl Context {
    /// The path of a named route, with `arguments` percent-encoded in the place of its groups. Tornado's
    /// [`reverse_url`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.reverse_url).
    ///
    /// An error where there is no such route, or where it takes another number of arguments.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let url = cx.reverse_url("story", &["1"])?;
    /// cx.write(format!(r#"<a href="{url}">link to story 1</a>"#))
    /// # }
    /// ```
    pub fn reverse_url(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let number = Some(self.request.number());
        application::reverse_url(number, name, &arguments).map_err(|error| match error {
            ReverseError::Unknown => anyhow!("no route is named {name:?}"),
            ReverseError::Arguments(why) => anyhow!("no path for the route {why}"),
            ReverseError::Other(why) => anyhow!(why),
        })
    }

    /// An error that says what to add, where `[settings] app` has no such key, or an empty one. Tornado's
    /// [`require_setting`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.require_setting).
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// cx.require_setting("mail_server", "the reminders")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn require_setting(&self, name: &str, feature: &str) -> Result {
        let all: Value = self.settings()?;
        let is_there = match &all[name] {
            Value::Null => false,
            Value::Bool(is_on) => *is_on,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(table) => !table.is_empty(),
            Value::Number(number) => number.as_f64() != Some(0.0),
        };
        ensure!(
            is_there,
            "You must define the '{name}' setting to use {feature}: in waterspout.toml, `[settings] app = {{ {name} = … }}`"
        );
        Ok(())
    }

    /// The URL of a file of the app, by its path in `static_path`. It has the hash of the file in it, so that clients may
    /// keep the file, and ask for another when it has changed. Tornado's
    /// [`static_url`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.static_url).
    ///
    /// A file that is not there has a URL without a hash. An error where the app has no static files, or where the path
    /// leads out of their folder.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let url = cx.static_url("style.css")?;
    /// cx.write(format!(r#"<link rel="stylesheet" href="{url}">"#))
    /// # }
    /// ```
    pub fn static_url(&self, path: &str) -> Result<String> {
        static_files::of(Some(self.request.number()), path, true)
    }

    /// The same without the hash: Tornado's `static_url(path, include_version=False)`.
    pub fn unversioned_static_url(&self, path: &str) -> Result<String> {
        static_files::of(Some(self.request.number()), path, false)
    }

    /// The table `[settings] app` of the app's configuration, read into a type of the handler's choice. It is read
    /// from the host at each call, and belongs to the generation which the request began on.
    ///
    /// An error where the table is not of that type.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// #[derive(serde::Deserialize)]
    /// struct Settings {
    ///     title: String,
    /// }
    ///
    /// let settings: Settings = cx.settings()?; // app = { title = "Mine" }
    /// cx.write(settings.title)
    /// # }
    /// ```
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T> {
        settings::of(Some(self.request.number()))
    }
}
