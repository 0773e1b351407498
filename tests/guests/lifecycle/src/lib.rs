//! Writes down every function that is called, in module state. Tests of `invoke` read the order at `/lifecycle/log`.
//!
//! `?as=NAME` names the life in the log; `?prepare=redirect|finish|teapot|error` and `?get=finish|teapot|error` choose
//! how the function ends; `?ms=N` makes `get` wait; `?error=teapot` makes `write_error` fail too.

use std::cell::RefCell;
use std::time::Duration;

use waterspout_sdk::prelude::*;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Lifecycle {
    name: String,
}

#[handler]
#[route("/lifecycle", name = "lifecycle", kwargs = { "greeting": "hi" })]
impl RequestHandler for Lifecycle {
    fn initialize(&mut self, cx: &Context, kwargs: Kwargs) -> Result {
        self.name = cx.get_query_argument_or("as", "-")?;
        let greeting: Option<String> = kwargs.get("greeting")?;
        self.note(&format!(
            "initialize {}",
            greeting.as_deref().unwrap_or("without kwargs")
        ));
        Ok(())
    }

    async fn prepare(&mut self, cx: &Context) -> Result {
        self.note("prepare");
        match cx.get_query_argument_or("prepare", "")?.as_str() {
            "redirect" => cx.redirect("/elsewhere"),
            how => end(cx, how),
        }
    }

    async fn get(&mut self, cx: &Context) -> Result {
        self.method(cx, "get").await
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.method(cx, "head").await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.method(cx, "post").await
    }

    async fn put(&mut self, cx: &Context) -> Result {
        self.method(cx, "put").await
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        self.method(cx, "delete").await
    }

    async fn patch(&mut self, cx: &Context) -> Result {
        self.method(cx, "patch").await
    }

    async fn options(&mut self, cx: &Context) -> Result {
        self.method(cx, "options").await
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        self.note(&format!(
            "write_error {} {:?}",
            failure.status(),
            failure.cause()
        ));
        end(cx, &cx.get_query_argument_or("error", "")?)?;
        cx.write(format!("page of {}", self.name))
    }

    async fn on_connection_close(&mut self, _: &Context) -> Result {
        self.note("on_connection_close");
        Ok(())
    }

    fn on_finish(&mut self, _: &Context) -> Result {
        self.note("on_finish");
        Ok(())
    }
}

impl Lifecycle {
    async fn method(&mut self, cx: &Context, function: &str) -> Result {
        self.note(function);
        let ms: u64 = cx.get_query_argument_or("ms", "0")?.parse()?;
        if ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
        cx.write(format!("{function} of {}", self.name))?;
        end(cx, &cx.get_query_argument_or("get", "")?)
    }

    fn note(&self, function: &str) {
        LOG.with_borrow_mut(|log| log.push(format!("{} {function}", self.name)));
    }
}

fn end(cx: &Context, how: &str) -> Result {
    match how {
        "" => Ok(()),
        "finish" => cx.finish(),
        "teapot" => bail!(HttpError::new(418).with_message("short and stout")),
        other => bail!("{other}"),
    }
}

/// GET: the log as a JSON array. DELETE: empties it.
#[derive(Default)]
struct Log;

#[handler]
#[route("/lifecycle/log")]
impl RequestHandler for Log {
    async fn get(&mut self, cx: &Context) -> Result {
        LOG.with_borrow(|log| cx.write_json(log))
    }

    async fn delete(&mut self, _: &Context) -> Result {
        LOG.take();
        Ok(())
    }
}

async fn start() -> Result {
    LOG.with_borrow_mut(|log| log.push("start".to_owned()));
    Ok(())
}

async fn stop() -> Result {
    log::info!("stop after {} notes", LOG.with_borrow(Vec::len));
    Ok(())
}

export!(Lifecycle, Log, start = start, stop = stop);
