//! What a test needs to know of an app's configuration, and what it leaves out of it. Checks nothing: the server does.

use std::path::{Component, Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike, Value, value};

/// An app's configuration, as it is served in a test.
#[derive(Debug, Default)]
pub struct Config {
    /// The text of `waterspout.toml`. `None`: there is no such file.
    pub text: Option<String>,
    /// The folders of `allow.read`, relative to the app's.
    pub read: Vec<PathBuf>,
    /// Those of `allow.write`.
    pub write: Vec<PathBuf>,
    /// Whether the store of `kv` is in a file.
    pub has_kv_file: bool,
}

impl Config {
    /// Without `[server] tls`, and with ports for streams that the system chooses. What is no TOML stays as it is, and the server says what is wrong.
    pub fn of(text: Option<String>) -> Self {
        let document = text.as_deref().unwrap_or_default().parse::<DocumentMut>();
        let Ok(mut document) = document else {
            return Self {
                text,
                ..Self::default()
            };
        };
        let mut read = granted(&document, "read");
        let write = granted(&document, "write");
        read.retain(|folder| !write.contains(folder));
        let has_kv_file = within(document.get("kv"), "file").is_some();
        let server = document.get_mut("server").and_then(Item::as_table_like_mut);
        let had_tls = server.is_some_and(|server| server.remove("tls").is_some());
        let has_streams = document.get_mut("tcp").is_some_and(move_streams);
        Self {
            text: if had_tls || has_streams {
                Some(document.to_string())
            } else {
                text
            },
            read,
            write,
            has_kv_file,
        }
    }
}

/// Has each `[[tcp]]` listen on one port of this machine, without TLS where that begins with the stream. Returns whether
/// there are any.
fn move_streams(streams: &mut Item) -> bool {
    let move_one = |streams: &mut dyn TableLike| {
        streams.insert("listen", value("127.0.0.1:0"));
        let starts = within(streams.get("tls"), "start").and_then(Item::as_bool);
        if starts.unwrap_or(true) {
            streams.remove("tls");
        }
    };
    match streams {
        Item::ArrayOfTables(tables) => {
            tables.iter_mut().for_each(|table| move_one(table));
            !tables.is_empty()
        }
        Item::Value(Value::Array(values)) => {
            let tables = values.iter_mut().filter_map(Value::as_inline_table_mut);
            tables.map(|table| move_one(table)).count() > 0
        }
        _ => false,
    }
}

/// The folders in the `allow` of all components, by the name of their list.
fn granted(document: &DocumentMut, list: &str) -> Vec<PathBuf> {
    let components = document.get("component").and_then(Item::as_table_like);
    let components = components.into_iter().flat_map(TableLike::iter);
    let lists = components.filter_map(|(_, component)| {
        let allow = within(Some(component), "allow");
        within(allow, list)?.as_array()
    });
    let texts = lists.flatten().filter_map(|text| text.as_str());
    texts.map(|text| clean(Path::new(text))).collect()
}

fn within<'i>(table: Option<&'i Item>, key: &str) -> Option<&'i Item> {
    table?.as_table_like()?.get(key)
}

/// The path without `.`, and with `..` only where it begins.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        let is_inside = clean.file_name().is_some();
        match part {
            Component::CurDir => {}
            Component::ParentDir if is_inside => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Config {
        Config::of(Some(text.to_owned()))
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn tls_is_left_out_wherever_it_is_written() {
        for (text, rest) in [
            (
                "[server]\ntls = { cert = 'a', key = 'b' }\nh2c = true\n",
                "[server]\nh2c = true\n",
            ),
            (
                "[server.tls]\ncert = 'a'\nkey = 'b'\n[log]\nlevel = 'off'\n",
                "[log]\nlevel = 'off'\n",
            ),
            (
                "server.tls.cert = 'a'\nserver.tls.key = 'b'\nserver.h2c = true\n",
                "server.h2c = true\n",
            ),
            (
                "server = { tls = { cert = 'a', key = 'b' } }",
                "server = {}\n",
            ),
            ("[server]\n# as it is\n", "[server]\n# as it is\n"),
            ("this is no TOML", "this is no TOML"),
        ] {
            assert_eq!(of(text).text.as_deref(), Some(rest), "{text}");
        }
        assert_eq!(Config::of(None).text, None);
    }

    #[test]
    fn streams_have_ports_of_their_own_and_no_tls_from_their_beginning() {
        for (text, rest) in [
            (
                "[[tcp]]\nlisten = ':7000'\nhandler = 'a.wasm'\ntls = { cert = 'a', key = 'b' }\n",
                "[[tcp]]\nlisten = \"127.0.0.1:0\"\nhandler = 'a.wasm'\n",
            ),
            (
                "[[tcp]]\nlisten = [':1', 'unix:a']\ntls = { start = false }\n",
                "[[tcp]]\nlisten = \"127.0.0.1:0\"\ntls = { start = false }\n",
            ),
            (
                "tcp = [{ listen = ':1' }]\n",
                "tcp = [{ listen = \"127.0.0.1:0\" }]\n",
            ),
            ("tcp = 1\n", "tcp = 1\n"),
        ] {
            assert_eq!(of(text).text.as_deref(), Some(rest), "{text}");
        }
    }

    #[test]
    fn the_folders_of_all_components_are_found() {
        let config = of(concat!(
            "[component.'a.wasm']\nallow = { read = ['./a', 'b/../c'], write = ['d/'] }\n",
            "[component.'b.wasm'.allow]\nread = ['d', '../e']\nwrite = ['.', 7]\n",
        ));
        assert_eq!(config.read, paths(&["a", "c", "../e"]));
        assert_eq!(config.write, paths(&["d", ""]));
    }

    #[test]
    fn a_store_in_a_file_is_found() {
        assert!(of("[kv]\nfile = 'state'").has_kv_file);
        assert!(of("kv.file = 'state'").has_kv_file);
        assert!(!of("[kv]\nmax_memory = '1MB'").has_kv_file);
    }
}
