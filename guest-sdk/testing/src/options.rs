//! What `waterspout serve` is told in a test, whatever the app's configuration and the environment say. Reads no
//! configuration.

use std::env;
use std::ffi::OsString;

/// The store of a test, in its own folder.
const KV_FILE: &str = "kv.file=waterspout-test.redb";

/// The option for the levels of the logs, and what it must say: a line of that log names the address.
const LOG_LEVEL: &str = "--log-level";
const GENERAL: &str = "general";

/// The options for a test that wants these, too.
pub fn of(wanted: &[OsString], has_kv_file: bool) -> Vec<OsString> {
    // `http://`: the listener has no TLS.
    let mut options = ["--listen", "http://127.0.0.1:0", "--admin", "127.0.0.1:0"]
        .map(OsString::from)
        .to_vec();
    if has_kv_file {
        options.extend(["--set", KV_FILE].map(OsString::from));
    }
    let (rest, levels) = without_levels(wanted);
    options.extend([LOG_LEVEL.into(), with_address(levels.as_deref())]);
    options.extend(rest);
    options
}

/// The environment variables for the app that would undo some of it.
pub fn left_out() -> impl Iterator<Item = OsString> {
    let names = env::vars_os().map(|(name, _)| name);
    names.filter(|name| {
        let key = name
            .to_str()
            .and_then(|name| name.strip_prefix("WATERSPOUT_"));
        let key = key.map(str::to_lowercase);
        key.is_some_and(|key| key == "kv__file" || key.starts_with("server__tls"))
    })
}

/// The options without the levels, and these: the option may be there only once.
fn without_levels(options: &[OsString]) -> (Vec<OsString>, Option<String>) {
    let (mut rest, mut levels) = (Vec::new(), None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let text = option.to_str().unwrap_or_default();
        match text.strip_prefix(LOG_LEVEL) {
            Some("") => {
                levels = options
                    .next()
                    .map(|value| value.to_string_lossy().into_owned())
            }
            Some(value) if value.starts_with('=') => levels = Some(value[1..].to_owned()),
            _ => rest.push(option.clone()),
        }
    }
    (rest, levels)
}

/// These levels, with at least `info` for the log that names the address.
fn with_address(levels: Option<&str>) -> OsString {
    let Some(levels) = levels else {
        return format!("{GENERAL}=info").into();
    };
    let parts = || levels.split(',').map(str::trim);
    let own = parts().filter_map(|part| part.split_once('=')).rev();
    let own = own
        .filter(|(log, _)| *log == GENERAL)
        .map(|(_, level)| level)
        .next();
    let all = parts().rev().find(|part| !part.contains('='));
    match own.or(all) {
        Some("debug" | "info") => levels.into(),
        _ => format!("{levels},{GENERAL}=info").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_logged_whatever_the_levels_are() {
        for (levels, told) in [
            (&[][..], "general=info"),
            (&["--log-level", "debug"], "debug"),
            (&["--log-level=app=debug"], "app=debug,general=info"),
            (&["--log-level", "off"], "off,general=info"),
            (
                &["--log-level", "debug,general=warn"],
                "debug,general=warn,general=info",
            ),
        ] {
            let wanted: Vec<_> = levels.iter().map(OsString::from).collect();
            let options = of(&wanted, false);
            let at = options.iter().position(|option| option == LOG_LEVEL);
            assert_eq!(options[at.expect("it is there") + 1], told);
            let count = options.iter().filter(|option| *option == LOG_LEVEL).count();
            assert_eq!((count, options.len()), (1, 6), "{options:?}");
        }
    }

    #[test]
    fn other_options_come_last() {
        let wanted = ["--set", "kv.file=mine"].map(OsString::from);
        let options = of(&wanted, true);
        assert!(options.ends_with(&wanted), "{options:?}");
        assert!(options.iter().any(|option| option == KV_FILE));
        assert!(!of(&wanted, false).iter().any(|option| option == KV_FILE));
    }
}
