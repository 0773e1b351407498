//! Tests of the configuration: what the file may contain, what comes of it, and how each mistake is reported.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;

use super::*;

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new(FILE_NAME)).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The faults as a user sees them, without the file's name.
fn faults(text: &str) -> String {
    let faults = Config::parse(text, Path::new("f")).unwrap_err().to_string();
    faults.replace("f:", "")
}

/// Checks that the only fault is at this place, with this text.
#[track_caller]
fn assert_fault(text: &str, position: &str, words: &[&str]) {
    let faults = faults(text);
    assert!(faults.starts_with(&format!("{position}: ")), "{faults}");
    let hints = faults.matches("\n  hint: ").count();
    assert_eq!(faults.lines().count(), 1 + hints, "{faults}");
    for word in words {
        assert!(faults.contains(word), "{word:?} is not in: {faults}");
    }
}

#[test]
fn nothing_written_is_all_defaults() {
    let config = parse("");
    assert_eq!(config, Config::default());
    assert_eq!(config, parse("# nothing\n[server]\n[settings]\n"));
    assert_eq!(config.component("any.wasm"), &Component::default());
}

#[test]
fn the_contract_s_server_example_is_the_default() {
    let config = parse(
        r#"
        [server]
        listen = ["127.0.0.1:8888"]
        watch  = true
        xheaders = false
        trusted_downstream = ["127.0.0.1"]
        max_header_size = 65536
        max_body_size = 10485760
        header_timeout = "10s"
        idle_connection_timeout = "75s"
        body_timeout = "60s"
        write_timeout = "30s"
        decompress_request = false
        max_connections = 10000
        max_instance_memory = "256MB"
        grace = "30s"

        [component."chat.wasm"]
        isolation = "shared"
        max_concurrent = 1000
        max_queue = 1000
        max_requests = 100000
        memory = "64MB"
        body_memory = "16MB"
        deadline = "30s"
        cpu_deadline = "1s"
        block_log = "50ms"
        cancel_on_close = true
        "#,
    );
    let default = Server {
        listen_at: config.server.listen_at,
        ..Server::default()
    };
    assert_eq!(config.server, default);
    assert_eq!(
        config.components["chat.wasm"].component,
        Component::default()
    );
}

#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
        [server]
        listen = ["[::1]:1", ":2", "unix:/run/app.sock", "localhost:0", ":0"]
        admin = "127.0.0.1:8889"
        watch = false
        trusted_downstream = ["10.0.0.1", "::1"]
        header_timeout = "off"
        max_body_size = 0
        [settings]
        debug = true
        cookie_secret = { 1 = "old", 2 = "new" }
        key_version = 2
        app = { title = "Mine", since = 1979-05-27, rates = [1.5, 0x10, { on = true }] }
        [component."chat.wasm"]
        isolation = "fresh"
        instances = 3
        max_queue = 0
        max_requests = "off"
        max_body_size = "2GB"
        body_timeout = "off"
        deadline = "off"
        cancel_on_close = false
        env = { GREETING = "hi", EMPTY = "" }
        allow = { http = ["https://API.example.com:8443/", "self"], read = ["data"], write = [] }
        "#,
    );
    let chat = &config.components["chat.wasm"].component;
    assert_eq!(
        (chat.max_body_size, chat.body_timeout),
        (Some(2 << 30), Some(None))
    );
    // A connection must let through what one of the components takes.
    assert_eq!(config.limits().max_body_size, 2 << 30);
    let server = &config.server;
    assert_eq!(server.listen.len(), 5);
    assert_eq!(
        server.listen[1],
        Listen::Tcp((Ipv4Addr::LOCALHOST, 2).into())
    );
    assert_eq!(server.admin, "127.0.0.1:8889".parse().ok());
    assert!(!server.watch);
    assert_eq!(server.trusted_downstream.len(), 2);
    assert_eq!(server.header_timeout, None);
    assert_eq!(server.max_body_size, 0);

    let Some(CookieSecret::Versions {
        secrets,
        key_version: 2,
    }) = &config.settings.cookie_secret
    else {
        panic!("{:?}", config.settings.cookie_secret);
    };
    assert_eq!(secrets[&1], SecretSource::Text(Secret::new("old")));
    assert!(!format!("{config:?}").contains("old"));
    let app = json!({ "title": "Mine", "since": "1979-05-27", "rates": [1.5, 16, { "on": true }] });
    assert_eq!(Some(&config.settings.app), app.as_object());

    let handler = config.component("chat.wasm");
    assert_eq!(handler.isolation, Isolation::Fresh);
    assert_eq!((handler.instances, handler.max_queue), (Some(3), 0));
    assert_eq!((handler.max_requests, handler.deadline), (None, None));
    assert_eq!(handler.cpu_deadline, Some(Duration::from_secs(1)));
    assert_eq!(handler.env["GREETING"], "hi");
    let http = ["https://API.example.com:8443/", "self"].map(str::to_owned);
    assert_eq!(handler.allow.list("http"), Some(&http[..]));
    assert_eq!(handler.allow.list("write"), Some(&[][..]));
    assert_eq!(handler.allow.list("kv"), None);
    assert_eq!(config.component("other.wasm"), &Component::default());
}

