//! The id of a request: from a trusted proxy, or made here. Knows nothing else of a request.

use http::{HeaderMap, HeaderName};

/// The header in which a proxy sends it.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ones are not used: the id is in every line of the log.
const MAX_LENGTH: usize = 128;

/// The id in the headers, if the sender is trusted and the id well-formed; else a new one.
pub fn of(headers: &HeaderMap, is_trusted: bool) -> String {
    let sent = || {
        let mut all = headers.get_all(HEADER).iter();
        let id = all.next()?.to_str().ok()?;
        (all.next().is_none() && is_well_formed(id)).then(|| id.to_owned())
    };
    is_trusted.then(sent).flatten().unwrap_or_else(make)
}

/// 128 random bits from the thread's own generator, without a lock or a system call.
pub fn make() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Letters, digits and what UUIDs, base64 and the ids of well-known proxies contain beside them.
fn is_well_formed(id: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~+/=:@".contains(&byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(is_sound)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::HeaderValue;

    use super::*;

    fn sent(ids: &[&str]) -> HeaderMap {
        let value = |id: &&str| HeaderValue::from_bytes(id.as_bytes()).unwrap();
        ids.iter().map(|id| (HEADER, value(id))).collect()
    }

    #[test]
    fn only_one_that_is_well_formed_and_of_a_trusted_proxy_is_taken_over() {
        let long = "x".repeat(129);
        for id in ["a", "0190-7f_A.b~c+d/e=f:g@h", &long[1..]] {
            assert_eq!(of(&sent(&[id]), true), id);
            assert_ne!(of(&sent(&[id]), false), id);
        }
        for ids in [&["", "a"][..], &["a b"], &["a\""], &["\u{e4}"], &[&long]] {
            assert_eq!(of(&sent(ids), true).len(), 32, "{ids:?}");
        }
        let mut two = sent(&["a"]);
        two.append(HEADER, HeaderValue::from_static("b"));
        assert_eq!(of(&two, true).len(), 32);
    }

    #[test]
    fn no_two_are_alike() {
        let threads = (0..4)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| make()).collect::<Vec<String>>()));
        let threads: Vec<_> = threads.collect();
        let made = threads.into_iter().flat_map(|one| one.join().unwrap());
        let made: Vec<String> = made.collect();
        assert!(made.iter().all(|id| id.len() == 32 && is_well_formed(id)));
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    }
}
