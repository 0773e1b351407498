//! Those of `routing.py`.

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;

#[derive(Default)]
pub struct Show {
    route: String,
}

#[handler]
impl RequestHandler for Show {
    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        self.route = kwargs.get("route")?;
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        let mut named: Vec<Value> = cx
            .path_kwargs()
            .iter()
            .map(|(name, value)| json!([name, value]))
            .collect();
        named.sort_by_key(|pair| pair[0].to_string());
        cx.write(json!([self.route, cx.path_args(), named]).to_string())
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

#[derive(Default)]
pub struct AddSlash;

#[handler]
impl RequestHandler for AddSlash {
    #[addslash]
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("with a slash")
    }

    #[addslash]
    async fn head(&mut self, cx: &Context) -> Result {
        cx.write("")
    }

    #[addslash]
    async fn post(&mut self, cx: &Context) -> Result {
        cx.write("posted with a slash")
    }
}

#[derive(Default)]
pub struct RemoveSlash;

#[handler]
impl RequestHandler for RemoveSlash {
    #[removeslash]
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("without a slash")
    }

    #[removeslash]
    async fn post(&mut self, cx: &Context) -> Result {
        cx.write("posted without a slash")
    }
}

#[derive(Default)]
pub struct Reverse;

#[handler]
impl RequestHandler for Reverse {
    async fn get(&mut self, cx: &Context) -> Result {
        let name = cx.get_query_argument("name")?;
        let arguments = cx.get_query_arguments("a")?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        cx.write(cx.reverse_url(&name, &arguments)?)
    }
}

#[derive(Default)]
pub struct Missing {
    word: String,
}

#[handler]
impl RequestHandler for Missing {
    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        self.word = kwargs.get("word")?;
        Ok(())
    }

    async fn prepare(&mut self, cx: &Context) -> Result {
        cx.set_status(404);
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(format!("{} at {}", self.word, cx.request().path()))
    }
}