#[test]
fn routes_keep_their_order_and_places() {
    let config = parse(
        r#"[[route]]
pattern = '/story/([0-9]+)'
handler = "stories.wasm#Story"
name = "story"
kwargs = { db = "main" }
host = 'example\.com'
[[route]]
  pattern = '/pictures/(.*)'
  handler = "builtin:redirect"
  kwargs = { url = '/photos/\1', permanent = false }
[[route]]
pattern = "/gone"
handler = "builtin:error"
kwargs = { status_code = 410 }
[[route]]
pattern = "/"
handler = "index.wasm"
"#,
    );
    let [story, pictures, gone, index] = &config.routes[..] else {
        panic!("{:?}", config.routes);
    };
    assert!(
        story.pattern.matches("/story/1") && story.host.as_ref().unwrap().matches("Example.com")
    );
    assert_eq!(story.name.as_deref(), Some("story"));
    let [story, pictures, gone, index] =
        [story, pictures, gone, index].map(|route| &route.destination);
    assert_eq!(Some(&story.kwargs), json!({ "db": "main" }).as_object());
    let (file, class) = ("stories.wasm".to_owned(), Some("Story".to_owned()));
    assert_eq!(story.target, Target::Component { file, class });
    let url = r"/photos/\1".to_owned();
    assert_eq!(
        pictures.target,
        Target::Redirect {
            url,
            permanent: false
        }
    );
    assert_eq!(gone.target, Target::Error { status_code: 410 });
    assert!(matches!(
        &index.target,
        Target::Component { class: None, .. }
    ));
    let written = pictures.position;
    assert_eq!((written.line, written.column), (9, 13));
}

#[test]
fn all_faults_come_at_once_in_the_file_s_order() {
    let text =
        "[settings]\ndebug = 1\n[server]\nlisen = []\n[sever]\n[[route]]\nhandler = 'a.wasm'\n";
    assert_eq!(
        faults(text),
        "2:9: `debug` must be true or false, not 1\n  hint: for example `debug = true`\n\
         4:1: unknown key `lisen` in [server]\n  hint: did you mean `listen`?\n\
         5:2: unknown key `sever` at the top level\n  hint: did you mean `server`?\n\
         6:1: `pattern` is missing in [[route]]"
    );
}

#[test]
fn a_key_like_no_other_shows_those_there_are() {
    let text = "[settings]\nxyz = 1";
    assert_fault(text, "2:1", &["known keys: `debug`, `compress_response`"]);
    let text = "[component.'a.wasm']\nisolate = 1";
    assert_fault(text, "2:1", &["in [component.\"a.wasm\"]", "`isolation`"]);
}

#[test]
fn syntax_errors_have_a_place() {
    assert_fault("a = 1\nb = \"é\" c\n", "2:9", &[]);
    assert!(faults("[server\nlisten = ]\n[server]\n").starts_with("1:8: "));
    assert!(faults("a = 1\na = 2").starts_with("2:1: "));
}

