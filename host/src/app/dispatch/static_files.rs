//! `builtin:static` and `static_path`, Tornado's `StaticFileHandler`: which file a request is for, and the response with
//! it. A path that its generation does not have is no file, wherever it leads.

mod conditions;
mod range;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::compress::Coding;
use super::{Reply, page};
use crate::base::router::Arguments;
use crate::services::static_files::{Entry, Found, Pieces, StaticFile, Tree, http_date};

use conditions::{is_known, keeps_range};
use range::Part;

/// How long a client may keep what never changes: Tornado's `CACHE_MAX_AGE`.
const FOREVER: Duration = Duration::from_secs(86_400 * 365 * 10);
const MAX_AGE: HeaderValue = HeaderValue::from_static("max-age=315360000");

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");

/// The result of looking for a file.
pub(super) enum Looked {
    Answered(Response<Reply>),
    /// The file is not in memory. It has to be opened first.
    ToBeOpened(Box<Opening>),
}

/// A file that has to be opened.
pub(super) struct Opening {
    tree: Arc<Tree>,
    path: Box<str>,
    /// As its generation knows it.
    file: Arc<StaticFile>,
    caching: Caching,
    varies: bool,
}

/// How long a client may keep the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caching {
    /// As it likes.
    Usual,
    /// Forever: the URL has the hash of these bytes.
    Forever,
    /// Never without asking: the URL has another hash.
    Never,
}

/// A file as a response shows it.
struct Representation<'a> {
    etag: Option<&'a HeaderValue>,
    last_modified: Option<&'a HeaderValue>,
    /// In seconds since 1970.
    modified: i64,
    size: u64,
    content_type: &'a HeaderValue,
    coding: Option<Coding>,
    caching: Caching,
    /// Whether the response depends on the codings that the client takes.
    varies: bool,
}

/// Answers GET and HEAD. The last argument is the path of the file.
pub(super) fn look(
    head: &Parts,
    tree: &Arc<Tree>,
    default_filename: Option<&str>,
    arguments: &Arguments,
) -> Looked {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let mut response = page::error(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, METHODS);
        return Looked::Answered(response);
    }
    let version = head.uri.query().and_then(version);
    let path = last(arguments);
    match tree.find(path) {
        Found::File(entry) => file(head, tree, path, entry, version),
        Found::Folder => folder(head, tree, path, default_filename, version),
        Found::Nothing => gone(head, tree, path, version),
    }
}

/// The last argument.
fn last(arguments: &Arguments) -> &str {
    let last = match arguments {
        Arguments::Positional(values) => values.last().map(|value| value.as_deref()),
        Arguments::Named(values) => values.last().map(|(_, value)| value.as_deref()),
    };
    last.flatten().unwrap_or_default()
}

/// The value of `v`, the first one. It has no other form in a URL that `static_url` made.
fn version(query: &str) -> Option<&str> {
    query
        .split('&')
        .find_map(|pair| match pair.split_once('=') {
            Some(("v", value)) => Some(value),
            None if pair == "v" => Some(""),
            _ => None,
        })
}

fn folder(
    head: &Parts,
    tree: &Arc<Tree>,
    path: &str,
    default_filename: Option<&str>,
    version: Option<&str>,
) -> Looked {
    let Some(name) = default_filename else {
        return Looked::Answered(page::error(StatusCode::FORBIDDEN));
    };
    let asked = head.uri.path();
    if !asked.ends_with('/') {
        return Looked::Answered(redirect(asked));
    }
    let folder = path.trim_end_matches('/');
    let path = match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    match tree.find(&path) {
        Found::File(entry) => file(head, tree, &path, entry, version),
        Found::Folder => Looked::Answered(page::error(StatusCode::FORBIDDEN)),
        Found::Nothing => gone(head, tree, &path, version),
    }
}

