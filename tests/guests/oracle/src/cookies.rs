//! Those of `cookies.py`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;

use crate::show;

#[derive(Default)]
pub struct Cookies;

#[handler]
#[route("/cookies")]
impl RequestHandler for Cookies {
    async fn get(&mut self, cx: &Context) -> Result {
        let request = cx.request();
        let cookies: BTreeMap<&str, Option<&str>> = request
            .cookies()
            .iter()
            .map(|cookie| (cookie.name(), request.cookie(cookie.name())))
            .collect();
        let cookies: Value = cookies.into_iter().map(|pair| json!(pair)).collect();
        show(cx, &cookies)
    }
}
