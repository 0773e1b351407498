//! Publishes and subscribes as its query says, and answers with what it heard: the tests of `pubsub` read it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterspout_sdk::prelude::*;
use waterspout_sdk::pubsub::{self, Message, Subscription};

thread_local! {
    static WAITING: Cell<u32> = const { Cell::new(0) };
    static STOPS: Cell<bool> = const { Cell::new(false) };
    static KEPT: RefCell<Vec<Subscription>> = const { RefCell::new(Vec::new()) };
}

/// `?topic=T&message=M` or `&size=BYTES`, `&times=N`: how many heard of the last, or why none did.
#[derive(Default)]
struct Publish;

#[handler]
#[route("/publish")]
impl RequestHandler for Publish {
    async fn get(&mut self, cx: &Context) -> Result {
        let topic = cx.get_query_argument("topic")?;
        let size: usize = cx.get_query_argument_or("size", "0")?.parse()?;
        let times: u32 = cx.get_query_argument_or("times", "1")?.parse()?;
        let mut last = Ok(0);
        for number in 0..times {
            let message = match size {
                0 => format!("{}{number}", cx.get_query_argument("message")?).into_bytes(),
                size => vec![b'x'; size],
            };
            last = pubsub::publish(&*topic, message).await;
        }
        match last {
            Ok(count) => cx.write(count.to_string()),
            Err(error) => cx.write(error.to_string()),
        }
    }
}

/// `?topic=T&ms=N` publishes one message after the other and subscribes each time, for so long and until `?stop=yes`.
#[derive(Default)]
struct Busy;

#[handler]
#[route("/busy")]
impl RequestHandler for Busy {
    async fn get(&mut self, cx: &Context) -> Result {
        if !cx.get_query_argument_or("stop", "")?.is_empty() {
            STOPS.set(true);
            return cx.write("stopped");
        }
        let topic = cx.get_query_argument("topic")?;
        let ms: u64 = cx.get_query_argument("ms")?.parse()?;
        let end = Instant::now() + Duration::from_millis(ms);
        let mut published = 0;
        while Instant::now() < end || !STOPS.get() {
            pubsub::publish(&*topic, "m").await?;
            drop(pubsub::subscribe(&*topic).await?);
            published += 1;
        }
        cx.write(published.to_string())
    }
}

/// `?topic=T&capacity=C&count=N`: N messages, each with how many were dropped before it; with `&from=M` from the first on
/// that begins so.
#[derive(Default)]
struct Listen;

#[handler]
#[route("/listen")]
impl RequestHandler for Listen {
    async fn get(&mut self, cx: &Context) -> Result {
        let topic = cx.get_query_argument("topic")?;
        let count: usize = cx.get_query_argument_or("count", "1")?.parse()?;
        let mut subscription = match subscribe(cx, &topic).await? {
            Ok(subscription) => subscription,
            Err(error) => return cx.write(error.to_string()),
        };
        let _waiting = Waiting::begin();
        let mut heard = Vec::new();
        let from = cx.get_query_argument_or("from", "")?;
        while heard.len() < count {
            let message = subscription.next().await;
            if !heard.is_empty() || message.text()?.starts_with(&*from) {
                heard.push(shown(&message)?);
            }
        }
        cx.write_json(&heard)
    }
}

/// Hears of nothing before it has published itself: `?topic=T&capacity=C&times=N&count=M`, all of it in one request.
#[derive(Default)]
struct Lag;

#[handler]
#[route("/lag")]
impl RequestHandler for Lag {
    async fn get(&mut self, cx: &Context) -> Result {
        let topic = cx.get_query_argument("topic")?;
        let times: u32 = cx.get_query_argument("times")?.parse()?;
        let count: usize = cx.get_query_argument("count")?.parse()?;
        let size: usize = cx.get_query_argument_or("size", "1")?.parse()?;
        let mut subscription = subscribe(cx, &topic).await??;
        for number in 0..times {
            let mut message = number.to_string();
            message.push_str(&" ".repeat(size));
            pubsub::publish(&*topic, message).await?;
        }
        let mut heard = Vec::new();
        for _ in 0..count {
            heard.push(shown(&subscription.next().await)?);
        }
        cx.write_json(&json!({ "heard": heard, "dropped": subscription.dropped() }))
    }
}