/// To the URL of a folder itself, so that what its page names is beside it.
fn redirect(asked: &str) -> Response<Reply> {
    let location = HeaderValue::try_from(format!("{asked}/"));
    // A browser takes what is behind two slashes for a host.
    let (Ok(location), false) = (location, asked.starts_with("//")) else {
        return page::error(StatusCode::FORBIDDEN);
    };
    let mut response = page::error(StatusCode::MOVED_PERMANENTLY);
    *response.body_mut() = Reply::new(Bytes::new());
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn file(
    head: &Parts,
    tree: &Arc<Tree>,
    path: &str,
    entry: &Entry,
    version: Option<&str>,
) -> Looked {
    let caching = match version {
        None => Caching::Usual,
        Some(version) if entry.file.version() == Some(version) => Caching::Forever,
        Some(version) => match tree.older(path, version) {
            Some(older) => return Looked::Answered(kept(head, older)),
            None => Caching::Never,
        },
    };
    let varies = entry.encoded.iter().any(Option::is_some);
    let (shown, coding) = match varies {
        true => preferred(head, entry),
        false => (&entry.file, None),
    };
    let Some(content) = &shown.content else {
        return Looked::ToBeOpened(Box::new(Opening {
            tree: tree.clone(),
            path: path.into(),
            file: entry.file.clone(),
            caching,
            varies,
        }));
    };
    let representation = Representation {
        content_type: &entry.file.content_type,
        coding,
        varies,
        ..Representation::of(shown, caching)
    };
    Looked::Answered(from_memory(head, &representation, content))
}

/// The file in the coding that the client prefers, if it is there in one that it takes.
fn preferred<'a>(head: &Parts, entry: &'a Entry) -> (&'a Arc<StaticFile>, Option<Coding>) {
    let encoded = |coding: Coding| entry.encoded[coding as usize].as_ref();
    let coding = Coding::preferred_among(&head.headers, |coding| encoded(coding).is_some());
    match coding.and_then(|coding| Some((encoded(coding)?, coding))) {
        Some((file, coding)) => (file, Some(coding)),
        None => (&entry.file, None),
    }
}

/// What is not there may have been there when a page was made that names it.
fn gone(head: &Parts, tree: &Tree, path: &str, version: Option<&str>) -> Looked {
    let older = version.and_then(|version| tree.older(path, version));
    Looked::Answered(match older {
        Some(older) => kept(head, older),
        None => page::error(StatusCode::NOT_FOUND),
    })
}

/// An older version, which its URL names.
fn kept(head: &Parts, file: &StaticFile) -> Response<Reply> {
    match &file.content {
        Some(content) => from_memory(head, &Representation::of(file, Caching::Forever), content),
        None => page::error(StatusCode::NOT_FOUND),
    }
}

fn from_memory(head: &Parts, file: &Representation<'_>, content: &Bytes) -> Response<Reply> {
    respond(head, file, |start, length| {
        // Both are within the content, whose length is the size.
        let (start, length) = (start as usize, length as usize);
        Reply::shared(content.slice(start..start + length))
    })
}

