//! Sockets that others than their own handlers write to: topics, and requests.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use waterspout_sdk::prelude::*;
use waterspout_sdk::pubsub;

thread_local! {
    static SOCKETS: RefCell<HashSet<Socket>> = RefCell::default();
}

/// Gets what is published to the topic of its path, with `?binary=1` as bytes. A message `-` ends the subscription, any
/// other is answered with how many messages were lost.
#[derive(Default)]
pub struct Topic;

#[handler]
#[route("/topic/(.+)")]
impl WebSocketHandler for Topic {
    async fn open(&mut self, cx: &Context) -> Result {
        let (socket, topic) = (cx.socket(), cx.path_arg::<String>(0)?);
        match cx.get_query_argument_or("binary", "")?.as_str() {
            "" => socket.subscribe(&topic)?,
            _ => socket.subscribe_binary(&topic)?,
        }
        Ok(())
    }

    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        let socket = cx.socket();
        match message.text() {
            Some("-") => socket.unsubscribe(&cx.path_arg::<String>(0)?)?,
            _ => socket.write_message(socket.dropped()?.to_string()).await?,
        }
        Ok(())
    }
}

/// POST: publishes its body, `?times=N` of them with a number behind each, and says how many subscribe.
#[derive(Default)]
pub struct Publish;

#[handler]
#[route("/publish/(.+)")]
impl RequestHandler for Publish {
    async fn post(&mut self, cx: &Context) -> Result {
        let topic: String = cx.path_arg(0)?;
        let body = cx.request().body().await?;
        let times: u32 = cx.get_query_argument_or("times", "0")?.parse()?;
        for number in 0..times {
            let numbered = [body, number.to_string().as_bytes()].concat();
            pubsub::publish(&*topic, numbered).await?;
        }
        let count = match times {
            0 => pubsub::publish(&*topic, body).await?,
            _ => times,
        };
        cx.write(count.to_string())
    }
}

/// A socket that says its id, and then only listens. POST to the same path: writes the body to all that are open in this
/// instance, `?times=N` times, each for `?ms=N` at most, and answers with how many took it and how many are closed or slow.
#[derive(Default)]
pub struct Everyone;

#[handler]
#[route("/everyone")]
impl WebSocketHandler for Everyone {
    async fn open(&mut self, cx: &Context) -> Result {
        let socket = cx.socket();
        socket.write_message(socket.id().to_string()).await?;
        SOCKETS.with_borrow_mut(|sockets| sockets.insert(socket));
        Ok(())
    }

    async fn on_close(&mut self, cx: &Context) -> Result {
        SOCKETS.with_borrow_mut(|sockets| sockets.remove(&cx.socket()));
        Ok(())
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let text = String::from_utf8(cx.request().body().await?.to_vec())?;
        let times: u32 = cx.get_query_argument_or("times", "1")?.parse()?;
        let ms: u64 = cx.get_query_argument_or("ms", "10000")?.parse()?;
        let (mut sent, mut closed, mut slow) = (0, 0, 0);
        for socket in SOCKETS.with_borrow(HashSet::clone) {
            for _ in 0..times {
                let within = Duration::from_millis(ms);
                match with_timeout(within, socket.write_message(&*text)).await {
                    Ok(Ok(())) => sent += 1,
                    Ok(Err(error)) if error.is_closed() => closed += 1,
                    Ok(Err(error)) => return Err(error.into()),
                    Err(_) => slow += 1,
                }
            }
        }
        cx.write_json(&json!({ "sent": sent, "closed": closed, "slow": slow }))
    }
}

/// POST: writes the body to the socket with the id of the path, whichever instance has it; 404 where it is closed. DELETE
/// closes it.
#[derive(Default)]
pub struct One;

#[handler]
#[route("/socket/([0-9]+)")]
impl RequestHandler for One {
    async fn post(&mut self, cx: &Context) -> Result {
        let socket = Socket::with_id(cx.path_arg(0)?);
        let text = String::from_utf8(cx.request().body().await?.to_vec())?;
        match socket.write_message(text).await {
            Err(error) if error.is_closed() => bail!(HttpError::new(404)),
            sent => Ok(sent?),
        }
    }

    async fn delete(&mut self, cx: &Context) -> Result {
        let socket = Socket::with_id(cx.path_arg(0)?);
        Ok(socket.close(Some(4000), Some("by a request"))?)
    }
}
