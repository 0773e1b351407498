//! Those of `arguments.py`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;
use waterspout_sdk::web::{Arguments, Unstripped};

use crate::{latin1, show};

const UNSTRIPPED: Unstripped = Unstripped("a");

#[derive(Default)]
pub struct Decoded;

impl Decoded {
    async fn answer(&self, cx: &Context) -> Result {
        let function: String = cx.path_arg(0)?;
        let value: Value = match function.as_str() {
            "any" => cx.get_argument("a").await?.into(),
            "or" => cx.get_argument_or("a", "nothing").await?.into(),
            "all" => cx.get_arguments("a").await?.into(),
            "query" => cx.get_query_argument("a")?.into(),
            "query-or" => cx.get_query_argument_or("a", "nothing")?.into(),
            "query-all" => cx.get_query_arguments("a")?.into(),
            "body" => cx.get_body_argument("a").await?.into(),
            "body-or" => cx.get_body_argument_or("a", "nothing").await?.into(),
            "body-all" => cx.get_body_arguments("a").await?.into(),
            "any-unstripped" => cx.get_argument(UNSTRIPPED).await?.into(),
            "or-unstripped" => cx.get_argument_or(UNSTRIPPED, "nothing").await?.into(),
            "all-unstripped" => cx.get_arguments(UNSTRIPPED).await?.into(),
            "query-unstripped" => cx.get_query_argument(UNSTRIPPED)?.into(),
            "query-all-unstripped" => cx.get_query_arguments(UNSTRIPPED)?.into(),
            "body-unstripped" => cx.get_body_argument(UNSTRIPPED).await?.into(),
            "body-all-unstripped" => cx.get_body_arguments(UNSTRIPPED).await?.into(),
            other => bail!("there is no function {other}"),
        };
        show(cx, &value)
    }
}

#[handler]
#[route("/arguments/([a-z-]+)")]
impl RequestHandler for Decoded {
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

#[derive(Default)]
pub struct Raw;

#[handler]
#[route("/raw")]
impl RequestHandler for Raw {
    async fn get(&mut self, cx: &Context) -> Result {
        let query = by_name(cx.request().query_arguments());
        let body = by_name(cx.request().body_arguments().await?);
        show(cx, &json!([query, body]))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

/// The names in order, each with its values.
pub fn by_name(arguments: &Arguments) -> Value {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in arguments.iter() {
        names.entry(name).or_default().push(latin1(value));
    }
    names.into_iter().map(|pair| json!(pair)).collect()
}
