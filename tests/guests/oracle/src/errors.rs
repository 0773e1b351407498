//! Those of `errors.py`.

use waterspout_sdk::prelude::*;

#[derive(Default)]
pub struct Fails;

#[handler]
#[route("/fails/([0-9]+)")]
impl RequestHandler for Fails {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Lost", "1")?;
        cx.set_status(201);
        cx.write("lost, too")?;
        let asked = |name: &str| -> Result<Option<String>> {
            Ok(cx.get_query_arguments(name)?.into_iter().next_back())
        };
        let mut error = HttpError::new(cx.path_arg(0)?);
        if let Some(message) = asked("message")? {
            error = error.with_message(message);
        }
        if let Some(reason) = asked("reason")? {
            error = error.with_reason(reason);
        }
        bail!(error)
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }
}

#[derive(Default)]
pub struct Sends;

#[handler]
#[route("/sends/([0-9]+)")]
impl RequestHandler for Sends {
    async fn prepare(&mut self, cx: &Context) -> Result {
        if cx.request().query_arguments().get("prepare").is_some() {
            return cx.send_error(cx.path_arg::<u16>(0)?);
        }
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Lost", "1")?;
        cx.set_status(201);
        cx.write("lost, too")?;
        let error = with_reason(cx)?;
        let after = cx.get_query_argument_or("after", "")?;
        if after.is_empty() {
            return cx.send_error(error);
        }
        // What is not given back counts, too.
        let _ = cx.send_error(error);
        match after.as_str() {
            "write" => cx.write("more"),
            "clear" => {
                cx.clear();
                Ok(())
            }
            "status" => {
                cx.set_status(200);
                Ok(())
            }
            "header" => cx.set_header("X-After", "1"),
            "finish" => cx.finish(),
            "redirect" => cx.redirect("/"),
            "raise" => bail!(HttpError::new(500).with_message("more")),
            "send" => cx.send_error(500),
            other => bail!("there is no {other}"),
        }
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        cx.write("finished")?;
        cx.finish()?;
        cx.send_error(cx.path_arg::<u16>(0)?)
    }
}

/// The status of the path, with the reason of the query.
fn with_reason(cx: &Context) -> Result<HttpError> {
    let error = HttpError::new(cx.path_arg(0)?);
    Ok(error.with_reason(cx.get_query_argument_or("reason", "")?))
}

#[derive(Default)]
pub struct Breaks;

#[handler]
#[route("/breaks/([a-z0-9_]+)")]
impl RequestHandler for Breaks {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("Content-Type", "text/plain")?;
        let how: String = cx.path_arg(0)?;
        match how.as_str() {
            "body_of_204" | "body_of_304" => {
                cx.set_status(if how.ends_with("204") { 204 } else { 304 });
                return cx.write("a body");
            }
            "line_in_header" => return cx.set_header("X-A", "1\r\nX-B: 2"),
            "null_in_header" => return cx.set_header("X-A", "1\0"),
            "redirected_with_200" => return cx.redirect_with_status("/", 200),
            "redirected_with_400" => return cx.redirect_with_status("/", 400),
            "line_in_location" => return cx.redirect("/\r\nX-B: 2"),
            "plain" => bail!("a plain error"),
            _ => {}
        }
        cx.write("once")?;
        cx.finish()?;
        match how.as_str() {
            "finished_twice" => cx.finish(),
            "written_after" => cx.write("more"),
            "failed_after" => bail!(HttpError::new(403)),
            "redirected_after" => cx.redirect("/"),
            _ => bail!("there is no {how}"),
        }
    }
}

#[derive(Default)]
pub struct Pages;

#[handler]
#[route("/pages/([0-9]+)")]
impl RequestHandler for Pages {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Lost", "1")?;
        if cx.request().query_arguments().get("send").is_some() {
            return cx.send_error(with_reason(cx)?);
        }
        bail!(HttpError::new(cx.path_arg(0)?).with_message("said to the log"))
    }

    async fn delete(&mut self, _: &Context) -> Result {
        bail!("a plain error")
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        let status = failure.status();
        match cx.get_query_argument("how")?.as_str() {
            "text" => {
                cx.set_header("Content-Type", "text/plain")?;
                cx.write(format!("{status} {}", failure.reason()))
            }
            "finish" => {
                cx.write(format!("finished with {}", cx.get_status()))?;
                cx.finish()
            }
            "status" => {
                cx.set_status(200);
                cx.write("all is well")
            }
            "reason" => {
                cx.set_status_with_reason(status, "My Own");
                cx.write("why")
            }
            "redirect" => cx.redirect("/login"),
            _ => Ok(()),
        }
    }
}
