//! What fuzzing calls: functions that take bytes as they may come from anywhere, and must neither panic nor break their
//! promises. Only for fuzzing and for tests, which replay what was found (`tests/fuzz/corpus`).

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::OnceLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use tempfile::TempDir;

use crate::app::generation::declarations;
use crate::base::client::{Client, Protocol, RemoteIp};
use crate::base::router::{Found, Pattern, Route, Router};
use crate::config::Config;
use crate::guest::bindings::tcpserver::StreamClass;
use crate::guest::bindings::{handler, work};
use crate::guest::description::Description;
use crate::guest::engine::{Binary, Cache};
use crate::services::kv::{Kv, Limits};

/// A name, and what it calls.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("patterns", patterns),
    ("forwarded", forwarded),
    ("configuration", configuration),
    ("description", description),
    ("cached_code", cached_code),
    ("kv_file", kv_file),
];

/// A path, then patterns, one in each line. The first pattern that takes the path alone takes it among the others, too.
pub fn patterns(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.lines();
    let path = lines.next().unwrap_or_default();
    let patterns: Vec<Pattern> = lines.take(8).flat_map(Pattern::new).collect();
    let first = patterns.iter().position(|pattern| pattern.matches(path));
    let routes = patterns.into_iter().enumerate().map(|(at, pattern)| Route {
        pattern,
        host: None,
        name: Some(at.to_string()),
        target: at,
    });
    let Ok(router) = Router::new(routes.collect()) else {
        return;
    };
    let found = match router.find("localhost", path) {
        Found::Route(route, _) | Found::NotUtf8(route) => Some(route.target),
        Found::Nothing => None,
    };
    assert_eq!(found, first);
    for count in 0..3 {
        let _ = router.reverse("0", &["a"; 3][..count]);
    }
}

/// Header fields of a proxy, one in each line. What can't be read makes nobody a client that is another.
pub fn forwarded(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let client = Client {
        remote_ip: RemoteIp::Ip(proxy),
        protocol: Protocol::Http,
        is_proxied: false,
    };
    let behind = client.behind(&[proxy], &headers);
    assert!(behind.is_proxied);
    let is_named = ["x-real-ip", "x-forwarded-for"]
        .iter()
        .any(|name| headers.contains_key(*name));
    assert!(is_named || behind.remote_ip == client.remote_ip);
    assert_eq!(client.behind(&[], &headers), client);
}

/// A `waterspout.toml`. Each fault has a place in the file, and can be shown.
pub fn configuration(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match Config::parse(text, Path::new("waterspout.toml")) {
        Ok(config) => {
            let _ = config.limits();
            assert!(config == config.clone());
        }
        Err(faults) => {
            assert!(!faults.to_string().is_empty());
            for fault in faults.iter() {
                assert!(fault.line <= text.lines().count() + 1, "{fault:?}");
            }
        }
    }
}

/// What a component says of itself, one text in each line: it is refused, or can be served.
pub fn description(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines().map(str::to_owned);
    let (mut classes, mut functions, mut schedules) = (Vec::new(), Vec::new(), Vec::new());
    let mut streams = Vec::new();
    while let Some(kind) = lines.next() {
        let mut next = || lines.next().unwrap_or_default();
        let optional = |text: String| (!text.is_empty()).then_some(text);
        match &*kind {
            "class" => classes.push(handler::HandlerClass {
                name: next(),
                methods: next().split(' ').map(str::to_owned).collect(),
                functions: next().split(' ').map(str::to_owned).collect(),
                routes: vec![handler::Route {
                    pattern: next(),
                    host: optional(next()),
                    name: optional(next()),
                    kwargs: optional(next()),
                }],
            }),
            "function" => functions.push(next()),
            "streams" => streams.push(StreamClass { name: next() }),
            "schedule" => schedules.push(work::Schedule {
                name: next(),
                timing: match next() {
                    text if text.parse::<u64>().is_ok() => {
                        work::Timing::Every(text.parse().unwrap_or_default())
                    }
                    text => work::Timing::Cron(text),
                },
                time_zone: optional(next()),
                function: next(),
                arguments: optional(next()),
                jitter: next().parse().ok(),
            }),
            _ => {}
        }
    }
    let work = work::Description {
        functions,
        schedules,
    };
    if let Ok(description) = Description::read(classes, &[], Some(work), &[], streams) {
        let _ = declarations(&description);
    }
}

/// A file in the cache of compiled code. None but the cache's own is run.
pub fn cached_code(data: &[u8]) {
    static PLACE: OnceLock<(TempDir, wasmtime::Engine, Cache, Binary)> = OnceLock::new();
    let (_, engine, cache, binary) = PLACE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = wasmtime::Engine::default();
        let cache = Cache::open(folder.path().join("cache"), &engine).expect("a cache");
        let file = folder.path().join("a.wasm");
        std::fs::write(&file, b"\0asm\x0d\0\x01\0").expect("a file");
        let binary = Binary::read(&file).expect("its bytes");
        (folder, engine, cache, binary)
    });
    std::fs::write(cache.path(binary), data).expect("a file");
    assert!(cache.get(binary, engine).is_none());
}

/// The file of `[kv]`: it is refused, or holds what can be read, and read again.
pub fn kv_file(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kv");
    std::fs::write(&path, data).expect("a file");
    let limits = Limits {
        max_memory: 1 << 20,
        max_value_size: 1 << 16,
    };
    let first = Kv::in_file(limits, &path).map(drop);
    let second = Kv::in_file(limits, &path).map(drop);
    assert_eq!(first.is_ok(), second.is_ok(), "{first:?}, then {second:?}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_fuzzing_has_found_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
        for (name, target) in TARGETS {
            let files = std::fs::read_dir(corpus.join(name)).expect("a corpus");
            let files: BTreeMap<_, _> = files
                .map(|file| file.expect("a file").path())
                .map(|file| (file.clone(), std::fs::read(file).expect("its bytes")))
                .collect();
            assert!(!files.is_empty(), "{name} has no corpus");
            for (file, bytes) in files {
                println!("{}", file.display());
                target(&bytes);
            }
        }
    }
}
