//! Forms with files: `multipart/form-data` (RFC 7578), taken apart by `multer` within Tornado's limits.

use std::convert::Infallible;
use std::future::ready;

use anyhow::{Context as _, Error, bail, ensure};
use bytes::Bytes;
use futures_util::stream::once;
use http::header::{CONTENT_DISPOSITION, HeaderMap};
use multer::Multipart;
use percent_encoding::percent_decode_str;

use crate::result::Result;
use crate::web::arguments::Arguments;
use crate::web::error::HttpError;

/// Tornado's `ParseMultipartConfig`: how many parts a form may have, and how large the headers of one, in bytes.
const MAX_PARTS: usize = 100;
pub(crate) const MAX_PART_HEADER_SIZE: usize = 10 * 1024;

/// The files of a form, by the names of their fields, in the order in which they were sent.
///
/// ```
/// # use waterspout_sdk::prelude::*;
/// # async fn post(cx: &Context) -> Result {
/// for file in cx.request().files().await?.get_all("photo") {
///     let name = file.base_name().unwrap_or("no name");
///     cx.write(format!("{name}: {} bytes\n", file.body().len()))?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Files(Vec<(String, HttpFile)>);

/// One file of a form: Tornado's
/// [`HTTPFile`](https://www.tornadoweb.org/en/stable/httputil.html#tornado.httputil.HTTPFile).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpFile {
    filename: String,
    content_type: String,
    body: Bytes,
}

impl Files {
    /// The first file of a field.
    pub fn get(&self, name: &str) -> Option<&HttpFile> {
        self.get_all(name).next()
    }

    /// All files of a field.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &HttpFile> {
        self.iter()
            .filter_map(move |(other, file)| (other == name).then_some(file))
    }

    /// All files with the names of their fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HttpFile)> {
        self.0.iter().map(|(name, file)| (name.as_str(), file))
    }
}

impl HttpFile {
    /// The name as the client sent it. It may be a path, absolute or with `..`; for a name to store the file under see
    /// [`base_name`](Self::base_name).
    pub fn filename(&self) -> &str {
        &self.filename
    }

    /// What follows the last `/` or `\`, where that can be a file's name: not empty, not `.` or `..`, no control
    /// character. It may still be the name of a file that is there.
    pub fn base_name(&self) -> Option<&str> {
        base_name(&self.filename)
    }

    /// Whether the client sent a path, or something else that is no plain name.
    pub fn is_suspicious(&self) -> bool {
        self.base_name() != Some(&self.filename)
    }

    /// The type that the client says it has; `application/unknown` where it says none.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// What is in it.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// A name that is valid in a folder, without parts that would lead elsewhere.
pub(crate) fn base_name(filename: &str) -> Option<&str> {
    let base = filename.rsplit(['/', '\\']).next()?;
    let is_name = !matches!(base, "" | "." | "..") && !base.contains(char::is_control);
    is_name.then_some(base)
}

/// What a form has in it.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub arguments: Arguments,
    pub files: Files,
}

/// Takes a body apart. [`HttpError`] 400 where it is not such a form, or more than the limits allow.
pub(crate) async fn parse(content_type: &str, body: Bytes) -> Result<Form> {
    read(content_type, body)
        .await
        .map_err(|error| invalid(&error))
}

/// The client's fault.
pub(crate) fn invalid(error: &Error) -> Error {
    let message = format!("Invalid multipart/form-data: {error:#}");
    HttpError::new(400).with_message(message).into()
}

async fn read(content_type: &str, body: Bytes) -> Result<Form> {
    let boundary = boundary(content_type)?;
    let mut form = Form::default();
    let mut multipart = Multipart::new(once(ready(Ok::<_, Infallible>(body))), boundary);
    let mut parts = 0;
    while let Some(field) = multipart.next_field().await? {
        parts += 1;
        let Disposition { name, filename } = check(parts, field.headers())?;
        match filename {
            Some(filename) => {
                let content_type = content_type_of(field.headers());
                let body = field.bytes().await?;
                let file = HttpFile {
                    filename,
                    content_type,
                    body,
                };
                form.files.0.push((name, file));
            }
            None => form.arguments.push(name, field.bytes().await?.to_vec()),
        }
    }
    Ok(form)
}

