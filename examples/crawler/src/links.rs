//! The links of a page, as addresses. Fetches nothing.

use fluent_uri::{Uri, UriRef};
use html5gum::{Token, Tokenizer};

/// Where the links of this page lead, without their fragments.
pub fn of(url: &str, page: &str) -> impl Iterator<Item = String> {
    let base = Uri::parse(url.to_owned()).ok();
    let tokens = Tokenizer::new(page).flatten();
    let links = tokens.filter_map(|token| match token {
        Token::StartTag(tag) if *tag.name == b"a" => tag.attributes.get(&b"href"[..]).cloned(),
        _ => None,
    });
    links.filter_map(move |link| {
        let link = String::from_utf8_lossy(&link).into_owned();
        let link = UriRef::parse(link).ok()?;
        let resolved = link.resolve_against(base.as_ref()?).ok()?;
        Some(resolved.strip_fragment().as_str().to_owned())
    })
}
