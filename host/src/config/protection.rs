//! What protects an app from requests that pages of other sites send, and the settings and exceptions of it: Tornado's
//! `xsrf_cookies`, `cross_origin_protection` and what belongs to them. Decides about no request.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::base::cookies::CookieAttributes;

use super::section::{Section, table};
use super::value::Value;

/// What is refused before a handler runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Protection {
    /// Whether requests that change something need the token of the cookie.
    pub xsrf_cookies: bool,
    /// The name of that cookie.
    pub xsrf_cookie_name: String,
    /// The attributes of that cookie.
    pub xsrf_cookie_kwargs: CookieAttributes,
    /// Whether requests that change something are refused where a page of another origin sends them.
    pub cross_origin_protection: bool,
    /// The origins whose pages may send them nevertheless.
    pub trusted_origins: Vec<String>,
    /// Whether responses say how browsers should protect them.
    pub security_headers: bool,
}

impl Default for Protection {
    fn default() -> Self {
        Self {
            xsrf_cookies: false,
            xsrf_cookie_name: "_xsrf".to_owned(),
            xsrf_cookie_kwargs: CookieAttributes::default(),
            cross_origin_protection: true,
            trusted_origins: Vec::new(),
            security_headers: false,
        }
    }
}

/// What one route has of it that differs from the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteProtection {
    /// As in the settings.
    pub xsrf_cookies: Option<bool>,
    /// As in the settings.
    pub cross_origin_protection: Option<bool>,
    /// In place of those in the settings.
    pub trusted_origins: Option<Vec<String>>,
}

impl RouteProtection {
    /// What is not said here is as around the route.
    pub(super) fn or(self, around: &Self) -> Self {
        Self {
            xsrf_cookies: self.xsrf_cookies.or(around.xsrf_cookies),
            cross_origin_protection: self
                .cross_origin_protection
                .or(around.cross_origin_protection),
            trusted_origins: self
                .trusted_origins
                .or_else(|| around.trusted_origins.clone()),
        }
    }
}

/// What protects the requests of one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// They need the token of the cookie.
    pub xsrf: bool,
    /// They are refused where a page of another origin sends them.
    pub cross_origin: bool,
    /// But from these.
    pub trusted_origins: Arc<[String]>,
}

impl Guard {
    /// Whether pages of this origin may send any request.
    pub fn trusts(&self, origin: &str) -> bool {
        self.trusted_origins
            .iter()
            .any(|trusted| trusted.eq_ignore_ascii_case(origin))
    }
}

impl Protection {
    /// What protects a route. A Python app has its own protection: for it only the route's own keys count.
    pub fn guard(&self, route: &RouteProtection, is_python: bool) -> Guard {
        let or = |own: Option<bool>, of_all: bool| own.unwrap_or(of_all && !is_python);
        let trusted = route.trusted_origins.as_ref();
        Guard {
            xsrf: or(route.xsrf_cookies, self.xsrf_cookies),
            cross_origin: or(route.cross_origin_protection, self.cross_origin_protection),
            trusted_origins: trusted.unwrap_or(&self.trusted_origins).as_slice().into(),
        }
    }
}

/// Reads the keys of `[settings]`.
pub(super) fn read(section: &mut Section<'_, '_>) -> Protection {
    let default = Protection::default();
    Protection {
        xsrf_cookies: section.or("xsrf_cookies", default.xsrf_cookies, Value::boolean),
        xsrf_cookie_name: section.or("xsrf_cookie_name", default.xsrf_cookie_name, cookie_name),
        xsrf_cookie_kwargs: section.or(
            "xsrf_cookie_kwargs",
            default.xsrf_cookie_kwargs,
            attributes,
        ),
        cross_origin_protection: section.or(
            "cross_origin_protection",
            default.cross_origin_protection,
            Value::boolean,
        ),
        trusted_origins: section.or("trusted_origins", default.trusted_origins, origins),
        security_headers: section.or("security_headers", default.security_headers, Value::boolean),
    }
}

/// Reads the keys of one `[[route]]`.
pub(super) fn of_route(section: &mut Section<'_, '_>) -> RouteProtection {
    RouteProtection {
        xsrf_cookies: section.get("xsrf_cookies", Value::boolean),
        cross_origin_protection: section.get("cross_origin_protection", Value::boolean),
        trusted_origins: section.get("trusted_origins", origins),
    }
}

/// A name that needs no quotes anywhere.
fn cookie_name(value: Value<'_, '_>) -> Option<String> {
    let name = value.text()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match name.bytes().all(is_plain) {
        true => Some(name.to_owned()),
        false => value.expected("the name of a cookie", "\"_xsrf\""),
    }
}

fn attributes(value: Value<'_, '_>) -> Option<CookieAttributes> {
    let mut section = table(value, "in `xsrf_cookie_kwargs`")?;
    let default = CookieAttributes::default();
    let same_site = [("lax", "Lax"), ("strict", "Strict"), ("none", "None")];
    let all = [&same_site[..], &same_site.map(|(_, name)| (name, name))].concat();
    let mut attributes = CookieAttributes {
        domain: section.get("domain", plain),
        expires_days: section.get("expires_days", days),
        httponly: section.or("httponly", default.httponly, Value::boolean),
        max_age: section.get("max_age", |value| {
            value.count(0..=super::value::MOST * 1000)?.try_into().ok()
        }),
        path: section.or("path", default.path, plain),
        samesite: section.get("samesite", |value| value.choice(&all)),
        secure: section.or("secure", default.secure, Value::boolean),
    };
    section.finish();
    // Browsers drop a cookie that has the one and not the other.
    attributes.secure |= attributes.samesite == Some("None");
    Some(attributes)
}

/// The value of an attribute: nothing that would end it.
fn plain(value: Value<'_, '_>) -> Option<String> {
    let text = value.text()?;
    let is_sound = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b';');
    match is_sound {
        true => Some(text.to_owned()),
        false => value.expected("the attribute of a cookie", "\"/\""),
    }
}

fn days(value: Value<'_, '_>) -> Option<f64> {
    const MOST: f64 = 36_500.0;
    let days = value.json().as_ref().and_then(Json::as_f64);
    days.filter(|days| (0.0..=MOST).contains(days))
        .or_else(|| value.expected("a number of days", "30"))
}

fn origins(value: Value<'_, '_>) -> Option<Vec<String>> {
    value.list(origin)
}

/// An origin as browsers send it: scheme, host and port, in lower case (RFC 6454, section 6.2).
fn origin(value: Value<'_, '_>) -> Option<String> {
    let text = value.text()?;
    let authority = text.split_once("://").filter(|(scheme, authority)| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        !scheme.is_empty() && scheme.bytes().all(is_name) && !authority.is_empty()
    });
    let is_sound = |(_, authority): (&str, &str)| {
        authority
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"/?#@\\*".contains(&byte))
    };
    match authority.is_some_and(is_sound) {
        true => Some(text.to_ascii_lowercase()),
        false => value.expected("an origin, without a path", "[\"https://www.example.com\"]"),
    }
}