/// What the part of this number says of itself, within the limits.
pub(crate) fn check(number: usize, headers: &HeaderMap) -> Result<Disposition> {
    ensure!(number <= MAX_PARTS, "too many parts");
    let size = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    ensure!(
        size.sum::<usize>() <= MAX_PART_HEADER_SIZE,
        "part header too large"
    );
    disposition(headers)
}

/// The type that the client says a part has.
pub(crate) fn content_type_of(headers: &HeaderMap) -> String {
    match headers.get(http::header::CONTENT_TYPE) {
        Some(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        None => "application/unknown".to_owned(),
    }
}

/// Whatever is in it, as clients do not all quote what they should.
pub(crate) fn boundary(content_type: &str) -> Result<String> {
    let mut parts = split(content_type).into_iter();
    ensure!(
        parts.next() == Some("multipart/form-data"),
        "invalid content type"
    );
    let boundary = parts
        .filter_map(|part| part.split_once('='))
        .find_map(|(key, value)| {
            let is_boundary = key.trim().eq_ignore_ascii_case("boundary");
            is_boundary.then(|| unquote(value.trim()))
        });
    let boundary = boundary.filter(|boundary| !boundary.is_empty());
    boundary.context("boundary not found")
}

/// What a part says of itself.
#[derive(Debug)]
pub(crate) struct Disposition {
    pub name: String,
    /// None where it is no file.
    pub filename: Option<String>,
}

/// `filename*` (RFC 8187) counts more than `filename`.
fn disposition(headers: &HeaderMap) -> Result<Disposition> {
    let value = headers
        .get(CONTENT_DISPOSITION)
        .context("missing Content-Disposition")?;
    let mut parts = split(std::str::from_utf8(value.as_bytes())?).into_iter();
    ensure!(parts.next() == Some("form-data"), "not form-data");
    let (mut name, mut filename, mut extended) = (None, None, None);
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => name = Some(unquote(value)),
            "filename" => filename = Some(unquote(value)),
            "filename*" => extended = Some(decode_extended(value)?),
            _ => {}
        }
    }
    let name = name.filter(|name| !name.is_empty());
    let filename = extended.or(filename);
    Ok(Disposition {
        name: name.context("missing name")?,
        filename: filename.filter(|filename| !filename.is_empty()),
    })
}

