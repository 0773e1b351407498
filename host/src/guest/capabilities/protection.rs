//! `waterspout:web/protection`: the tokens for a handler's forms, and the origins about which it decides itself. Refuses
//! nothing: that happens before a guest is entered.

use std::time::{SystemTime, UNIX_EPOCH};

use wasmtime::component::HasSelf;

use super::capability::Capability;
use crate::base::cookies;
use crate::base::cross_origin::{Sender, sender};
use crate::base::xsrf;
use crate::guest::bindings::protection::{self, Host, Token};
use crate::guest::resources::Ctx;

/// The capability.
pub const CAPABILITY: Capability =
    Capability::of(|linker| protection::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx));

/// How many days the cookie of a user's browser lasts, as in Tornado.
const DAYS: f64 = 30.0;

impl Host for Ctx {
    fn xsrf_token(&mut self, request: u64, has_user: bool) -> wasmtime::Result<Token> {
        let exchange = self.exchange(request)?;
        let protection = &exchange.app.protection;
        let name = &protection.xsrf_cookie_name;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let cookie = cookies::find(&exchange.head.headers, name);
        let known = cookie.and_then(|cookie| xsrf::Token::read(&cookie));
        if let Some(known) = known {
            return Ok(Token {
                text: known.masked(now),
                set_cookie: None,
            });
        }
        let token = xsrf::Token::random(now).masked(now);
        let attributes = &protection.xsrf_cookie_kwargs;
        let line = cookies::line(name, &token, attributes, has_user.then_some(DAYS));
        Ok(Token {
            text: token,
            set_cookie: Some(line),
        })
    }

    fn untrusted_origin(&mut self, request: u64) -> wasmtime::Result<Option<String>> {
        let exchange = self.exchange(request)?;
        let headers = &exchange.head.headers;
        let origin = headers.get(http::header::ORIGIN);
        let guard = &exchange.target.guard;
        let is_asked = guard.cross_origin && !xsrf::is_safe(&exchange.head.method);
        let untrusted = match sender(headers, origin, exchange.host()) {
            Sender::Other {
                origin: Some(origin),
                ..
            } => Some(origin).filter(|origin| is_asked && !guard.trusts(origin)),
            Sender::Other { origin: None, .. } | Sender::Own => None,
        };
        Ok(untrusted.map(str::to_owned))
    }
}
