//! The checked head of a guest's response. It may be sent as it is. Knows no meaning of a status.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use hyper::ext::ReasonPhrase;

/// How many headers a handler may set.
const MAX_HEADERS: usize = 1_000;

/// How long they may be together, in bytes.
const MAX_SIZE: usize = 256 * 1024;

/// The longest reason, in bytes.
const MAX_REASON: usize = 1024;

/// A response without its body.
#[derive(Debug)]
pub struct Head {
    /// 200 to 599.
    pub status: u16,
    pub reason: Option<ReasonPhrase>,
    /// Without the headers of the connection.
    pub headers: HeaderMap,
    /// The `Content-Length` that the guest set.
    content_length: Option<HeaderValue>,
}

impl Head {
    /// Checks a guest's head. The error says what is wrong, for the guest's author.
    pub fn of(
        status: u16,
        reason: Option<String>,
        headers: Vec<(String, Vec<u8>)>,
    ) -> Result<Self, String> {
        if !(200..600).contains(&status) {
            return Err(format!(
                "the handler set the status {status}, which is none"
            ));
        }
        let sound = |reason: String| {
            let short = Some(&reason).filter(|reason| reason.len() <= MAX_REASON);
            short.and_then(|reason| phrase(reason)).ok_or_else(|| {
                let begin = &reason[..reason.floor_char_boundary(MAX_REASON)];
                format!("the handler set the reason {begin:?}, which can't be sent")
            })
        };
        let reason = reason.map(sound).transpose()?;
        let (headers, content_length) = read(headers)?;
        Ok(Self {
            status,
            reason,
            headers,
            content_length,
        })
    }

    /// The length of the body, where the guest gave one.
    pub fn content_length(&self) -> Result<Option<u64>, String> {
        let Some(value) = &self.content_length else {
            return Ok(None);
        };
        let length = value.to_str().ok().and_then(|text| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten()
        });
        let wrong =
            || format!("the handler set the `content-length` {value:?}, which is no length");
        length.map(Some).ok_or_else(wrong)
    }
}

/// The reason phrase for the status line, if it may be sent: it has no control character.
pub fn phrase(reason: &str) -> Option<ReasonPhrase> {
    let may_be_sent = !reason.contains('\t');
    let phrase = ReasonPhrase::try_from(reason.as_bytes().to_vec()).ok();
    phrase.filter(|_| may_be_sent)
}

/// Checks a guest's headers, and leaves out those of the connection.
pub fn fields(fields: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, String> {
    read(fields).map(|(fields, _)| fields)
}

fn read(fields: Vec<(String, Vec<u8>)>) -> Result<(HeaderMap, Option<HeaderValue>), String> {
    if fields.len() > MAX_HEADERS {
        return Err(format!("the handler set more than {MAX_HEADERS} headers"));
    }
    let sizes = fields.iter().map(|(name, value)| name.len() + value.len());
    if sizes.sum::<usize>() > MAX_SIZE {
        return Err(format!(
            "the handler set headers of more than {} KB",
            MAX_SIZE / 1024
        ));
    }
    // The host adds two.
    let mut headers = HeaderMap::with_capacity(fields.len() + 2);
    let mut content_length = None;
    for (name, value) in fields {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let name = parsed.map_err(|_| format!("the handler set a header named {name:?}"))?;
        // A tab is allowed there (RFC 9110, section 5.5), but nobody wants one.
        let parsed = HeaderValue::from_maybe_shared(Bytes::from(value)).ok();
        let value = parsed
            .filter(|value| !value.as_bytes().contains(&b'\t'))
            .ok_or_else(|| format!("the handler set a value for `{name}` that can't be sent"))?;
        if name == header::CONTENT_LENGTH {
            content_length = Some(value);
        } else if !is_framing(&name) {
            headers.append(name, value);
        }
    }
    Ok((headers, content_length))
}

/// Headers that belong to the connection, not to the handler (RFC 9110, section 7.6.1).
fn is_framing(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE
    ) || name == "keep-alive"
}
