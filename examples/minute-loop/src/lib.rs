//! Two loops that run for ever, each once in the whole app, and a page that shows when they did. Tornado's two ways to
//! do something every minute: the one takes a minute and its work, the other a minute.
//!
//! Both begin with the first `GET`, and after a swap with the first one then: how long a period is stands in the
//! route's `kwargs`, which handlers know and `start` does not. A loop that is to run without a visitor begins in `start`.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use futures_util::future::join;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct MinuteLoop {
    period: Duration,
    work: Duration,
}

#[handler]
impl RequestHandler for MinuteLoop {
    fn initialize(&mut self, _: &Context, kwargs: Kwargs) -> Result {
        self.period = Duration::from_secs_f64(kwargs.get("period")?);
        self.work = Duration::from_secs_f64(kwargs.get("work")?);
        Ok(())
    }

    async fn get(&mut self, cx: &Context) -> Result {
        if !BEGUN.replace(true) {
            spawn_loop("minute", minute_loop(self.period, self.work))?;
            spawn_loop("exact minute", exact_minute_loop(self.period, self.work))?;
        }
        let loops = [("minute", &MINUTES), ("exact minute", &EXACT_MINUTES)];
        let beats = loops.map(|(name, beats)| {
            let beats = beats.with_borrow(|beats| beats.join(" "));
            format!("<p>{name}: {beats}</p>")
        });
        cx.write(include_str!("page.html").replace("<!-- beats -->", &beats.concat()))
    }
}

/// Sleeps after the work.
async fn minute_loop(period: Duration, work: Duration) -> Result {
    let begin = Instant::now();
    loop {
        execute(&MINUTES, begin, work).await;
        sleep(period).await;
    }
}

/// Sleeps while it works.
async fn exact_minute_loop(period: Duration, work: Duration) -> Result {
    let begin = Instant::now();
    loop {
        join(execute(&EXACT_MINUTES, begin, work), sleep(period)).await;
    }
}

type Beats = std::thread::LocalKey<RefCell<Vec<String>>>;

thread_local! {
    static BEGUN: Cell<bool> = const { Cell::new(false) };
    /// The last beats of each, in milliseconds.
    static MINUTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static EXACT_MINUTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

async fn execute(beats: &'static Beats, begin: Instant, work: Duration) {
    beats.with_borrow_mut(|beats| {
        beats.push(begin.elapsed().as_millis().to_string());
        let old = beats.len().saturating_sub(10);
        beats.drain(..old);
    });
    sleep(work).await;
}

// One instance, so that who looks at the page sees the loops that run.
export!(MinuteLoop, single);