#[test]
fn wrong_values_of_the_server_are_faults() {
    for (line, column, words) in [
        ("listen = ['x:80']", 11, &["an IP address and port"][..]),
        ("listen = '127.0.0.1:80'", 10, &["must be an array"]),
        (
            "listen = ['127.0.0.1:80', ':80']",
            27,
            &["listened on twice"],
        ),
        ("listen = []", 10, &["at least one"]),
        ("admin = ':8888'\nlisten = [':8888']", 9, &["twice"]),
        ("trusted_downstream = ['localhost']", 23, &["an IP address"]),
        ("header_timeout = 10", 18, &["not 10", "\"10s\""]),
        ("header_timeout = '10x'", 18, &["not \"10x\"", "\"10s\""]),
        ("header_timeout = '0s'", 18, &["no time", "\"off\""]),
        ("grace = 'off'", 9, &["a duration"]),
        ("max_header_size = 0", 19, &["1B to 1GB"]),
        ("max_body_size = -1", 17, &["not -1", "\"10MB\""]),
        ("max_body_size = 99999999999999999999", 17, &["a size"]),
        ("max_instance_memory = '5GB'", 23, &["64KB to 4GB, not 5GB"]),
        ("max_connections = 0", 19, &["from 1 to 1000000, not 0"]),
        ("max_connections = 1.5", 19, &["not 1.5"]),
        ("tls = { cert = '' , key = 'k' }", 16, &["`cert` is empty"]),
        (
            "tls = { cert = 'c', key = 'k', client_auth = 'optional' }",
            46,
            &["nobody could be let in"],
        ),
        (
            "tls = { certificates = [] }",
            7,
            &["`certificates` is empty"],
        ),
        ("tls = { cert = 'c' }", 7, &["`key` is missing in `tls`"]),
    ] {
        let position = format!("2:{column}");
        assert_fault(&format!("[server]\n{line}"), &position, words);
    }
}

#[test]
fn wrong_values_of_the_log_are_faults() {
    for (line, column, words) in [
        ("level = 'loud'", 9, &["no level `loud`", "`debug`"][..]),
        ("level = 'acess=info'", 9, &["no log `acess`", "`access`?"]),
        ("format = 'jsn'", 10, &["can't be `jsn`", "`json`?"]),
        ("access = '{ms} {stauts}'", 16, &["`stauts`", "`status`?"]),
        ("access = 'a } b'", 13, &["`}`", "twice"]),
        ("levle = 'info'", 1, &["unknown key `levle`", "`level`?"]),
    ] {
        let position = format!("2:{column}");
        assert_fault(&format!("[log]\n{line}"), &position, words);
    }
}

#[test]
fn wrong_values_of_settings_are_faults_that_keep_secrets() {
    for (text, position, words) in [
        ("cookie_secret = ''", "2:17", &["isn't empty"][..]),
        ("cookie_secret = 123454321", "2:17", &["must be a string"]),
        ("key_version = 1", "2:15", &["needs a table"]),
        (
            "cookie_secret = 's'\nkey_version = 1",
            "3:15",
            &["more than one"],
        ),
        ("cookie_secret = { 1 = 's' }", "2:17", &["is missing"]),
        (
            "cookie_secret = { 1 = 's' }\nkey_version = 2",
            "3:15",
            &["version 2"],
        ),
        (
            "cookie_secret = { 1 = 's', a = 't' }\nkey_version = 1",
            "2:28",
            &["not `a`"],
        ),
        ("app = { x = { y = [nan] } }", "2:20", &["nan", "JSON"]),
        ("app = 1", "2:7", &["a table"]),
        ("app = { x = 9223372036854775808 }", "2:13", &["too large"]),
    ] {
        let text = format!("[settings]\n{text}");
        assert_fault(&text, position, words);
        assert!(!faults(&text).contains("123454321"));
    }
}

