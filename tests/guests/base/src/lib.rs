//! Handlers with bases. A test of `base` sees which function of which of them is called.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Root {
    called: Vec<&'static str>,
}

#[handler]
impl RequestHandler for Root {
    fn set_default_headers(cx: &Context) -> Result {
        cx.set_header("X-Base", "Root")
    }

    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        if kwargs.get("loud").unwrap_or(false) {
            self.called.push("loud");
        }
        Ok(())
    }

    async fn prepare(&mut self, _: &Context) -> Result {
        self.called.push("Root::prepare");
        Ok(())
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        cx.write(format!("Root: {}", failure.status()))
    }
}

#[derive(Default)]
struct Middle {
    base: Root,
}

#[handler(base = Root)]
impl RequestHandler for Middle {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(format!("{} Middle::get", self.base.called.join(" ")))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        cx.write(format!("{} Middle::post", self.base.called.join(" ")))
    }

    #[method("QUERY")]
    async fn query(&mut self, cx: &Context) -> Result {
        cx.write("Middle::query")
    }
}

#[derive(Default)]
struct Leaf {
    base: Middle,
}

#[handler(base = Middle)]
impl RequestHandler for Leaf {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("Leaf::get ")?;
        self.base.get(cx).await
    }

    async fn put(&mut self, _: &Context) -> Result {
        bail!("nowhere to put it")
    }
}

/// Answers whatever no route takes, as `default_handler_class`.
#[derive(Default)]
struct Fallback {
    base: Root,
}

#[handler(base = Root)]
impl RequestHandler for Fallback {
    async fn prepare(&mut self, cx: &Context) -> Result {
        self.base.prepare(cx).await?;
        match cx.request().path() {
            "/unfinished" => Ok(()),
            path => {
                cx.set_status(404);
                cx.write(format!("nothing at {path} for {}", cx.request().method()))?;
                cx.finish()
            }
        }
    }
}

export!(Middle, Leaf, Fallback);
