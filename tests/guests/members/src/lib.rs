//! Signed cookies, users and forms. Tests of `protection` see what comes in here, and what does not.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;
use waterspout_sdk::web::{self, Verification};

/// How often a handler was entered for something that changes.
static ENTERED: AtomicUsize = AtomicUsize::new(0);

#[derive(Default)]
struct Entered;

#[handler]
#[route("/entered")]
impl RequestHandler for Entered {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write_json(&ENTERED.load(Relaxed))
    }
}

/// Says which certificate its client has shown, in hexadecimal digits.
#[derive(Default)]
struct Certificate;

#[handler]
#[route("/certificate")]
impl RequestHandler for Certificate {
    async fn get(&mut self, cx: &Context) -> Result {
        let shown = cx.request().get_ssl_certificate().unwrap_or_default();
        let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
        cx.write(digits)
    }
}

/// A page with a form, and what came of it.
#[derive(Default)]
struct Form;

#[handler]
#[route("/form")]
#[route("/open")]
impl RequestHandler for Form {
    async fn get(&mut self, cx: &Context) -> Result {
        let field = cx.xsrf_form_html()?;
        let token = cx.xsrf_token()?;
        cx.write_json(&json!({ "field": field, "token": token }))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        ENTERED.fetch_add(1, Relaxed);
        let field = cx.get_body_argument("field").await?;
        let body = cx.request().body().await?;
        cx.write_json(&json!({ "field": field, "length": body.len() }))
    }

    async fn put(&mut self, cx: &Context) -> Result {
        self.post(cx).await
    }
}

/// Takes its body piece by piece.
#[derive(Default)]
struct Pieces {
    bytes: usize,
}

#[handler]
#[stream_request_body]
#[route("/pieces")]
impl RequestHandler for Pieces {
    async fn data_received(&mut self, _: &Context, chunk: Bytes) -> Result {
        self.bytes += chunk.len();
        Ok(())
    }

    async fn post(&mut self, cx: &Context) -> Result {
        ENTERED.fetch_add(1, Relaxed);
        cx.write_json(&self.bytes)
    }
}

/// Logs a user in, and says who it is.
#[derive(Default)]
struct Login;

#[handler]
#[route("/login")]
impl RequestHandler for Login {
    async fn get_current_user(&mut self, cx: &Context) -> Result<Option<String>> {
        let name = cx.get_signed_cookie("user")?;
        Ok(name.and_then(|name| String::from_utf8(name).ok()))
    }

    async fn get(&mut self, cx: &Context) -> Result {
        let user = self.current_user(cx).await?;
        // Known by now, so that its cookie lasts.
        cx.xsrf_token()?;
        cx.write_json(&user.as_deref())
    }

    async fn post(&mut self, cx: &Context) -> Result {
        cx.set_signed_cookie(("user", cx.get_argument("name").await?))?;
        cx.redirect(&cx.get_next_url("/").await?)
    }
}

/// Signs and reads as many values as it is told.
#[derive(Default)]
struct Values;

#[handler]
#[route("/values")]
impl RequestHandler for Values {
    async fn post(&mut self, cx: &Context) -> Result {
        let asked: Value = serde_json::from_slice(cx.request().body().await?)?;
        cx.write_json(&values(&asked, Some(cx))?)
    }

    /// By another instance, without a request.
    async fn put(&mut self, cx: &Context) -> Result {
        let asked: Value = serde_json::from_slice(cx.request().body().await?)?;
        cx.write_json(&run_in_executor(elsewhere, &asked).await?)
    }
}

fn elsewhere(asked: Value) -> Result<Value> {
    values(&asked, None)
}

/// `sign` and `read` are lists of names with texts, of which a character is a byte.
fn values(asked: &Value, cx: Option<&Context>) -> Result<Value> {
    let pairs = |key: &str| -> Vec<(String, String)> {
        serde_json::from_value(asked[key].clone()).unwrap_or_default()
    };
    let bytes = |text: &str| -> Result<Vec<u8>> {
        let bytes = text.chars().map(u8::try_from);
        Ok(bytes.collect::<std::result::Result<_, _>>()?)
    };
    let sign = |(name, value): (String, String)| match cx {
        Some(cx) => cx.create_signed_value(&name, bytes(&value)?),
        None => web::create_signed_value(&name, bytes(&value)?),
    };
    let read = |(name, signed): (String, String)| -> Result<Option<String>> {
        let value = match cx {
            Some(cx) => cx.decode_signed_value(&name, signed)?,
            None => web::decode_signed_value(&name, signed, Verification::new())?,
        };
        Ok(value.map(|value| value.into_iter().map(char::from).collect()))
    };
    let signed: Result<Vec<String>> = pairs("sign").into_iter().map(sign).collect();
    let values: Result<Vec<Option<String>>> = pairs("read").into_iter().map(read).collect();
    Ok(json!({ "signed": signed?, "values": values? }))
}

/// Decides about pages of other origins.
#[derive(Default)]
struct Decides;

#[handler]
#[route("/decides")]
impl RequestHandler for Decides {
    fn check_trusted_origin(&mut self, _: &Context, origin: &str) -> Result<bool> {
        ENTERED.fetch_add(1, Relaxed);
        Ok(origin.ends_with(".example"))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        cx.write("decided")
    }
}

export!(
    Entered,
    Certificate,
    Form,
    Pieces,
    Login,
    Values,
    Decides,
    single,
    functions = [elsewhere]
);
