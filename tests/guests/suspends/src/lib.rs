//! Sockets that move from one version of the component to the next. Tests of `sockets` swap it, and see that no message is
//! lost or counted twice.

use std::env;

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;

/// Answers each message with `VERSION COUNT MESSAGE`. The version is that of the route's `kwargs`, else of the variable
/// `VERSION`.
///
/// `?bytes=N` makes the state longer by that. `?suspend=fail` and `?resume=fail` make these functions fail, `trap` makes
/// them trap.
#[derive(Default)]
struct Suspends {
    version: String,
    count: u64,
    moves: u64,
}

#[handler]
#[route("/suspends/([a-z]+)")]
impl WebSocketHandler for Suspends {
    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        let version: Option<String> = kwargs.get("version")?;
        self.version = version
            .or_else(|| env::var("VERSION").ok())
            .unwrap_or_else(|| "v1".to_owned());
        Ok(())
    }

    async fn open(&mut self, cx: &Context) -> Result {
        log::info!("open {}", cx.path_arg::<String>(0)?);
        Ok(())
    }

    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        self.count += 1;
        let answer = match message.text() {
            Some("moves") => self.moves.to_string(),
            text => format!(
                "{} {} {}",
                self.version,
                self.count,
                text.unwrap_or_default()
            ),
        };
        cx.socket().write_message(answer).await?;
        Ok(())
    }

    async fn on_close(&mut self, _: &Context) -> Result {
        log::info!("close after {} messages", self.count);
        Ok(())
    }

    async fn suspend(&mut self, cx: &Context) -> Result<Vec<u8>> {
        ends(cx, "suspend")?;
        let bytes: usize = cx.get_query_argument_or("bytes", "0")?.parse()?;
        let state = json!([self.count, self.moves, "x".repeat(bytes)]);
        Ok(state.to_string().into())
    }

    async fn resume(&mut self, cx: &Context, state: Vec<u8>) -> Result {
        ends(cx, "resume")?;
        let (count, moves, _): (u64, u64, Value) = serde_json::from_slice(&state)?;
        (self.count, self.moves) = (count, moves + 1);
        log::info!("resume {}", cx.path_arg::<String>(0)?);
        Ok(())
    }
}

fn ends(cx: &Context, function: &str) -> Result {
    match cx.get_query_argument_or(function, "")?.as_str() {
        "fail" => bail!("{function} fails as it was told"),
        "trap" => panic!("{function} traps as it was told"),
        _ => Ok(()),
    }
}

export!(Suspends, websocket);
