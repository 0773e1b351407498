//! A handler that writes down each of its functions, in its object and in the instance's log.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;
use waterspout_sdk::prelude::*;

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// `?as=NAME` names the socket in the log; `?refuse=401` refuses it in `prepare`, `?refuse=redirect` sends it elsewhere;
/// `?ms=N` makes each `on_message` wait. Chooses the subprotocol that begins with `yes`, and one that was not offered
/// where there is `?select=wrong`.
///
/// Answers `seen` with what it saw so far. `trap`, `fail`, `ping DATA` and `close [CODE [REASON]]` do what they say; of all
/// else it sends back the text, or the number of bytes.
#[derive(Default)]
pub struct Events {
    name: String,
    ms: u64,
    subprotocols: Vec<String>,
    seen: Vec<String>,
}

#[handler]
#[route("/events(?:/([a-z]+))?", kwargs = { "greeting": "hi" })]
impl WebSocketHandler for Events {
    fn set_default_headers(cx: &Context) -> Result {
        cx.set_header("X-Default", "1")
    }

    fn initialize(&mut self, cx: &Context, kwargs: Kwargs) -> Result {
        self.name = cx.get_query_argument_or("as", "-")?;
        self.ms = cx.get_query_argument_or("ms", "0")?.parse()?;
        self.note(format!("initialize {}", kwargs.get::<String>("greeting")?))
    }

    async fn prepare(&mut self, cx: &Context) -> Result {
        self.note("prepare")?;
        cx.set_cookie(("prepared", "yes"))?;
        cx.set_header("X-Prepared", "yes")?;
        match cx.get_query_argument_or("refuse", "")?.as_str() {
            "" => Ok(()),
            "redirect" => cx.redirect("/elsewhere"),
            status => bail!(HttpError::new(status.parse()?)),
        }
    }

    fn select_subprotocol(&mut self, cx: &Context, subprotocols: &[String]) -> Option<String> {
        self.subprotocols = subprotocols.to_vec();
        let select = cx.get_query_argument_or("select", "").ok()?;
        match select.as_str() {
            "" => subprotocols
                .iter()
                .find(|name| name.starts_with("yes"))
                .cloned(),
            other => Some(other.to_owned()),
        }
    }

    async fn open(&mut self, cx: &Context) -> Result {
        let argument = cx.path_args().first().cloned().flatten();
        self.note(format!("open {}", argument.as_deref().unwrap_or("-")))
    }

    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        let (socket, text) = (cx.socket(), message.text().unwrap_or_default());
        self.note(format!("begin {text}"))?;
        if self.ms > 0 {
            sleep(Duration::from_millis(self.ms)).await;
        }
        self.note(format!("end {text}"))?;
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        match words[..] {
            ["seen"] => {
                let Self {
                    seen, subprotocols, ..
                } = self;
                let cookie = cx.request().cookie("user");
                let seen = json!({ "seen": seen, "subprotocols": subprotocols, "cookie": cookie });
                socket.write_message(Message::of_json(&seen)?).await?;
            }
            ["trap"] => panic!("as it was told"),
            ["fail"] => Err(anyhow!("as it was told")).context("failing")?,
            ["ping", data] => socket.ping(data)?,
            ["close"] => socket.close(None, None)?,
            ["close", code] => socket.close(Some(code.parse()?), None)?,
            ["close", code, reason] => socket.close(Some(code.parse()?), Some(reason))?,
            [""] => {
                socket
                    .write_message(message.data().len().to_string())
                    .await?
            }
            _ => socket.write_message(message).await?,
        }
        Ok(())
    }

    async fn on_ping(&mut self, _: &Context, data: Vec<u8>) -> Result {
        self.note(format!("ping {}", String::from_utf8_lossy(&data)))
    }

    async fn on_pong(&mut self, _: &Context, data: Vec<u8>) -> Result {
        self.note(format!("pong {}", String::from_utf8_lossy(&data)))
    }

    async fn on_close(&mut self, cx: &Context) -> Result {
        let (code, reason) = (cx.close_code(), cx.close_reason());
        self.note(format!("close {code:?} {reason:?}"))
    }
}

impl Events {
    fn note(&mut self, event: impl Into<String>) -> Result {
        let event = event.into();
        LOG.with_borrow_mut(|log| log.push(format!("{} {event}", self.name)));
        self.seen.push(event);
        Ok(())
    }
}

/// GET: the log of all sockets as a JSON array. DELETE: empties it.
#[derive(Default)]
pub struct Log;

#[handler]
#[route("/log")]
impl RequestHandler for Log {
    async fn get(&mut self, cx: &Context) -> Result {
        LOG.with_borrow(|log| cx.write_json(log))
    }

    async fn delete(&mut self, _: &Context) -> Result {
        LOG.take();
        Ok(())
    }
}
