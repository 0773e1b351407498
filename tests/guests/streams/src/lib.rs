//! Makes its response as its query says, step by step: `/script?do=write:one,flush,gate,write:two`. Tests of `response`
//! see what arrives, and when.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use serde_json::json;
use waterspout_sdk::prelude::*;
use waterspout_sdk::web::Event;

thread_local! {
    /// How many may still pass the gate, and who waits there.
    static GATE: RefCell<(u32, Vec<Waker>)> = RefCell::default();
    static COUNTS: Cell<Counts> = Cell::default();
}

#[derive(Clone, Copy, Default)]
struct Counts {
    flushed: u64,
    closed: u32,
    finished: u32,
    pages: u32,
}

fn count(change: impl FnOnce(&mut Counts)) {
    let mut counts = COUNTS.get();
    change(&mut counts);
    COUNTS.set(counts);
}

/// Waits for a request to `/open`.
async fn gate() {
    poll_fn(|task| {
        GATE.with_borrow_mut(|(open, waiting)| match open.checked_sub(1) {
            Some(left) => {
                *open = left;
                Poll::Ready(())
            }
            None => {
                waiting.push(task.waker().clone());
                Poll::Pending
            }
        })
    })
    .await;
}

#[derive(Default)]
struct Script;

#[handler]
#[route("/script")]
impl RequestHandler for Script {
    async fn prepare(&mut self, cx: &Context) -> Result {
        run(cx, &cx.get_query_argument_or("prepare", "")?).await
    }

    async fn get(&mut self, cx: &Context) -> Result {
        run(cx, &cx.get_query_argument_or("do", "")?).await
    }

    async fn head(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn post(&mut self, cx: &Context) -> Result {
        self.get(cx).await
    }

    async fn write_error(&mut self, cx: &Context, failure: &Failure) -> Result {
        count(|counts| counts.pages += 1);
        run(cx, &cx.get_query_argument_or("page", "")?).await?;
        cx.write(format!("page of {}", failure.status()))
    }

    async fn on_connection_close(&mut self, _: &Context) -> Result {
        count(|counts| counts.closed += 1);
        Ok(())
    }

    fn on_finish(&mut self, cx: &Context) -> Result {
        count(|counts| counts.finished += 1);
        log::info!("finished with {}", cx.get_status());
        Ok(())
    }
}

async fn run(cx: &Context, steps: &str) -> Result {
    for step in steps.split(',').filter(|step| !step.is_empty()) {
        let (name, rest) = step.split_once(':').unwrap_or((step, ""));
        let (first, second) = rest.split_once(':').unwrap_or((rest, ""));
        match name {
            "write" => cx.write(rest)?,
            "json" => cx.write_json(rest)?,
            "flush" => cx.flush().await?,
            "gate" => gate().await,
            "status" => cx.set_status(rest.parse()?),
            "header" => cx.set_header(first, second)?,
            "trailer" => cx.set_trailer(first, second)?,
            "cookie" => cx.set_cookie((first, second))?,
            "redirect" => cx.redirect(rest)?,
            "clear" => cx.clear(),
            "finish" => cx.finish()?,
            "fail" => bail!("a plain error"),
            "error" => bail!(HttpError::new(rest.parse()?)),
            "send_error" => cx.send_error(rest.parse::<u16>()?)?,
            "panic" => panic!("as it was told to"),
            "spin" => loop {
                std::hint::black_box(cx.get_status());
            },
            "sleep" => sleep(Duration::from_millis(rest.parse()?)).await,
            // So many bytes at once.
            "bytes" => cx.write(vec![b'x'; rest.parse()?])?,
            // So many MiB, one after the other.
            "stream" => stream(cx, rest.parse()?).await?,
            // As many as are taken.
            "flood" => stream(cx, u64::MAX).await?,
            // Two flushes side by side, of which neither waits for the client.
            "both" => both(cx).await?,
            // A flush that is given up while it waits.
            "give_up" => give_up(cx).await?,
            "event" => {
                let event = Event::new(first.replace('|', "\n")).with_id(second);
                cx.send_event(event.with_name("tick")).await?;
            }
            "seen" => cx.write(format!("{:?}", cx.last_event_id()))?,
            other => bail!("there is no step {other:?}"),
        }
    }
    Ok(())
}

async fn stream(cx: &Context, mebibytes: u64) -> Result {
    for _ in 0..mebibytes {
        cx.write(vec![b'x'; 1 << 20])?;
        cx.flush().await?;
        count(|counts| counts.flushed += 1);
    }
    Ok(())
}

async fn both(cx: &Context) -> Result {
    cx.write("one ")?;
    let mut first = pin!(cx.flush());
    let mut second = pin!(async {
        cx.write("two ")?;
        cx.flush().await
    });
    let (mut one, mut two) = (None, None);
    poll_fn(|task| {
        if one.is_none()
            && let Poll::Ready(done) = first.as_mut().poll(task)
        {
            one = Some(done);
        }
        if two.is_none()
            && let Poll::Ready(done) = second.as_mut().poll(task)
        {
            two = Some(done);
        }
        match one.is_some() && two.is_some() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    one.unwrap_or(Ok(()))?;
    two.unwrap_or(Ok(()))
}

/// Flushes until one waits, and lets go of that.
async fn give_up(cx: &Context) -> Result {
    loop {
        cx.write(vec![b'x'; 1 << 20])?;
        let mut flush = pin!(cx.flush());
        let polled = poll_fn(|task| Poll::Ready(flush.as_mut().poll(task))).await;
        if let Poll::Ready(done) = polled {
            done?;
            continue;
        }
        let late = pin!(sleep(Duration::from_millis(200)));
        if first_of(flush, late).await {
            continue;
        }
        break;
    }
    cx.write("more")?;
    let after = cx.flush().await;
    log::info!("after giving up: {}", after.unwrap_err());
    Ok(())
}

/// Whether the first was ready first.
async fn first_of<A: Future + Unpin, B: Future + Unpin>(mut first: A, mut second: B) -> bool {
    poll_fn(|task| {
        if pin!(&mut first).poll(task).is_ready() {
            return Poll::Ready(true);
        }
        pin!(&mut second).poll(task).map(|_| false)
    })
    .await
}

#[derive(Default)]
struct Open;

#[handler]
#[route("/open")]
impl RequestHandler for Open {
    async fn get(&mut self, _: &Context) -> Result {
        let waiting = GATE.with_borrow_mut(|(open, waiting)| {
            *open += 1;
            std::mem::take(waiting)
        });
        waiting.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

#[derive(Default)]
struct Shown;

#[handler]
#[route("/counts")]
impl RequestHandler for Shown {
    async fn get(&mut self, cx: &Context) -> Result {
        let Counts {
            flushed,
            closed,
            finished,
            pages,
        } = COUNTS.get();
        cx.write_json(&json!({
            "flushed": flushed, "closed": closed, "finished": finished, "pages": pages,
        }))
    }
}

export!(Script, Open, Shown);
