//! Those of `signed.py` and `versions.py`.

use serde_json::json;
use waterspout_sdk::prelude::*;
use waterspout_sdk::web::Verification;

use crate::{latin1, show};

/// Reads the cookie that the query names.
#[derive(Default)]
pub struct Signed;

#[handler]
#[route("/signed")]
impl RequestHandler for Signed {
    async fn get(&mut self, cx: &Context) -> Result {
        let name = cx.get_query_argument_or("name", "a")?;
        let days = cx.get_query_argument_or("max_age_days", "36500")?;
        let mut conditions = Verification::new().max_age_days(days.parse()?);
        if let Ok(version) = cx.get_query_argument("min_version") {
            conditions = conditions.min_version(version.parse()?);
        }
        let value = cx.get_signed_cookie_with(&name, conditions)?;
        let value = value.map(|value| latin1(&value));
        show(cx, &json!([value, cx.get_signed_cookie_key_version(&name)]))
    }
}
