//! The links of a page, as addresses. Fetches nothing.

use html5gum::{Token, Tokenizer};
use url::Url;

/// Where the links of this page lead, without their fragments.
pub fn of(url: &str, page: &str) -> impl Iterator<Item = String> {
    let base = Url::parse(url).ok();
    let tokens = Tokenizer::new(page).flatten();
    let links = tokens.filter_map(|token| match token {
        Token::StartTag(tag) if *tag.name == b"a" => tag.attributes.get(&b"href"[..]).cloned(),
        _ => None,
    });
    links.filter_map(move |link| {
        let mut link = base.as_ref()?.join(&String::from_utf8_lossy(&link)).ok()?;
        link.set_fragment(None);
        Some(link.into())
    })
}
