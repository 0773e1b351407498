//! The opening of a WebSocket: a request, and a response that agrees or that is one of HTTP. Knows no frame.

use std::time::{Duration, Instant};

use httparse::Status;
use sockudo_ws::handshake::{generate_accept_key, generate_key};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use url::Url;

use super::wire::Wire;
use crate::jar::Jar;
use crate::{HttpResponse, WebSocketRequest};

/// The most headers of a response.
const MAX_HEADERS: usize = 256;

pub enum Answer {
    /// The server has agreed, in these headers.
    Opened(Wire, HeaderMap),
    Refused(HttpResponse),
}

/// Asks this URL for a WebSocket.
pub fn open(
    request: &WebSocketRequest,
    url: &str,
    timeout: Duration,
    jar: Option<&Jar>,
) -> Result<Answer, String> {
    let parsed = Url::parse(url).map_err(|error| error.to_string())?;
    let (Some(host), "http") = (parsed.host_str(), parsed.scheme()) else {
        return Err("only plain HTTP leads to a WebSocket here".to_owned());
    };
    let headers = headers(request, &parsed, jar)?;
    let port = parsed.port().unwrap_or(80);
    let mut wire = Wire::connect(host.trim_matches(['[', ']']), port, timeout)
        .map_err(|error| error.to_string())?;
    let until = wire.deadline();
    wire.write(&written(target(url), &headers))
        .map_err(|error| error.to_string())?;
    let (status, answered) = head(&mut wire, until)?;
    if let Some(jar) = jar {
        jar.keep(&parsed, &answered);
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Answer::Refused(HttpResponse {
            code: status.as_u16(),
            body: body(&mut wire, &answered, until)?,
            headers: answered,
            effective_url: url.to_owned(),
        }));
    }
    check(&headers, &answered)?;
    Ok(Answer::Opened(wire, answered))
}

/// Path and query as the test has written them: a parsed URL has others for `/a/../b`.
fn target(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let target = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
    let target = target.split('#').next().unwrap_or_default();
    match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/{target}"),
    }
}

/// The test's headers, and those of a handshake that it has not said itself.
fn headers(request: &WebSocketRequest, url: &Url, jar: Option<&Jar>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(name).map_err(|error| format!("{name:?}: {error}"))?;
        headers.append(name, self::value(value)?);
    }
    let key = generate_key();
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    for (name, usual) in [
        (header::HOST, host),
        (header::USER_AGENT, crate::USER_AGENT),
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "Upgrade"),
        (header::SEC_WEBSOCKET_KEY, &key),
        (header::SEC_WEBSOCKET_VERSION, "13"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, value(usual)?);
        }
    }
    if !request.subprotocols.is_empty() {
        let subprotocols = value(&request.subprotocols.join(", "))?;
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, subprotocols);
    }
    if request.is_compressed {
        let offer = HeaderValue::from_static("permessage-deflate; client_max_window_bits");
        headers.append(header::SEC_WEBSOCKET_EXTENSIONS, offer);
    }
    if let Some(jar) = jar {
        jar.add_to(&mut headers, url)
            .map_err(|error| error.to_string())?;
    }
    Ok(headers)
}

fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(text).map_err(|error| format!("{text:?}: {error}"))
}

fn written(target: String, headers: &HeaderMap) -> Vec<u8> {
    let mut bytes = format!("GET {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The head of the response; those that only say that it will come are passed over.
fn head(wire: &mut Wire, until: Instant) -> Result<(StatusCode, HeaderMap), String> {
    loop {
        let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut lines);
        let parsed = response.parse(&wire.unread);
        let Status::Complete(length) = parsed.map_err(|error| no_http(&error))? else {
            more(wire, until)?;
            continue;
        };
        let status = StatusCode::from_u16(response.code.unwrap_or_default());
        let status = status.map_err(|error| no_http(&error))?;
        let mut headers = HeaderMap::new();
        for line in response.headers {
            let name = HeaderName::try_from(line.name).map_err(|error| no_http(&error))?;
            let value = HeaderValue::try_from(line.value).map_err(|error| no_http(&error))?;
            headers.append(name, value);
        }
        let _ = wire.unread.split_to(length);
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok((status, headers));
        }
    }
}

fn no_http(error: &dyn std::fmt::Display) -> String {
    format!("the response is not one of HTTP: {error}")
}

/// Waits for more of a response that is not whole.
fn more(wire: &mut Wire, until: Instant) -> Result<(), String> {
    match wire.read(until) {
        Ok(0) => Err("the connection was closed before the response was whole".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// The whole body of a response.
fn body(wire: &mut Wire, headers: &HeaderMap, until: Instant) -> Result<Vec<u8>, String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::TRANSFER_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        return chunks(wire, until);
    }
    if let Some(length) = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()) {
        return taken(wire, length, until);
    }
    while wire.read(until).map_err(|error| error.to_string())? > 0 {}
    Ok(wire.unread.to_vec())
}

/// A body in chunks, without what may follow the last.
fn chunks(wire: &mut Wire, until: Instant) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let parsed = httparse::parse_chunk_size(&wire.unread);
        let parsed = parsed.map_err(|_| no_http(&"the length of a chunk is none"))?;
        let Status::Complete((begin, length)) = parsed else {
            more(wire, until)?;
            continue;
        };
        if length == 0 {
            return Ok(body);
        }
        let _ = wire.unread.split_to(begin);
        let length = usize::try_from(length).map_err(|error| no_http(&error))?;
        body.extend(taken(wire, length, until)?);
        taken(wire, 2, until)?;
    }
}

/// The next bytes, as many as these.
fn taken(wire: &mut Wire, length: usize, until: Instant) -> Result<Vec<u8>, String> {
    while wire.unread.len() < length {
        more(wire, until)?;
    }
    Ok(wire.unread.split_to(length).to_vec())
}

/// Whether a server may agree in this way to what was asked.
fn check(asked: &HeaderMap, answered: &HeaderMap) -> Result<(), String> {
    let has = |list: &str, word: &str| {
        let mut words = list.split(',').map(str::trim);
        words.any(|other| other.eq_ignore_ascii_case(word))
    };
    for (name, word) in [
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "upgrade"),
    ] {
        let values = all(answered, &name);
        if !has(&values, word) {
            return Err(format!("101 with `{name}: {values}`"));
        }
    }
    let key = all(asked, &header::SEC_WEBSOCKET_KEY);
    let accept = all(answered, &header::SEC_WEBSOCKET_ACCEPT);
    if accept != generate_accept_key(&key) {
        return Err(format!(
            "101 with a `sec-websocket-accept` of another key: {accept:?}"
        ));
    }
    for name in [
        header::SEC_WEBSOCKET_PROTOCOL,
        header::SEC_WEBSOCKET_EXTENSIONS,
    ] {
        // Of an extension only the name was offered in this form.
        let first = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
        let offered = all(asked, &name);
        let mut offered = offered.split(',').map(first);
        let selected = all(answered, &name);
        let is_there = answered.contains_key(&name);
        if is_there && !offered.any(|offered| offered == first(&selected)) {
            return Err(format!(
                "101 with `{name}: {selected}`, which was not offered"
            ));
        }
    }
    Ok(())
}

/// All values of a header as one list.
fn all(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(", ")
}