/// `?topic=T&count=N` keeps N subscriptions more than it had, or says why not; `?count=0` drops all.
#[derive(Default)]
struct Keep;

#[handler]
#[route("/keep")]
impl RequestHandler for Keep {
    async fn get(&mut self, cx: &Context) -> Result {
        let count: usize = cx.get_query_argument("count")?.parse()?;
        if count == 0 {
            KEPT.take();
            return cx.write("none");
        }
        let topic = cx.get_query_argument("topic")?;
        for _ in 0..count {
            match subscribe(cx, &topic).await? {
                Ok(subscription) => KEPT.with_borrow_mut(|kept| kept.push(subscription)),
                Err(error) => return cx.write(error.to_string()),
            }
        }
        cx.write(KEPT.with_borrow(Vec::len).to_string())
    }
}

/// `?ms=N`: the next message of the subscription that was kept last, or `none` within that time. What it did not wait for
/// stays under way.
#[derive(Default)]
struct Late;

#[handler]
#[route("/late")]
impl RequestHandler for Late {
    async fn get(&mut self, cx: &Context) -> Result {
        let within = Duration::from_millis(cx.get_query_argument("ms")?.parse()?);
        let kept = KEPT.with_borrow_mut(Vec::pop);
        let mut subscription = kept.ok_or_else(|| anyhow!("none is kept"))?;
        let heard = with_timeout(within, subscription.next()).await;
        KEPT.with_borrow_mut(|kept| kept.push(subscription));
        match heard {
            Ok(message) => cx.write_json(&shown(&message)?),
            Err(_) => cx.write("none"),
        }
    }
}

/// `?topic=T&count=N`: subscribes and lets go so many times.
#[derive(Default)]
struct Burst;

#[handler]
#[route("/burst")]
impl RequestHandler for Burst {
    async fn get(&mut self, cx: &Context) -> Result {
        let topic = cx.get_query_argument("topic")?;
        let count: usize = cx.get_query_argument("count")?.parse()?;
        for _ in 0..count {
            let mut subscription = pubsub::subscribe(&*topic).await?;
            pubsub::publish(&*topic, "here").await?;
            subscription.next().await;
        }
        cx.write("done")
    }
}

/// `?topic=T&count=N`: N messages, for each of which it has stopped to wait, done something else and begun anew, again and
/// again.
#[derive(Default)]
struct Restless;

#[handler]
#[route("/restless")]
impl RequestHandler for Restless {
    async fn get(&mut self, cx: &Context) -> Result {
        let topic = cx.get_query_argument("topic")?;
        let count: usize = cx.get_query_argument("count")?.parse()?;
        let mut subscription = pubsub::subscribe_with(&*topic, 1024).await?;
        let _waiting = Waiting::begin();
        let mut heard = Vec::new();
        while heard.len() < count {
            match poll_fn(|task| Poll::Ready(pin!(subscription.next()).poll(task))).await {
                Poll::Ready(message) => heard.push(shown(&message)?),
                Poll::Pending => sleep(Duration::from_micros(50)).await,
            }
        }
        cx.write_json(&heard)
    }
}

/// How many requests wait in this instance.
#[derive(Default)]
struct Count;

#[handler]
#[route("/waiting")]
impl RequestHandler for Count {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write_json(&WAITING.get())
    }
}

async fn subscribe(cx: &Context, topic: &str) -> Result<Result<Subscription, pubsub::Error>> {
    let capacity: u32 = cx.get_query_argument_or("capacity", "100")?.parse()?;
    Ok(pubsub::subscribe_with(topic, capacity).await)
}

fn shown(message: &Message) -> Result<Value> {
    Ok(json!([message.text()?.trim_end(), message.dropped()]))
}

struct Waiting;

impl Waiting {
    fn begin() -> Self {
        WAITING.set(WAITING.get() + 1);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.set(WAITING.get() - 1);
    }
}

export!(
    Publish, Busy, Listen, Lag, Keep, Late, Burst, Restless, Count
);