/// The parts between semicolons. A semicolon in quotes divides nothing.
fn split(header: &str) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, char) in header.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ';' if !is_quoted => {
                parts.push(header[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(header[begin..].trim());
    parts
}

/// A backslash counts only before a quote and before another one: some browsers send paths as they are.
fn unquote(value: &str) -> String {
    let quoted = value.strip_prefix('"');
    match quoted.and_then(|value| value.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\\", "\\").replace("\\\"", "\""),
        None => value.to_owned(),
    }
}

/// `UTF-8'en'a%20b`
fn decode_extended(value: &str) -> Result<String> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _, text) = (parts.next(), parts.next(), parts.next());
    let bytes = percent_decode_str(text.context("filename* is not encoded as it should be")?);
    match charset.map(str::to_ascii_lowercase).as_deref() {
        Some("utf-8") => Ok(bytes.decode_utf8()?.into_owned()),
        Some("iso-8859-1") => Ok(bytes.map(char::from).collect()),
        _ => bail!("filename* is neither in UTF-8 nor in ISO-8859-1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::block_on;

    const TYPE: &str = "multipart/form-data; boundary=\"x\"";

    fn form(parts: &[(&str, &str)]) -> String {
        let part = |(headers, body): &(&str, &str)| format!("--x\r\n{headers}\r\n\r\n{body}\r\n");
        parts.iter().map(part).collect::<String>() + "--x--\r\n"
    }

    fn parsed(body: impl Into<Bytes>) -> Result<Form> {
        block_on(parse(TYPE, body.into()))
    }

    fn file(filename: &str) -> HttpFile {
        let headers = format!("Content-Disposition: form-data; name=\"f\"; {filename}");
        let form = parsed(form(&[(&headers, "x")])).unwrap();
        form.files.get("f").unwrap().clone()
    }

    #[track_caller]
    fn assert_refused(body: String, why: &str) {
        let error = parsed(body).unwrap_err();
        let error = error.downcast_ref::<HttpError>().unwrap();
        assert_eq!(error.status(), 400);
        assert!(error.to_string().contains(why), "{error}");
    }

    #[test]
    fn arguments_and_files_are_told_apart() {
        let body = form(&[
            ("Content-Disposition: form-data; name=\"a\"", "1"),
            ("Content-Disposition: form-data; name=\"a\"", ""),
            (
                "Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain",
                "two\r\nlines",
            ),
            (
                "Content-Disposition: form-data; name=\"f\"; filename=\"b\"",
                "--x",
            ),
            (
                "Content-Disposition: form-data; name=\"none\"; filename=\"\"",
                "empty",
            ),
        ]);
        let form = parsed(body).unwrap();
        let arguments: Vec<_> = form.arguments.iter().collect();
        assert_eq!(
            arguments,
            [("a", &b"1"[..]), ("a", b""), ("none", b"empty")]
        );
        let files: Vec<_> = form.files.get_all("f").collect();
        let [first, second] = files[..] else {
            panic!("{files:?}");
        };
        assert_eq!(
            (first.filename(), first.content_type(), first.body()),
            ("a.txt", "text/plain", &b"two\r\nlines"[..])
        );
        assert_eq!(
            (second.filename(), second.content_type(), second.body()),
            ("b", "application/unknown", &b"--x"[..])
        );
    }

    #[test]
    fn a_path_is_no_name() {
        for (sent, base) in [
            ("../../x", Some("x")),
            ("/etc/passwd", Some("passwd")),
            (r"C:\\temp\\x.txt", Some("x.txt")),
            ("..", None),
            ("a/", None),
        ] {
            let file = file(&format!("filename=\"{sent}\""));
            assert_eq!(
                (file.base_name(), file.is_suspicious()),
                (base, true),
                "{sent}"
            );
        }
        let plain = file("filename=\"a b.txt\"");
        assert_eq!(
            (plain.base_name(), plain.is_suspicious()),
            (Some("a b.txt"), false)
        );
    }

    #[test]
    fn what_is_in_quotes_is_no_parameter() {
        let headers = r#"Content-Disposition: form-data; x="; name=b\"; name=c"; Name="a\"\\"; filename="; filename*=d""#;
        let form = parsed(form(&[(headers, "1")])).unwrap();
        let file = form.files.get("a\"\\").unwrap();
        assert_eq!(file.filename(), "; filename*=d");
    }

    #[test]
    fn a_name_may_be_in_another_alphabet() {
        let euro = file("filename=\"E.txt\"; filename*=UTF-8''%E2%82%AC.txt");
        assert_eq!(euro.filename(), "\u{20ac}.txt");
        assert_eq!(file("filename*=iso-8859-1'en'%A3").filename(), "\u{a3}");
    }

    #[test]
    fn what_is_no_such_form_is_refused() {
        let part = "Content-Disposition: form-data; name=\"a\"";
        assert_refused(form(&[(part, "1")]).replace("--x--", ""), "multipart");
        assert_refused(
            form(&[("Content-Disposition: form-data", "1")]),
            "missing name",
        );
        assert_refused(
            form(&[("Content-Disposition: file; name=\"a\"", "1")]),
            "not form-data",
        );
        assert_refused(form(&[("Content-Type: text/plain", "1")]), "missing");
        let error = block_on(parse("multipart/form-data", Bytes::new())).unwrap_err();
        assert!(error.to_string().contains("400"), "{error}");
    }

    #[test]
    fn limits_are_tornado_s() {
        let part = ("Content-Disposition: form-data; name=\"a\"", "1");
        assert!(parsed(form(&[part; MAX_PARTS])).is_ok());
        assert_refused(form(&[part; MAX_PARTS + 1]), "too many parts");
        let large = format!("{}\r\nX-A: {}", part.0, "a".repeat(MAX_PART_HEADER_SIZE));
        assert_refused(form(&[(&large, "1")]), "part header too large");
    }
}