impl Opening {
    /// Opens the file, and answers with what is there now.
    pub async fn answer(self, head: &Parts) -> Response<Reply> {
        let (tree, path) = (self.tree, self.path);
        let opening = tokio::task::spawn_blocking(move || (tree.open(&path), path));
        let (opened, path) = match opening.await {
            Ok((Ok(Some(opened)), path)) => (opened, path),
            Ok((Ok(None), _)) => return page::error(StatusCode::NOT_FOUND),
            Ok((Err(error), path)) => {
                tracing::error!(target: "general", "the static file {path} can't be opened: {error}");
                return page::error(StatusCode::INTERNAL_SERVER_ERROR);
            }
            Err(_) => return page::error(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let modified = opened.stamp.modified();
        let last_modified = http_date(modified);
        let is_known = opened.stamp == self.file.stamp;
        let representation = Representation {
            // Nobody has hashed what has changed since.
            etag: self.file.etag().filter(|_| is_known),
            last_modified: last_modified.as_ref(),
            modified,
            size: opened.stamp.size(),
            content_type: &self.file.content_type,
            coding: None,
            caching: match self.caching {
                Caching::Forever if !is_known => Caching::Never,
                caching => caching,
            },
            varies: self.varies,
        };
        let mut failed = None;
        let response = respond(head, &representation, |start, length| {
            match Pieces::new(opened.file, start, length) {
                Ok(pieces) => Reply::file(pieces),
                Err(error) => {
                    failed = Some(error);
                    Reply::new(Bytes::new())
                }
            }
        });
        match failed {
            None => response,
            Some(error) => {
                tracing::error!(target: "general", "the static file {path} can't be read: {error}");
                page::error(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl<'a> Representation<'a> {
    fn of(file: &'a StaticFile, caching: Caching) -> Self {
        Self {
            etag: file.etag(),
            last_modified: file.last_modified.as_ref(),
            modified: file.stamp.modified(),
            size: file.content.as_ref().map_or(0, Bytes::len) as u64,
            content_type: &file.content_type,
            coding: None,
            caching,
            varies: false,
        }
    }
}

/// The response with a file, or the part of it that is asked for. `body` makes that of its first byte and its length.
fn respond(
    head: &Parts,
    file: &Representation<'_>,
    body: impl FnOnce(u64, u64) -> Reply,
) -> Response<Reply> {
    let mut response = Response::new(Reply::new(Bytes::new()));
    let headers = response.headers_mut();
    headers.reserve(10);
    page::sign(headers);
    headers.insert(header::ACCEPT_RANGES, BYTES);
    if let Some(etag) = file.etag {
        headers.insert(header::ETAG, etag.clone());
    }
    if let Some(last_modified) = file.last_modified {
        headers.insert(header::LAST_MODIFIED, last_modified.clone());
    }
    match file.caching {
        Caching::Usual => {}
        Caching::Forever => {
            headers.insert(header::CACHE_CONTROL, MAX_AGE);
            headers.extend(expires().map(|expires| (header::EXPIRES, expires)));
        }
        Caching::Never => {
            headers.insert(header::CACHE_CONTROL, NO_CACHE);
        }
    }
    if file.varies {
        headers.insert(header::VARY, ACCEPT_ENCODING);
    }
    if is_known(&head.headers, file.etag, file.modified) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let asked = head.headers.get(header::RANGE);
    let asked = asked.filter(|_| keeps_range(&head.headers, file.etag, file.modified));
    let (start, length) = match asked.map_or(Part::All, |range| Part::asked(range, file.size)) {
        Part::All => (0, file.size),
        Part::Some { start, length } => {
            let end = start + length - 1;
            let range = format!("bytes {start}-{end}/{}", file.size);
            headers.extend(content_range(&range));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            (start, length)
        }
        Part::Unsatisfiable => {
            headers.extend(content_range(&format!("bytes */{}", file.size)));
            headers.insert(header::CONTENT_TYPE, PLAIN);
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, file.content_type.clone());
    if let Some(coding) = file.coding {
        let name = HeaderValue::from_static(coding.name());
        headers.insert(header::CONTENT_ENCODING, name);
    }
    match head.method == Method::HEAD {
        true => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        false => *response.body_mut() = body(start, length),
    }
    response
}

fn content_range(text: &str) -> Option<(header::HeaderName, HeaderValue)> {
    Some((header::CONTENT_RANGE, HeaderValue::from_str(text).ok()?))
}

/// When forever ends.
fn expires() -> Option<HeaderValue> {
    let end = SystemTime::now() + FOREVER;
    let end = end.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    http_date(i64::try_from(end.as_secs()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_value_of_v() {
        for (query, is) in [
            ("v=1", Some("1")),
            ("a=2&v=1", Some("1")),
            ("v=1&v=2", Some("1")),
            ("v=", Some("")),
            ("v", Some("")),
            ("", None),
            ("vv=1", None),
            ("a=v", None),
            ("V=1", None),
        ] {
            assert_eq!(version(query), is, "{query}");
        }
    }
}
