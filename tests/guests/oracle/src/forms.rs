//! Those of `forms.py`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;

use crate::arguments::by_name;
use crate::{latin1, show};

#[derive(Default)]
pub struct Form;

impl Form {
    async fn answer(&self, cx: &Context) -> Result {
        let arguments = by_name(cx.request().body_arguments().await?);
        let mut files: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (name, file) in cx.request().files().await?.iter() {
            let file = json!([file.filename(), file.content_type(), latin1(file.body())]);
            files.entry(name).or_default().push(file);
        }
        let files: Value = files.into_iter().map(|pair| json!(pair)).collect();
        show(cx, &json!([arguments, files]))
    }
}

#[handler]
#[route("/form")]
impl RequestHandler for Form {
    async fn get(&mut self, cx: &Context) -> Result {
        self.answer(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.answer(cx).await
    }

    async fn put(&mut self, cx: &Context) -> Result {
        self.answer(cx).await
    }

    async fn patch(&mut self, cx: &Context) -> Result {
        self.answer(cx).await
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        self.answer(cx).await
    }
}