#[test]
fn wrong_routes_are_faults() {
    let route = |pattern: &str, rest: &str| format!("[[route]]\npattern = {pattern}\n{rest}");
    let to_a = "handler = 'a.wasm'";
    for (pattern, position, words) in [
        ("'/(?!a)'", "2:13", &["look-around", "before this one"][..]),
        (r"'/(.)\1'", "2:16", &["backreference", "`prepare`"]),
        ("'/é('", "2:14", &["unclosed group"]),
        ("\"/a(\"", "2:14", &[]),
        (r#""/\\d(""#, "2:11", &[]),
        ("'''/a('''", "2:11", &[]),
        ("5", "2:11", &["a string"]),
        ("'/(?:a{1000}){1000}'", "2:11", &["larger than"]),
    ] {
        assert_fault(&route(pattern, to_a), position, words);
    }
    for (rest, position, words) in [
        ("", "1:1", &["`handler` is missing"][..]),
        ("handler = ''", "3:11", &["empty"]),
        ("handler = 'a'", "3:11", &["a.wasm"]),
        ("handler = 'a.wasm#'", "3:11", &["stories.wasm#Story"]),
        ("handler = '../a.wasm'", "3:11", &["file name"]),
        (
            "handler = 'builtin:static'",
            "1:1",
            &["`kwargs` is missing"],
        ),
        (
            "handler = 'builtin:redirct'",
            "3:11",
            &["`builtin:redirect`?"],
        ),
        (
            "handler = 'builtin:redirect'",
            "1:1",
            &["`kwargs` is missing"],
        ),
        (
            "handler = 'builtin:redirect'\nkwargs = 5",
            "4:10",
            &["a table"],
        ),
        (
            "handler = 'builtin:redirect'\nkwargs = { ulr = '/' , url = '/' }",
            "4:12",
            &["`url`?"],
        ),
        (
            "handler = 'builtin:error'\nkwargs = { status_code = 200 }",
            "4:26",
            &["400 to 599"],
        ),
        ("handler = 'a.wasm'\nhost = '('", "4:9", &["unclosed group"]),
        ("handler = 'a.wasm'\nkwargs = { x = inf }", "4:16", &["inf"]),
        ("handler = 'a.wasm'\nkwarg = {}", "4:1", &["`kwargs`?"]),
    ] {
        assert_fault(&route("'/'", rest), position, words);
    }
    let named = route("'/'", "handler = 'a.wasm'\nname = 'n'\n");
    assert_fault(&named.repeat(2), "8:8", &["`n`", "line 4"]);
    assert_fault("[route]\npattern = '/'", "1:1", &["[[route]]"]);
}

#[test]
fn wrong_components_are_faults() {
    for (line, column, words) in [
        ("isolation = 'exclusiv'", 13, &["`exclusive`?"][..]),
        (
            "isolation = 'x'",
            13,
            &["one of `shared`, `exclusive`, `fresh`"],
        ),
        ("instances = 0", 13, &["from 1"]),
        ("max_concurrent = 0", 18, &["from 1"]),
        ("max_requests = 'of'", 16, &["from 1"]),
        ("memory = '1KB'", 10, &["64KB to 4GB, not 1KB"]),
        (
            "memory = '257MB'",
            10,
            &["257MB", "`max_instance_memory` only 256MB"],
        ),
        ("deadline = '0ms'", 12, &["\"off\""]),
        ("env = { A = 1 }", 13, &["`A` must be a string"]),
        ("env = { 'A=B' = '' }", 9, &["environment variable"]),
        ("max_clients = 0", 15, &["from 1"]),
        ("allow = { read = 'data' }", 18, &["an array"]),
        ("allow = { read = [''] }", 19, &["is empty"]),
    ] {
        let text = format!("[component.\"a.wasm\"]\n{line}");
        assert_fault(&text, &format!("2:{column}"), words);
    }
    assert_fault(
        "[component.chat.wasm]",
        "1:12",
        &["`chat`", "[component.\"chat.wasm\"]"],
    );
    // By its name before the first release.
    assert_fault(
        "[handler.\"chat.wasm\"]\nmemory = '1MB'",
        "1:2",
        &["`handler` is no key", "[component.\"file.wasm\"]"],
    );
}

#[test]
fn the_way_of_fetches_is_read_and_its_password_kept() {
    let config = parse(
        "[http_client]\nproxy = 'http://gulliver:lilliput@proxy:3128'\nno_proxy = ['a.example']\n\
         hostname_mapping = { 'B.example' = '10.0.0.7', 'Bücher.example' = '10.0.0.8' }\n",
    );
    let client = &config.http_client;
    let proxy = client.proxy.as_ref().expect("a proxy");
    assert_eq!(proxy.expose(), "http://gulliver:lilliput@proxy:3128");
    assert!(!format!("{config:?}").contains("lilliput"));
    assert_eq!(client.no_proxy, ["a.example"]);
    assert_eq!(client.hostname_mapping["b.example"].to_string(), "10.0.0.7");
    let punycode = "xn--bcher-kva.example";
    assert_eq!(client.hostname_mapping[punycode].to_string(), "10.0.0.8");
    for (line, column, words) in [
        ("proxy = 'https://a:lilliput@b'", 9, &["URL of a proxy"][..]),
        ("proxy = 'http://'", 9, &["URL of a proxy"]),
        ("proxy = 7", 9, &["a string"]),
        ("no_proxy = 'a'", 12, &["an array"]),
        ("hostname_mapping = { a = 'b' }", 26, &["an IP address"]),
        ("prox = ''", 1, &["did you mean `proxy`?"]),
    ] {
        let text = format!("[http_client]\n{line}");
        assert_fault(&text, &format!("2:{column}"), words);
        assert!(!faults(&text).contains("lilliput"));
    }
    let password = "proxy = 'https://a:lilliput@b'";
    assert_eq!(line_to_show(password, 1), None);
    assert_eq!(
        line_to_show("no_proxy = ['a']", 1),
        Some("no_proxy = ['a']")
    );
}

#[test]
fn no_variable_of_a_guest_is_shown() {
    let table = "[component.'a.wasm']\n";
    for (text, line) in [
        ("env = { TOKEN = 'lilliput', 'A=B' = '' }", 2),
        ("env.TOKEN = 'lilliput'", 2),
        ("env = {\n  TOKEN = 'lilliput',\n  B = 1,\n}", 3),
        ("[component.'a.wasm'.env]\nTOKEN = 'lilliput'", 3),
        ("deadline = 'https://me:lilliput@example.com'", 2),
    ] {
        let text = format!("{table}{text}\n");
        assert_eq!(line_to_show(&text, line), None, "{text}");
        assert!(!faults_of(&text).contains("lilliput"), "{text}");
    }
    for text in ["TOKEN = 911", "TOKEN = true"] {
        let said = faults(&format!("{table}env = {{ {text} }}\n"));
        assert!(said.contains("`TOKEN` must be a string"), "{said}");
        assert!(!said.contains("911") && !said.contains("true"), "{said}");
    }
    let other = format!("{table}env = {{ A = 'b' }}\nmemory = 'much'\n");
    assert_eq!(line_to_show(&other, 3), Some("memory = 'much'"));
}

/// The faults of a text that may have none.
fn faults_of(text: &str) -> String {
    let read = Config::parse(text, Path::new("waterspout.toml"));
    read.map_or_else(|faults| faults.to_string(), |_| String::new())
}

#[test]
fn an_unnamed_component_fits_into_a_small_server() {
    let config = parse("[server]\nmax_instance_memory = '32MB'\n[component.'a.wasm']\n");
    assert_eq!(config.component("a.wasm").memory, 32 << 20);
    assert_eq!(config.component("b.wasm").memory, 32 << 20);
}

#[test]
fn an_empty_file_is_a_fault_and_one_with_a_comment_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let load = |text| {
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        Config::load(folder.path(), &[])
    };
    let faults = load(" \n\t").unwrap_err().to_string();
    assert!(
        faults.contains("waterspout.toml:1:1: the file is empty"),
        "{faults}"
    );
    assert_eq!(load("# nothing"), Ok(Config::default()));
}

