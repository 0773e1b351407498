//! `[http_client]`: how fetches of handlers leave the host. What each component may fetch is in its own table, and no
//! environment variable counts here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::section::table;
use super::value::Value;

/// The `[http_client]` table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpClient {
    /// The proxy that fetches go through.
    pub proxy: Option<Proxy>,
    /// Hosts that are reached without it: names with all names below them, addresses, networks.
    pub no_proxy: Vec<String>,
    /// Addresses of names that are not looked up: Tornado's `hostname_mapping`.
    pub hostname_mapping: BTreeMap<String, IpAddr>,
}

/// The URL of a proxy, which may have a password in it and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(String);

impl Proxy {
    /// The URL itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxy(…)")
    }
}

/// Reads the table.
pub(super) fn read(value: Value<'_, '_>) -> Option<HttpClient> {
    let mut section = table(value, "in [http_client]")?;
    let client = HttpClient {
        proxy: section.get("proxy", proxy),
        no_proxy: section.or("no_proxy", Vec::new(), |value| {
            value.list(|value| value.text().map(str::to_owned))
        }),
        hostname_mapping: section.or("hostname_mapping", BTreeMap::new(), mapping),
    };
    section.finish();
    Some(client)
}

fn proxy(value: Value<'_, '_>) -> Option<Proxy> {
    let text = value.string()?;
    let is_proxy = text
        .strip_prefix("http://")
        .is_some_and(|rest| !rest.trim_end_matches('/').is_empty())
        && text.parse::<http::Uri>().is_ok();
    match is_proxy {
        true => Some(Proxy(text.to_owned())),
        // The URL may contain a password.
        false => value.wrong(
            "`proxy` is not the URL of a proxy",
            Some("for example `proxy = \"http://proxy.example.com:3128\"`".to_owned()),
        ),
    }
}

fn mapping(value: Value<'_, '_>) -> Option<BTreeMap<String, IpAddr>> {
    let mut mapping = BTreeMap::new();
    for (name, value) in table(value, "in `hostname_mapping`")?.entries() {
        let address = value.parse("an IP address", "\"192.0.2.7\"");
        mapping.extend(address.map(|address| (host(name.text()), address)));
    }
    Some(mapping)
}

/// A name as fetches have it: in lower case, in Punycode. Other names are never looked up.
fn host(name: &str) -> String {
    match url::Host::parse(name) {
        Ok(host) => host.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}
