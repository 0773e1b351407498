//! Makes text of guests and clients plain, for lines of the log and of the terminal. Shortens nothing.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

/// Characters that change how others are shown, or are invisible: controls (C1, too), marks of direction, joiners,
/// tags, the byte order mark, and the separators of lines and paragraphs. A regular expression only for its tables.
static UNSEEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]").ok());

/// Makes a text plain, so that it can't pass for more than one line of the log. Line breaks are followed by an indent,
/// tabs stay, and all other invisible characters are escaped, as `\u{202e}`.
pub fn plain(text: &str) -> Cow<'_, str> {
    replaced(text, |c, plain| match c {
        '\n' => plain.push_str("\n    "),
        '\t' => plain.push(c),
        c => plain.extend(c.escape_default()),
    })
}

/// The same for JSON, whose meaning does not change: a control in it is in a string, and escaped as in JSON.
pub(super) fn plain_json(json: &str) -> Cow<'_, str> {
    replaced(json, |c, plain| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(plain, "\\u{unit:04x}");
        }
    })
}

fn replaced(text: &str, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    // Almost always true, and fast.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    let mut rest = 0;
    for unseen in UNSEEN.iter().flat_map(|unseen| unseen.find_iter(text)) {
        plain.push_str(&text[rest..unseen.start()]);
        unseen.as_str().chars().for_each(|c| replace(c, &mut plain));
        rest = unseen.end();
    }
    plain.push_str(&text[rest..]);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::{plain, plain_json};

    #[test]
    fn a_message_can_not_pass_for_a_line_or_reach_the_terminal() {
        assert_eq!(plain("a\n[I forged]"), "a\n    [I forged]");
        assert_eq!(plain("\x1b[2J\r\t"), "\\u{1b}[2J\\r\t");
        assert_eq!(plain("\u{9b}2J\u{85}\u{7f}"), "\\u{9b}2J\\u{85}\\u{7f}");
        // Lines and paragraphs, directions, joiners, marks of the byte order, tags.
        for unseen in "\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{200b}\u{200d}\u{2060}\u{feff}\u{ad}\u{e0041}".chars() {
            let escaped = format!("a\\u{{{:x}}}b", u32::from(unseen));
            assert_eq!(plain(&format!("a{unseen}b")), escaped);
        }
        for seen in ["Grüße, 世界 🌍", "e\u{301}", "a\u{a0}b", "\u{fffd}"] {
            assert_eq!(plain(seen), seen);
        }
    }

    #[test]
    fn json_says_the_same_in_characters_that_are_seen() {
        let said = "a\u{202e}\u{2028}\n\u{7f}\u{9b}\u{e0041}ü\"";
        let json = serde_json::Value::from(said).to_string();
        let plain = plain_json(&json);
        assert_eq!(plain, r#""a\u202e\u2028\n\u007f\u009b\udb40\udc41ü\"""#);
        assert_eq!(serde_json::from_str::<String>(&plain).unwrap(), said);
    }
}
