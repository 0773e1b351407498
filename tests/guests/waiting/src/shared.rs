//! What requests wait for together. Each of them is a `static`, one for all requests.

use std::cell::Cell;

use waterspout_sdk::locks::{Condition, Event, Lock};
use waterspout_sdk::prelude::*;
use waterspout_sdk::queues::Queue;

use crate::{Counted, milliseconds};

static EVENT: Event = Event::new();
static CONDITION: Condition = Condition::new();
static LOCK: Lock = Lock::new();
static RELEASED: Event = Event::new();
static ITEMS: Queue<String> = Queue::new(2);

thread_local! {
    pub static WAITING: Cell<u32> = const { Cell::new(0) };
    static HOLDING: Cell<u32> = const { Cell::new(0) };
    static MOST: Cell<u32> = const { Cell::new(0) };
}

/// GET: how many wait, how many hold the lock, how many held it at once at most, and how many items there are.
#[derive(Default)]
pub struct Counts;

#[handler]
#[route("/counts")]
impl RequestHandler for Counts {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write_json(&serde_json::json!({
            "waiting": WAITING.get(),
            "holding": HOLDING.get(),
            "most": MOST.get(),
            "items": ITEMS.qsize(),
        }))
    }
}

/// GET waits, POST sets, DELETE clears.
#[derive(Default)]
pub struct Events;

#[handler]
#[route("/event")]
impl RequestHandler for Events {
    async fn get(&mut self, cx: &Context) -> Result {
        let waiting = Counted::new(&WAITING);
        EVENT.wait().await;
        drop(waiting);
        cx.write("set")
    }

    async fn post(&mut self, _: &Context) -> Result {
        EVENT.set();
        Ok(())
    }

    async fn delete(&mut self, _: &Context) -> Result {
        EVENT.clear();
        Ok(())
    }
}

/// GET waits, for `?ms=N` at most where that is said. POST notifies `?n=N` or all.
#[derive(Default)]
pub struct Conditions;

#[handler]
#[route("/condition")]
impl RequestHandler for Conditions {
    async fn get(&mut self, cx: &Context) -> Result {
        let _waiting = Counted::new(&WAITING);
        match cx.get_query_arguments("ms")?.is_empty() {
            true => CONDITION.wait().await,
            false => with_timeout(milliseconds(cx)?, CONDITION.wait()).await?,
        }
        cx.write("notified")
    }

    async fn post(&mut self, cx: &Context) -> Result {
        match &*cx.get_query_argument_or("n", "all")? {
            "all" => CONDITION.notify_all(),
            n => CONDITION.notify(n.parse()?),
        }
        Ok(())
    }
}

/// GET takes the lock, and holds it until the next POST; `?hold=no` lets go at once.
#[derive(Default)]
pub struct Locks;

#[handler]
#[route("/lock")]
impl RequestHandler for Locks {
    async fn get(&mut self, cx: &Context) -> Result {
        let waiting = Counted::new(&WAITING);
        let _held = LOCK.acquire().await;
        drop(waiting);
        let _holding = Counted::new(&HOLDING);
        MOST.set(MOST.get().max(HOLDING.get()));
        if cx.get_query_argument_or("hold", "yes")? == "yes" {
            RELEASED.wait().await;
        }
        cx.write("held")
    }

    async fn post(&mut self, _: &Context) -> Result {
        RELEASED.set();
        RELEASED.clear();
        Ok(())
    }
}

/// POST puts its body, GET gets one, DELETE says that one is done. They wait for `?ms=N` at most where that is said,
/// and not at all where it is 0.
#[derive(Default)]
pub struct Items;

#[handler]
#[route("/items")]
impl RequestHandler for Items {
    async fn get(&mut self, cx: &Context) -> Result {
        let _waiting = Counted::new(&WAITING);
        let item = match &*cx.get_query_argument_or("ms", "")? {
            "" => ITEMS.get().await,
            "0" => ITEMS.get_nowait()?,
            _ => with_timeout(milliseconds(cx)?, ITEMS.get()).await?,
        };
        cx.write(item)
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let item = cx.request().body().await?;
        let item = String::from_utf8(item.to_vec())?;
        let _waiting = Counted::new(&WAITING);
        match &*cx.get_query_argument_or("ms", "")? {
            "" => ITEMS.put(item).await,
            "0" => ITEMS.put_nowait(item)?,
            _ => with_timeout(milliseconds(cx)?, ITEMS.put(item)).await?,
        }
        Ok(())
    }

    async fn delete(&mut self, _: &Context) -> Result {
        ITEMS.task_done()
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        let error = failure.error().map(ToString::to_string);
        cx.write(error.unwrap_or_default())
    }
}

/// GET waits until all items are done.
#[derive(Default)]
pub struct Joins;

#[handler]
#[route("/join")]
impl RequestHandler for Joins {
    async fn get(&mut self, cx: &Context) -> Result {
        let _waiting = Counted::new(&WAITING);
        ITEMS.join().await;
        cx.write("all done")
    }
}
