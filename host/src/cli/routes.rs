//! `waterspout routes`: the route table of an app, or the route that takes a URL.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use http::Uri;

use super::{Routes, check::load, table::table};
use crate::app::generation::Generation;
use crate::base::router::{Arguments, Found, host_name};
use crate::log::plain;

pub async fn routes(options: &Routes) -> anyhow::Result<()> {
    let (app, url) = options.app_and_url();
    let url = url.map(Asked::parse).transpose()?;
    let generation = load(app, &options.set, &options.stores).await?;
    let text = match url {
        None => all(&generation),
        Some(url) => taker(&generation, &url),
    };
    print!("{text}");
    Ok(())
}

impl Routes {
    /// One argument alone may be either.
    fn app_and_url(&self) -> (&Path, Option<&str>) {
        let here = Path::new(".");
        match (&self.app, &self.url) {
            (Some(app), Some(url)) => (app, Some(url)),
            (Some(app), None) => match app.to_str().filter(|app| is_url(app)) {
                Some(url) if !app.is_dir() => (here, Some(url)),
                _ => (app, None),
            },
            (None, _) => (here, None),
        }
    }
}

fn is_url(text: &str) -> bool {
    ["/", "http://", "https://"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// A host and a path to look up.
struct Asked {
    host: String,
    path: String,
}

impl Asked {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let wrong = || format!("`{url}` is no URL: say `/path` or `http://host/path`");
        let uri: Uri = url.parse().with_context(wrong)?;
        let host = uri.authority().map_or("127.0.0.1", |host| host.as_str());
        Ok(Self {
            host: host_name(host).to_owned(),
            path: uri.path().to_owned(),
        })
    }
}

/// All routes in order, one in a line.
fn all(generation: &Generation) -> String {
    let mut rows = vec![["pattern", "handler", "name", "host"].map(str::to_owned)];
    for route in generation.routes() {
        let host = route.host.as_ref().map(|host| host.text().to_owned());
        rows.push([
            route.pattern.text().to_owned(),
            generation.leads[route.target].to_string(),
            route.name.clone().unwrap_or_default(),
            host.unwrap_or_default(),
        ]);
    }
    if let Some(default) = &generation.default {
        let [none, nameless] = [String::new(), String::new()];
        rows.push([
            "(any other)".to_owned(),
            default.to_string(),
            none,
            nameless,
        ]);
    }
    table("", &rows) + &streams(generation)
}

/// Where streams lead, if there are any.
fn streams(generation: &Generation) -> String {
    if generation.streams.is_empty() {
        return String::new();
    }
    let mut rows = vec![["streams", "handler"].map(str::to_owned)];
    for streams in &generation.streams {
        let listen: Vec<_> = streams.listen.iter().map(ToString::to_string).collect();
        rows.push([listen.join(", "), streams.lead.to_string()]);
    }
    format!("\n{}", table("", &rows))
}

/// The route that takes it, with its arguments.
fn taker(generation: &Generation, asked: &Asked) -> String {
    let (route, arguments) = match generation.find(&asked.host, &asked.path, || false) {
        Found::Route(route, arguments) => (route, arguments),
        Found::NotUtf8(route) => {
            let pattern = plain(route.pattern.text());
            return format!("{pattern}: 400, an argument is not UTF-8\n");
        }
        Found::Nothing => {
            return match &generation.default {
                Some(lead) => format!("no route, so the default: {lead}\n"),
                None => "no route: 404\n".to_owned(),
            };
        }
    };
    let mut text = format!(
        "{} → {}\n",
        plain(route.pattern.text()),
        plain(&generation.leads[route.target].to_string())
    );
    let groups: Vec<(String, Option<String>)> = match arguments {
        Arguments::Positional(values) => {
            let numbers = (0..values.len()).map(|number| number.to_string());
            numbers.zip(values).collect()
        }
        Arguments::Named(values) => values,
    };
    for (name, value) in groups {
        let _ = match value {
            Some(value) => writeln!(text, "  {name} = {value:?}"),
            None => writeln!(text, "  {name} is not there"),
        };
    }
    text
}
