//! `[http_client]`: how fetches of handlers leave the host. What each component may fetch is in its own table, and no
//! environment variable counts here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::section::table;
use super::tls::{Certificate, certificate};
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
    /// By origin, a file of authorities that count there, and no others: Tornado's `ca_certs`.
    pub ca_certs: BTreeMap<String, PathBuf>,
    /// By origin, what is shown to a server that asks who connects: Tornado's `client_cert` and `client_key`.
    pub client_cert: BTreeMap<String, Certificate>,
}

impl HttpClient {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.client_cert.values();
        let pairs = pairs.flat_map(|pair| [&pair.cert, &pair.key]);
        pairs.chain(self.ca_certs.values())
    }
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
        ca_certs: section.or("ca_certs", BTreeMap::new(), |value| {
            by_origin(value, "in `ca_certs`", Value::path)
        }),
        client_cert: section.or("client_cert", BTreeMap::new(), |value| {
            by_origin(value, "in `client_cert`", certificate)
        }),
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

/// A table whose keys are origins of https, as fetches have them.
fn by_origin<'a, 't, T>(
    value: Value<'a, 't>,
    place: &'static str,
    read: impl Fn(Value<'a, 't>) -> Option<T>,
) -> Option<BTreeMap<String, T>> {
    let mut all = BTreeMap::new();
    for (name, value) in table(value, place)?.entries() {
        match origin(name.text()) {
            Some(origin) => all.extend(read(value).map(|read| (origin, read))),
            None => {
                let hint = "for example `\"https://db.internal:8443\"`".to_owned();
                name.wrong::<()>("not an origin of https", Some(hint));
            }
        }
    }
    Some(all)
}

fn origin(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let is_one = url.scheme() == "https"
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    is_one.then(|| url.origin().ascii_serialization())
}

/// A name as fetches have it: in lower case, in Punycode. Other names are never looked up.
fn host(name: &str) -> String {
    match url::Host::parse(name) {
        Ok(host) => host.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}
