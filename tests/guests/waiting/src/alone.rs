//! What a request waits for by itself. `?ms=N` is how long a wait is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use waterspout_sdk::gen_::{WaitIterator, interleave, moment};
use waterspout_sdk::prelude::*;

use crate::shared::WAITING;
use crate::{Counted, milliseconds};

/// Waits so long, and tells which it was.
async fn wait(which: u32, ms: u64) -> Result<u32> {
    sleep(Duration::from_millis(ms)).await;
    Ok(which)
}

/// GET: waits as often as `?times=N` says, one after the other, and answers with the milliseconds that it took.
#[derive(Default)]
pub struct Sleeps;

#[handler]
#[route("/sleeps")]
impl RequestHandler for Sleeps {
    async fn get(&mut self, cx: &Context) -> Result {
        let begun = Instant::now();
        let _waiting = Counted::new(&WAITING);
        for _ in 0..times(cx)? {
            sleep(milliseconds(cx)?).await;
        }
        cx.write(begun.elapsed().as_millis().to_string())
    }
}

/// GET: the same all at once, as `?of=list` or `?of=map`. `?fails=N` has one of them fail.
#[derive(Default)]
pub struct Multi;

#[handler]
#[route("/multi")]
impl RequestHandler for Multi {
    async fn get(&mut self, cx: &Context) -> Result {
        let fails: u32 = cx.get_query_argument_or("fails", "1000")?.parse()?;
        let (begun, each) = (Instant::now(), milliseconds(cx)?);
        let child = async |number| {
            ensure!(number != fails, HttpError::new(502));
            sleep(each).await;
            Result::<u32>::Ok(number)
        };
        let numbers = 0..times(cx)?;
        let sum: u32 = match &*cx.get_query_argument("of")? {
            "list" => multi(numbers.map(child).collect::<Vec<_>>())
                .await?
                .iter()
                .sum(),
            _ => {
                let children: BTreeMap<_, _> =
                    numbers.map(|number| (number, child(number))).collect();
                let results = multi(children).await?;
                ensure!(results.iter().all(|(key, result)| key == result));
                results.values().sum()
            }
        };
        cx.write_json(&(begun.elapsed().as_millis() as u64, sum))
    }
}

fn times(cx: &Context) -> Result<u32> {
    Ok(cx.get_query_argument_or("times", "2")?.parse()?)
}

/// GET: what came, in the order in which it came.
#[derive(Default)]
pub struct Turns;

#[handler]
#[route("/turns")]
impl RequestHandler for Turns {
    async fn get(&mut self, cx: &Context) -> Result {
        let mut waits = WaitIterator::new([wait(0, 300), wait(1, 1), wait(2, 150)]);
        let mut order = Vec::new();
        while let Some((index, which)) = waits.next().await {
            ensure!(which? == index as u32);
            order.push(index);
        }
        ensure!(waits.done());
        cx.write_json(&order)
    }
}

/// GET: waits for `?ms=N`, for a tenth of a second at most.
#[derive(Default)]
pub struct Late;

#[handler]
#[route("/late")]
impl RequestHandler for Late {
    async fn get(&mut self, cx: &Context) -> Result {
        let slept = with_timeout(Duration::from_millis(100), sleep(milliseconds(cx)?)).await;
        cx.write(match slept {
            Ok(()) => "in time".to_owned(),
            Err(error) => error.to_string(),
        })
    }
}

/// GET: starts two steps of work that borrow from it, waits for something else, and then for the work; with what was
/// done by then.
#[derive(Default)]
pub struct Ahead {
    steps: Cell<u32>,
}

#[handler]
#[route("/ahead")]
impl RequestHandler for Ahead {
    async fn get(&mut self, cx: &Context) -> Result {
        let (before, after, done) = interleave(async |tasks| {
            let started = tasks.start(self.work(cx));
            let before = self.steps.get();
            sleep(Duration::from_millis(300)).await;
            (before, self.steps.get(), started.await)
        })
        .await;
        cx.write(format!("{} {before} {after}", done?))
    }
}

impl Ahead {
    async fn work(&self, cx: &Context) -> Result<&str> {
        for _ in 0..2 {
            sleep(Duration::from_millis(1)).await;
            self.steps.set(self.steps.get() + 1);
        }
        cx.write("work ")?;
        Ok("done")
    }
}

thread_local! {
    static STOP: Cell<bool> = const { Cell::new(false) };
    static BEGUN: Cell<bool> = const { Cell::new(false) };
}

/// GET: goes on, a moment at a time, until there is a POST. PUT: whether a GET has begun.
#[derive(Default)]
pub struct Moments;

#[handler]
#[route("/moments")]
impl RequestHandler for Moments {
    async fn get(&mut self, cx: &Context) -> Result {
        BEGUN.set(true);
        let mut moments = 0_u64;
        while !STOP.get() {
            moments += 1;
            moment().await;
        }
        cx.write_json(&moments)
    }

    async fn post(&mut self, _: &Context) -> Result {
        STOP.set(true);
        Ok(())
    }

    async fn put(&mut self, cx: &Context) -> Result {
        cx.write_json(&BEGUN.get())
    }
}
