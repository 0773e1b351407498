//! Those of `users.py`.

use serde_json::json;
use waterspout_sdk::prelude::*;
use waterspout_sdk::web::Verification;

use crate::{latin1, show};

#[derive(Default)]
pub struct Account;

#[handler]
#[route("/account")]
impl RequestHandler for Account {
    async fn get_current_user(&mut self, cx: &Context) -> Result<Option<String>> {
        let conditions = Verification::new().max_age_days(36500.0);
        let user = cx.get_signed_cookie_with("user", conditions)?;
        // In Python, an empty name is nobody.
        Ok(user
            .map(|user| latin1(&user))
            .filter(|user| !user.is_empty()))
    }

    #[authenticated]
    async fn get(&mut self, cx: &Context) -> Result {
        self.show(cx).await
    }

    #[authenticated]
    async fn head(&mut self, cx: &Context) -> Result {
        self.show(cx).await
    }

    #[authenticated]
    async fn post(&mut self, cx: &Context) -> Result {
        self.show(cx).await
    }

    #[authenticated]
    async fn put(&mut self, cx: &Context) -> Result {
        self.show(cx).await
    }

    #[authenticated]
    async fn delete(&mut self, cx: &Context) -> Result {
        self.show(cx).await
    }

    #[authenticated]
    async fn patch(&mut self, cx: &Context) -> Result {
        self.show(cx).await
    }

    #[authenticated]
    async fn options(&mut self, cx: &Context) -> Result {
        self.show(cx).await
    }
}

impl Account {
    async fn show(&mut self, cx: &Context) -> Result {
        let user = self.current_user(cx).await?;
        show(
            cx,
            &json!([cx.request().method().as_str(), user.as_deref()]),
        )
    }
}

/// Sends to the page that the query names.
#[derive(Default)]
pub struct Elsewhere {
    base: Account,
}

#[handler(base = Account)]
#[route("/elsewhere")]
impl RequestHandler for Elsewhere {
    fn get_login_url(&mut self, cx: &Context) -> Result<String> {
        cx.get_query_argument("at")
    }

    #[authenticated]
    async fn get(&mut self, cx: &Context) -> Result {
        self.base.show(cx).await
    }

    #[authenticated]
    async fn post(&mut self, cx: &Context) -> Result {
        self.base.show(cx).await
    }
}

/// For all, with a word to those that are known.
#[derive(Default)]
pub struct Open {
    base: Account,
}

#[handler(base = Account)]
#[route("/open")]
impl RequestHandler for Open {
    async fn get(&mut self, cx: &Context) -> Result {
        let user = self.current_user(cx).await?;
        show(cx, &json!(user.as_deref()))
    }
}
