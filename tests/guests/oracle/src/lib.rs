//! The handlers of the programs in `tests/oracle`, word for word: one module for each.

mod answers;
mod arguments;
mod cookies;
mod encodings;
mod errors;
mod etags;
mod forms;
mod methods;
mod protected;
mod routing;
mod set_cookies;
mod signed;
mod static_files;
mod streams;
mod targets;
mod users;

use serde_json::Value;
use waterspout_sdk::{Context, Result, export};

/// Writes a value as the programs do.
fn show(cx: &Context, value: &Value) -> Result {
    cx.write(value.to_string())
}

/// Bytes as text: a byte is the character of its number.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

export!(
    answers::Answers,
    answers::Redirects,
    arguments::Decoded,
    arguments::Raw,
    cookies::Cookies,
    encodings::Body,
    encodings::Long,
    errors::Fails,
    errors::Sends,
    errors::Breaks,
    errors::Pages,
    etags::Tagged,
    etags::Hashed,
    etags::Untagged,
    forms::Form,
    methods::All,
    methods::Reads,
    methods::Statuses,
    methods::Prepared,
    protected::Tokens,
    protected::Changes,
    protected::Decides,
    routing::Show,
    routing::AddSlash,
    routing::RemoveSlash,
    routing::Reverse,
    routing::Missing,
    set_cookies::Sets,
    set_cookies::Clears,
    set_cookies::Keeps,
    signed::Signed,
    static_files::Urls,
    targets::Target,
    targets::Headers,
    targets::Length,
    users::Account,
    users::Elsewhere,
    users::Open,
    streams::Flushed,
    streams::Started,
    streams::Received,
);
