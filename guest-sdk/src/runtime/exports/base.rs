//! The methods of a handler that has a base: its own, and then those of the base that it does not write itself.

use crate::result::Result;
use crate::runtime::exports::declared::Handler;
use crate::web::context::Context;

/// How many methods a handler with these, and a base with those, has.
#[doc(hidden)]
pub const fn count(own: &[&str], base: &[&str]) -> usize {
    let mut count = own.len();
    let mut at = 0;
    while at < base.len() {
        if !has(own, base[at]) {
            count += 1;
        }
        at += 1;
    }
    count
}

/// Their names.
#[doc(hidden)]
pub const fn join<const N: usize>(
    own: &[&'static str],
    base: &[&'static str],
) -> [&'static str; N] {
    let mut all = [""; N];
    let mut count = 0;
    while count < own.len() {
        all[count] = own[count];
        count += 1;
    }
    let mut at = 0;
    while at < base.len() {
        if !has(own, base[at]) {
            all[count] = base[at];
            count += 1;
        }
        at += 1;
    }
    all
}

/// Calls the base's method of the same name as the one at this index of the handler's.
#[doc(hidden)]
pub async fn call_base<B: Handler>(
    base: &mut B,
    cx: &Context,
    methods: &[&str],
    at: u32,
) -> Result {
    let name = methods[at as usize];
    let at = B::METHODS.iter().position(|method| *method == name);
    let at = at.expect("the host calls what the handler or its base declares");
    base.call_method(cx, at as u32).await
}

const fn has(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if is_same(names[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_is_written_hides_that_of_the_base() {
        const OWN: &[&str] = &["GET", "QUERY"];
        const BASE: &[&str] = &["GET", "HEAD", "QUERYING"];
        const ALL: [&str; count(OWN, BASE)] = join(OWN, BASE);
        assert_eq!(ALL, ["GET", "QUERY", "HEAD", "QUERYING"]);
        const NONE: [&str; count(&[], &[])] = join(&[], &[]);
        assert!(NONE.is_empty());
    }
}
