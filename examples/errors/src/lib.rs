//! The three ways to fail, and one error page for all of them.

use serde_json::json;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Errors;

#[handler]
impl RequestHandler for Errors {
    async fn get(&mut self, cx: &Context) -> Result {
        match cx.path_arg::<String>(0)?.as_str() {
            "teapot" => bail!(HttpError::new(418)),
            "plain" => bail!("a plain error"),
            _ => panic!("a panic is a trap: it ends the instance"),
        }
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        cx.write_json(&json!({ "code": failure.status(), "message": failure.reason() }))
    }
}

export!(Errors);
