//! A component's name as the first part of paths: the pattern of `/name`, and whether another pattern stays below it.
//! Does not know which names there are.

use std::fmt::Write as _;

use percent_encoding::percent_decode;

use super::pattern::Pattern;
use super::shape::{Piece, Shape};

/// Which paths a pattern takes, as far as the pattern shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only the name's own: `/name`, and what is below it. Of the empty name: `/`.
    Own,
    /// None of them.
    Elsewhere,
    /// Perhaps some of them, and perhaps others.
    Wider,
}

/// Where `pattern` reaches, seen from this name.
pub(super) fn reach(shapes: &[Shape], name: &str) -> Reach {
    let mut all = shapes.iter().map(|shape| reach_of(shape, name));
    let first = all.next().unwrap_or(Reach::Wider);
    match all.all(|reach| reach == first) {
        true => first,
        false => Reach::Wider,
    }
}

/// The pattern for `/name`. A client may percent-encode any character of it.
pub fn path_of(name: &str) -> String {
    let mut pattern = "/".to_owned();
    for c in name.chars() {
        let encoded = || {
            let mut encoded = String::new();
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let digits = format!("%{byte:02X}");
                for digit in digits.chars() {
                    let _ = match digit {
                        'A'..='F' => write!(encoded, "[{digit}{}]", digit.to_ascii_lowercase()),
                        digit => write!(encoded, "{digit}"),
                    };
                }
            }
            encoded
        };
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' => {
                pattern += &regex::escape(c.encode_utf8(&mut [0; 4]));
            }
            // Unencoded, these would end the path, or encode something.
            '\0'..=' ' | '\x7f' | '#' | '?' | '%' => pattern += &encoded(),
            c => {
                let plain = regex::escape(c.encode_utf8(&mut [0; 4]));
                let _ = write!(pattern, "(?:{plain}|{})", encoded());
            }
        }
    }
    pattern
}

fn reach_of(shape: &[Piece], name: &str) -> Reach {
    let rest = match shape {
        [Piece::Byte(b'/'), rest @ ..] => rest,
        [] | [Piece::Byte(_), ..] => return Reach::Elsewhere,
        _ => return Reach::Wider,
    };
    let mut first = Vec::new();
    for piece in rest {
        match piece {
            Piece::Byte(b'/') if name.is_empty() => return Reach::Elsewhere,
            Piece::Byte(b'/') => break,
            Piece::Byte(byte) => first.push(*byte),
            // What follows may be anything.
            Piece::One(_) | Piece::Many(_) => return reach_from(&first, name),
        }
    }
    match percent_decode(&first).eq(name.bytes()) {
        true => Reach::Own,
        false => Reach::Elsewhere,
    }
}

/// Where a path reaches whose first part begins with this.
fn reach_from(beginning: &[u8], name: &str) -> Reach {
    // An incomplete encoded byte may become any byte.
    let whole = beginning.iter().rposition(|&byte| byte == b'%');
    let whole = match whole {
        Some(at) if beginning.len() - at < 3 => at,
        _ => beginning.len(),
    };
    let decoded: Vec<u8> = percent_decode(&beginning[..whole]).collect();
    match name.as_bytes().starts_with(&decoded) {
        true => Reach::Wider,
        false => Reach::Elsewhere,
    }
}

impl Pattern {
    /// Whether it takes only what belongs to this name.
    pub fn reach(&self, name: &str) -> Reach {
        reach(self.shapes(), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::router::pattern::owns;

    #[test]
    fn a_pattern_is_its_owner_s_own_only_where_that_is_sure() {
        for (pattern, name, expected) in [
            ("/a", "a", Reach::Own),
            ("/a/", "a", Reach::Own),
            ("/a/?", "a", Reach::Own),
            ("/a/(.*)", "a", Reach::Own),
            ("/a(/.*)?", "a", Reach::Own),
            ("/a(?:/x|/y/[0-9]+)", "a", Reach::Own),
            ("/[a]", "a", Reach::Own),
            ("/%61/x", "a", Reach::Own),
            ("/a b", "a b", Reach::Own),
            ("/a%20b(/.*)?", "a b", Reach::Own),
            ("/", "", Reach::Own),
            ("/?", "", Reach::Wider),
            ("/x", "", Reach::Elsewhere),
            ("/x/", "", Reach::Elsewhere),
            ("//", "", Reach::Elsewhere),
            ("/(.*)", "", Reach::Wider),
            ("/besid[e]", "a", Reach::Elsewhere),
            ("/story/([0-9]+)", "stories", Reach::Elsewhere),
            ("/ab", "a", Reach::Elsewhere),
            ("/a[0-9]", "a", Reach::Wider),
            ("/a.*", "a", Reach::Wider),
            ("/(.*)", "a", Reach::Wider),
            (".*", "a", Reach::Wider),
            ("/(?:a|b)/x", "a", Reach::Wider),
            ("(?i)/a", "a", Reach::Wider),
            ("/%6[0-9]", "a", Reach::Wider),
            ("/%62[0-9]", "a", Reach::Elsewhere),
            ("a", "a", Reach::Elsewhere),
        ] {
            let compiled = Pattern::new(pattern).unwrap();
            assert_eq!(compiled.reach(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_path_of_a_name_is_taken_however_it_is_encoded() {
        for (name, paths) in [
            ("hello", &["/hello"][..]),
            ("a b", &["/a%20b"]),
            ("c#", &["/c%23"]),
            ("ä", &["/ä", "/%C3%A4", "/%c3%a4"]),
            ("a+(b)", &["/a+(b)", "/a%2B(b%29", "/a%2b%28b)"]),
            ("100%", &["/100%25"]),
            ("a%20b", &["/a%2520b"]),
        ] {
            let pattern = Pattern::new(&path_of(name)).unwrap();
            for path in paths {
                assert!(pattern.matches(path), "{pattern} {path}");
                assert!(owns(name, path), "{name} {path}");
                assert!(owns(name, &format!("{path}/below")), "{name} {path}");
            }
            assert!(!pattern.matches("/a"), "{pattern}");
        }
        assert!(!Pattern::new(&path_of("a%20b")).unwrap().matches("/a%20b"));
        assert!(owns("", "/") && !owns("", "/a") && !owns("", "//") && !owns("a", "/ab"));
    }

    #[test]
    fn within_a_name_a_pattern_takes_nothing_else() {
        for text in ["/(?:a|b)/x", "/(.*)", "/[a-z]+/x"] {
            let pattern = Pattern::new(text).unwrap().within("a");
            assert!(pattern.matches("/a/x"), "{text}");
            assert!(!pattern.matches("/b/x"), "{text}");
            assert!(pattern.is_part());
        }
    }
}
