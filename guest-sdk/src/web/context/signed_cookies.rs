//! Signed cookies: what a client keeps, and can't change. The host signs; the secret is never in here.

use cookie::Cookie;
use cookie::time::{Duration as Days, OffsetDateTime};

use crate::result::Result;
use crate::runtime::bindings::waterspout::signing::signing as host;
use crate::web::context::Context;
use crate::web::signing::{self, Verification};

/// How long a signed cookie lasts that does not say it.
const EXPIRES: Days = Days::days(30);

impl Context {
    /// Sets a cookie that nobody else can make: its value is signed, with the time, by `[settings] cookie_secret`. Tornado's
    /// [`set_signed_cookie`](https://www.tornadoweb.org/en/stable/web.html#tornado.web.RequestHandler.set_signed_cookie),
    /// byte for byte: apps on both can share it. The value can be read by whoever has the cookie.
    ///
    /// It lasts for 30 days where it has no `expires` and no `max_age`.
    ///
    /// Fails as [`set_cookie`](Self::set_cookie) does, and where the configuration has no `cookie_secret`.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn post(cx: &Context) -> Result {
    /// use waterspout_sdk::cookie::{Cookie, SameSite};
    ///
    /// let user = Cookie::build(("user", "ben")).http_only(true).same_site(SameSite::Lax);
    /// cx.set_signed_cookie(user)
    /// # }
    /// ```
    pub fn set_signed_cookie<'c>(&self, cookie: impl Into<Cookie<'c>>) -> Result {
        let mut cookie = cookie.into();
        let signed = self.create_signed_value(cookie.name(), cookie.value())?;
        cookie.set_value(signed);
        if cookie.expires().is_none() && cookie.max_age().is_none() {
            cookie.set_expires(OffsetDateTime::from(std::time::SystemTime::now()) + EXPIRES);
        }
        self.set_cookie(cookie)
    }

    /// The value of a signed cookie of the request. None where there is no such cookie, where it was not signed here for
    /// this name, or longer than 31 days ago.
    ///
    /// An error where the configuration has no `cookie_secret`.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// match cx.get_signed_cookie("user")? {
    ///     Some(name) => cx.write(name),
    ///     None => cx.redirect("/login"),
    /// }
    /// # }
    /// ```
    pub fn get_signed_cookie(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.get_signed_cookie_with(name, Verification::new())
    }

    /// The same, with other conditions.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// use waterspout_sdk::web::Verification;
    ///
    /// let of_today = Verification::new().max_age_days(1.0);
    /// let user = cx.get_signed_cookie_with("user", of_today)?;
    /// # cx.write(user.unwrap_or_default())
    /// # }
    /// ```
    pub fn get_signed_cookie_with(
        &self,
        name: &str,
        conditions: Verification,
    ) -> Result<Option<Vec<u8>>> {
        let number = self.request.number();
        let max_age = signing::nanoseconds(conditions.max_age);
        let value = host::signed_cookie(number, name, max_age, conditions.min_version);
        value.map_err(signing::error)
    }

    /// The version of the secret with which a signed cookie of the request says that it was signed: for apps that change
    /// their secret, `cookie_secret = { 1 = "…", 2 = "…" }`. Nothing is verified.
    pub fn get_signed_cookie_key_version(&self, name: &str) -> Option<u32> {
        host::signature_key_version(self.get_cookie(name)?.as_bytes())
    }

    /// Signs a value for this name, as a signed cookie has it: for links in mails and the like.
    ///
    /// ```
    /// # use waterspout_sdk::prelude::*;
    /// # async fn get(cx: &Context) -> Result {
    /// let token = cx.create_signed_value("reset", "ben")?;
    /// let name = cx.decode_signed_value("reset", &token)?;
    /// # cx.write(name.unwrap_or_default())
    /// # }
    /// ```
    pub fn create_signed_value(&self, name: &str, value: impl AsRef<[u8]>) -> Result<String> {
        signing::create(Some(self.request.number()), name, value.as_ref())
    }

    /// The value in what [`create_signed_value`](Self::create_signed_value) made for this name, no longer than 31 days
    /// ago.
    pub fn decode_signed_value(
        &self,
        name: &str,
        signed: impl AsRef<[u8]>,
    ) -> Result<Option<Vec<u8>>> {
        self.decode_signed_value_with(name, signed, Verification::new())
    }

    /// The same, with other conditions.
    pub fn decode_signed_value_with(
        &self,
        name: &str,
        signed: impl AsRef<[u8]>,
        conditions: Verification,
    ) -> Result<Option<Vec<u8>>> {
        let number = Some(self.request.number());
        signing::decode(number, name, signed.as_ref(), conditions)
    }
}
