//! What lines of a server's log say, in either format. Pure: waits for none.

use std::net::SocketAddr;

use serde_json::Value;

/// The line with these words that is the `nth`, counted from 1.
pub fn nth_with<'a>(lines: &'a [String], nth: usize, words: &str) -> Option<&'a str> {
    let mut with = lines.iter().filter(|line| line.contains(words));
    with.nth(nth.checked_sub(1)?).map(String::as_str)
}

/// The first address on which the server says that it serves, and the scheme there: `http` or `https`.
pub fn serving_on(lines: &[String]) -> Option<(String, SocketAddr)> {
    address_after(lines, "serving on ")
}

/// The address on which the server says that it takes streams for this handler.
pub fn streams_for(lines: &[String], handler: &str) -> Option<SocketAddr> {
    lines.iter().find_map(|line| {
        let (logger, message) = read(line).filter(|_| line.contains("streams on "))?;
        let said = message
            .strip_prefix("streams on ")
            .filter(|_| logger == "general")?;
        let (address, name) = said.split_once(" for ")?;
        (name == handler).then(|| address.parse().ok()).flatten()
    })
}

/// The address on which the server says that it shows its status.
pub fn status_on(lines: &[String]) -> Option<SocketAddr> {
    address_after(lines, "status on ").map(|(_, address)| address)
}

/// Whether this logger wrote the line: `access`, `app` or `general`. An empty one is any.
pub fn is_of(line: &str, logger: &str) -> bool {
    logger.is_empty() || read(line).is_some_and(|(name, _)| name == logger)
}

/// A socket in the file system has no address, and is passed over. What an app writes is not the server's word.
fn address_after(lines: &[String], words: &str) -> Option<(String, SocketAddr)> {
    lines.iter().find_map(|line| {
        if !line.contains(words) {
            return None;
        }
        let (logger, message) = read(line)?;
        let url = message
            .strip_prefix(words)
            .filter(|_| logger == "general")?;
        let (scheme, rest) = url.split_once("://")?;
        let address = rest.split('/').next()?.parse().ok()?;
        Some((scheme.to_owned(), address))
    })
}

/// The logger of a line and its message: of `[I 260101 12:00:00 app stories.wasm] …`, or of an object of JSON.
fn read(line: &str) -> Option<(String, String)> {
    if line.starts_with('{') {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |key| Some(line.get(key)?.as_str()?.to_owned());
        return Some((text("log")?, text("message")?));
    }
    let (head, message) = line.strip_prefix('[')?.split_once("] ")?;
    Some((head.split(' ').nth(3)?.to_owned(), message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn only_the_server_itself_says_where_it_serves() {
        let own = lines(&[
            "[I 260101 12:00:00 app a.wasm] general] serving on http://127.0.0.1:1",
            "serving on http://127.0.0.1:1",
            r#"{"log":"app","message":"serving on http://127.0.0.1:1"}"#,
            "[I 260101 12:00:00 general] serving on unix:/tmp/app.sock",
            "[I 260101 12:00:00 general] status on http://127.0.0.1:4712/api/status",
        ]);
        assert_eq!(serving_on(&own), None);
        assert_eq!(status_on(&own), Some(([127, 0, 0, 1], 4712).into()));
        for (said, scheme) in [
            (
                "[I 260101 12:00:00 general] serving on http://127.0.0.1:4711",
                "http",
            ),
            (
                r#"{"log":"general","message":"serving on https://127.0.0.1:4711"}"#,
                "https",
            ),
        ] {
            let all = [own.clone(), lines(&[said])].concat();
            let address = ([127, 0, 0, 1], 4711).into();
            assert_eq!(serving_on(&all), Some((scheme.to_owned(), address)));
        }
    }

    #[test]
    fn a_line_is_of_the_logger_that_its_head_names() {
        let text = "[W 260101 12:00:00 app a.wasm] general";
        let json = r#"{"level":"warn","log":"app","message":"general"}"#;
        for line in [text, json] {
            assert!(is_of(line, "app") && is_of(line, ""), "{line}");
            assert!(!is_of(line, "general"), "{line}");
        }
        assert!(is_of("some other program", "") && !is_of("some other program", "app"));
    }

    #[test]
    fn lines_are_counted_from_1() {
        let lines = lines(&["a 1", "b", "a 2"]);
        assert_eq!(nth_with(&lines, 1, "a"), Some("a 1"));
        assert_eq!(nth_with(&lines, 2, "a"), Some("a 2"));
        assert_eq!(nth_with(&lines, 3, "a"), None);
    }
}
