//! Those of `methods.py`.

use waterspout_sdk::prelude::*;

#[derive(Default)]
pub struct All;

impl All {
    fn answer(&self, cx: &Context) -> Result {
        let method = cx.request().method().as_str();
        cx.set_header("X-Method", method)?;
        cx.write(format!("this is {method}"))
    }
}

#[handler]
#[route("/all")]
impl RequestHandler for All {
    async fn get(&mut self, cx: &Context) -> Result {
        self.answer(cx)
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.answer(cx)
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.answer(cx)
    }

    async fn put(&mut self, cx: &Context) -> Result {
        self.answer(cx)
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        self.answer(cx)
    }

    async fn patch(&mut self, cx: &Context) -> Result {
        self.answer(cx)
    }

    async fn options(&mut self, cx: &Context) -> Result {
        self.answer(cx)
    }
}

#[derive(Default)]
pub struct Reads;

#[handler]
#[route("/reads")]
impl RequestHandler for Reads {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("all of it")
    }

    async fn head(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Length", 9)
    }
}

#[derive(Default)]
pub struct Statuses;

#[handler]
#[route("/status/([0-9]+)")]
impl RequestHandler for Statuses {
    async fn get(&mut self, cx: &Context) -> Result {
        let status = cx.path_arg(0)?;
        cx.set_status(status);
        match status {
            204 | 304 => Ok(()),
            status => cx.write(format!("status {status}")),
        }
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn options(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

#[derive(Default)]
pub struct Prepared;

#[handler]
#[route("/prepared")]
impl RequestHandler for Prepared {
    async fn prepare(&mut self, cx: &Context) -> Result {
        match cx.get_query_argument("how")?.as_str() {
            "finish" => {
                cx.write("prepared")?;
                cx.finish()
            }
            "redirect" => cx.redirect("/reads"),
            "fail" => bail!(HttpError::new(403)),
            how => cx.set_header("X-Prepared", how),
        }
    }

    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("the method")
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}
