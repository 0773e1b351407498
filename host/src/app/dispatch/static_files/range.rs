//! `Range`, as Tornado 6.6 reads it: one range of bytes, or all of them where it is anything else (RFC 9110, section
//! 14.2). Knows only the size of a file.

use http::HeaderValue;

/// The part of a file that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    Some {
        start: u64,
        /// Not zero.
        length: u64,
    },
    Unsatisfiable,
}

impl Part {
    /// What a header asks for, of a file of this size.
    pub fn asked(range: &HeaderValue, size: u64) -> Part {
        let asked = range.to_str().ok().and_then(ends);
        let (start, end) = match asked {
            None | Some((None, None)) => return Part::All,
            Some((None, Some(0))) => return Part::Unsatisfiable,
            // The last so many bytes.
            Some((None, Some(length))) => (size.saturating_sub(length), size),
            Some((Some(start), None)) => (start, size),
            Some((Some(start), Some(last))) => {
                let end = last.saturating_add(1);
                if start >= end {
                    return Part::Unsatisfiable;
                }
                (start, end.min(size))
            }
        };
        match end.checked_sub(start) {
            None | Some(0) => Part::Unsatisfiable,
            // Some players don't take 206 for a whole file.
            Some(length) if length == size => Part::All,
            Some(length) => Part::Some { start, length },
        }
    }
}

/// The two numbers of a range, where it is one.
fn ends(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, ends) = range.split_once('=')?;
    if unit.trim() != "bytes" {
        return None;
    }
    let (start, end) = ends.split_once('-').unwrap_or((ends, ""));
    Some((number(start)?, number(end)?))
}

/// A number, or nothing. The outer `None`: it is neither. One that is too large for any file counts as the largest.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_tornado_takes_it_for() {
        let some = |start, length| Part::Some { start, length };
        for (range, size, is) in [
            ("bytes=0-0", 10, some(0, 1)),
            ("bytes=1-2", 10, some(1, 2)),
            ("bytes=6-", 10, some(6, 4)),
            ("bytes=-6", 10, some(4, 6)),
            ("bytes=-60", 10, Part::All),
            ("bytes=5", 10, some(5, 5)),
            ("bytes=5-100", 10, some(5, 5)),
            ("bytes = 5 - 6 ", 10, some(5, 2)),
            ("bytes=5-99999999999999999999999", 10, some(5, 5)),
            ("bytes=0-", 10, Part::All),
            ("bytes=0-9", 10, Part::All),
            ("bytes=", 10, Part::All),
            ("bytes=-", 10, Part::All),
            ("bytes", 10, Part::All),
            ("bytes=1-2,6-8", 10, Part::All),
            ("bytes=a-b", 10, Part::All),
            ("bytes=--1", 10, Part::All),
            ("items=1-2", 10, Part::All),
            ("bytes=-0", 10, Part::Unsatisfiable),
            ("bytes=10-", 10, Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Part::Unsatisfiable),
            ("bytes=5-4", 10, Part::Unsatisfiable),
            ("bytes=0-", 0, Part::Unsatisfiable),
            ("bytes=-1", 0, Part::Unsatisfiable),
        ] {
            let header = HeaderValue::from_static(range);
            assert_eq!(Part::asked(&header, size), is, "{range} of {size}");
        }
    }
}