#[test]
fn a_missing_file_is_all_defaults_and_an_unreadable_one_a_fault() {
    let nowhere = Path::new("no such folder");
    assert_eq!(Config::load(nowhere, &[]), Ok(Config::default()));
    let folder = std::env::temp_dir().join(format!("waterspout-config-{}", std::process::id()));
    std::fs::create_dir_all(folder.join(FILE_NAME)).unwrap();
    let faults = Config::load(&folder, &[]).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        faults
            .to_string()
            .contains("waterspout.toml: can't be read")
    );
}

#[test]
fn what_the_environment_says_is_a_string_unless_another_type_is_known() {
    let text = "[settings.app]\ntitle = 'a'\nport = 1\n[component.'a.wasm']\nmemory = '1MB'\n";
    let environment = [
        ("WATERSPOUT_SETTINGS__APP__TITLE", "1984"),
        ("WATERSPOUT_SETTINGS__APP__PORT", "2"),
        ("WATERSPOUT_SETTINGS__APP__TOKEN", "911"),
        ("WATERSPOUT_SETTINGS__APP__DAY", "2026-11-30"),
        ("WATERSPOUT_SETTINGS__APP__LIST", "[1, true]"),
        ("WATERSPOUT_SETTINGS__COOKIE_SECRET", "12345678"),
        ("WATERSPOUT_SETTINGS__DEBUG", "true"),
    ];
    let variables = environment.map(|(name, value)| (name.into(), value.into()));
    let mut said = overrides::environment(variables).unwrap();
    // The command line has TOML, and may say another type.
    said.extend([
        "settings.app.count=3".parse().unwrap(),
        "component.a.wasm.env.PORT=8080".parse().unwrap(),
    ]);
    let config = Config::of(Some(text), Path::new("app"), &said).unwrap();
    let app = json!({
        "title": "1984",
        "port": 2,
        "token": "911",
        "day": "2026-11-30",
        "list": [1, true],
        "count": 3,
    });
    assert_eq!(serde_json::Value::from(config.settings.app), app);
    let secret = CookieSecret::One(SecretSource::Text(Secret::new("12345678")));
    assert_eq!(config.settings.cookie_secret, Some(secret));
    assert_eq!(config.components["a.wasm"].component.env["PORT"], "8080");
}
