//! Two handlers in one component: named routes, path arguments, and `kwargs` from the configuration.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Stories;

#[handler]
impl RequestHandler for Stories {
    async fn get(&mut self, cx: &Context) -> Result {
        let url = cx.reverse_url("story", &["1"])?;
        cx.write(format!(r#"<a href="{url}">link to story 1</a>"#))
    }
}

#[derive(Default)]
struct Story {
    db: String,
}

#[handler]
impl RequestHandler for Story {
    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        self.db = kwargs.get("db")?;
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        let id: String = cx.path_arg(0)?;
        log::info!("reading story {id} from {}", self.db);
        cx.write(format!("this is story {id}"))
    }
}

export!(Stories, Story);
