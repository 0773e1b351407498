//! The cookies of one client. Sends nothing.

use std::cmp::Reverse;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use cookie_store::{CookieStore, RawCookie};
use ureq::http::header::InvalidHeaderValue;
use ureq::http::{HeaderMap, HeaderValue, header};
use url::Url;

#[derive(Default)]
pub struct Jar(Mutex<CookieStore>);

impl Jar {
    /// Keeps what a response from this URL sets.
    pub fn keep(&self, url: &Url, headers: &HeaderMap) {
        let set = headers.get_all(header::SET_COOKIE).iter();
        let cookies = set.filter_map(|value| {
            let cookie = RawCookie::parse(value.to_str().ok()?).ok()?;
            Some(cookie.into_owned())
        });
        self.with(|store| store.store_response_cookies(cookies, url));
    }

    /// The cookies for a request to this URL, those with longer paths first, and of these by name.
    pub fn of(&self, url: &Url) -> Vec<(String, String)> {
        self.with(|store| {
            let mut cookies: Vec<_> = store.matches(url).into_iter().collect();
            cookies.sort_by_key(|cookie| (Reverse(cookie.path.len()), cookie.name().to_owned()));
            let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let pairs = cookies.into_iter();
            pairs.map(|cookie| pair(cookie.name_value())).collect()
        })
    }

    /// Adds the cookies to the headers of a request to this URL, after those that it has.
    pub fn add_to(&self, headers: &mut HeaderMap, url: &Url) -> Result<(), InvalidHeaderValue> {
        let own = headers.get_all(header::COOKIE).iter();
        let own = own.filter_map(|value| Some(value.to_str().ok()?.to_owned()));
        let kept = self.of(url).into_iter();
        let kept = kept.map(|(name, value)| name + "=" + &value);
        let all: Vec<_> = own.chain(kept).collect();
        if !all.is_empty() {
            headers.insert(header::COOKIE, HeaderValue::try_from(all.join("; "))?);
        }
        Ok(())
    }

    fn with<T>(&self, on: impl FnOnce(&mut CookieStore) -> T) -> T {
        on(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jar").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_where_it_belongs() {
        let jar = Jar::default();
        let url = |path| Url::parse("http://127.0.0.1:8888").and_then(|url| url.join(path));
        let url = |path| url(path).expect("a URL");
        let mut headers = HeaderMap::new();
        for cookie in [
            "a=1; Path=/",
            "b=2; Path=/in; HttpOnly",
            "c=3; Max-Age=0",
            "d=4; Secure; Path=/",
        ] {
            headers.append(header::SET_COOKIE, cookie.parse().expect("a value"));
        }
        jar.keep(&url("/"), &headers);
        let pairs = |path| {
            let pairs = jar.of(&url(path));
            let pairs = pairs.into_iter().map(|(name, value)| name + "=" + &value);
            let mut pairs: Vec<_> = pairs.collect();
            pairs.sort();
            pairs
        };
        assert_eq!(pairs("/"), ["a=1", "d=4"]);
        assert_eq!(pairs("/in/side"), ["a=1", "b=2", "d=4"]);
    }
}
