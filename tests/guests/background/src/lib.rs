//! Has all kinds of work in the background. Tests of `background` begin it at `/do?WHAT` and read at `/counts` and in
//! the log what becomes of it; its loop says there when it begins, beats and ends.

use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};

use waterspout_sdk::gen_::moment;
use waterspout_sdk::kv;
use waterspout_sdk::prelude::*;

thread_local! {
    static BEGUN: Cell<u32> = const { Cell::new(0) };
    static DONE: Cell<u32> = const { Cell::new(0) };
    static DROPPED: Cell<u32> = const { Cell::new(0) };
    static RUNS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Do;

#[handler]
#[route("/do")]
impl RequestHandler for Do {
    async fn get(&mut self, cx: &Context) -> Result {
        let ms: u64 = cx.get_query_argument_or("ms", "0")?.parse()?;
        let ms = Duration::from_millis(ms);
        match cx.get_query_argument("what")?.as_str() {
            "work" => spawn(work(ms))?,
            "fail" => spawn(async { bail!("it failed in the background") })?,
            "trap" => spawn(async { panic!("it panicked in the background") })?,
            "spin" => spawn(async {
                loop {
                    std::hint::black_box(());
                }
            })?,
            "trap-loop" => drop(kv::open("loop")?.set("traps", "").await?),
            "later" => {
                let other = call_later(ms, note("never"))?;
                call_later(ms, note("later"))?;
                call_at(SystemTime::now(), note("now"))?;
                other.cancel();
            }
            "periodic" => PeriodicCallback::new(ms, || async {
                BEGUN.set(BEGUN.get() + 1);
                // Two and a half times as long as the period.
                sleep(Duration::from_millis(250)).await;
                DONE.set(DONE.get() + 1);
                bail!("a periodic run failed")
            })
            .start()?,
            "toggle" => {
                let callback = PeriodicCallback::new(ms, || async { Ok(()) });
                for _ in 0..100 {
                    callback.start()?;
                    sleep(Duration::from_millis(2)).await;
                    callback.stop();
                    sleep(Duration::from_millis(2)).await;
                }
            }
            // As long as anything can take: none of it happens, and nothing comes to harm.
            "forever" => {
                let longest = Duration::MAX;
                for jitter in [0.0, 1.0, f64::NAN] {
                    PeriodicCallback::new(longest, || note("periodic"))
                        .with_jitter(jitter)
                        .start()?;
                }
                call_later(longest, note("later"))?;
                if let Some(end) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1 << 62))
                {
                    call_at(end, note("at"))?;
                }
                spawn(async move {
                    sleep(longest).await;
                    Ok(())
                })?;
                with_timeout(longest, moment()).await?;
                kv::open("times")?.set_with_ttl("x", "", longest).await?;
                cx.request().set_body_timeout(longest);
                ensure!(with_timeout(ms, sleep(longest)).await.is_err());
                ensure!(kv::open("times")?.exists("x").await?, "it is kept");
            }
            "stop" => {
                let callback = PeriodicCallback::new(ms, || work(Duration::from_millis(200)));
                callback.start()?;
                while BEGUN.get() == 0 {
                    sleep(Duration::from_millis(1)).await;
                }
                callback.stop();
            }
            "drain" => {
                cx.draining().await;
                return cx.write("drained");
            }
            // One after the other, until there is an error.
            "late" => {
                cx.draining().await;
                let mut begun = 0;
                let late = || async {
                    log::info!("the late work runs");
                    Ok(())
                };
                let error = loop {
                    match spawn(late()) {
                        Ok(()) => begun += 1,
                        Err(error) => break error,
                    }
                    sleep(ms).await;
                };
                return cx.write(format!("{begun} begun, then: {error:#}"));
            }
            "wait" => sleep(ms).await,
            other => bail!("what is {other}?"),
        }
        cx.write("begun")
    }
}

async fn work(ms: Duration) -> Result {
    BEGUN.set(BEGUN.get() + 1);
    let dropped = OnDrop(|| DROPPED.set(DROPPED.get() + 1));
    sleep(ms).await;
    std::mem::forget(dropped);
    DONE.set(DONE.get() + 1);
    log::info!("the work is done");
    Ok(())
}

async fn note(what: &'static str) -> Result {
    RUNS.with_borrow_mut(|runs| runs.push(what));
    Ok(())
}

#[derive(Default)]
struct Counts;

#[handler]
#[route("/counts")]
impl RequestHandler for Counts {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write_json(&serde_json::json!({
            "begun": BEGUN.get(), "done": DONE.get(), "dropped": DROPPED.get(), "runs": RUNS.with_borrow(Vec::clone),
        }))
    }
}

async fn start() -> Result {
    if std::env::var_os("LOOP").is_some() {
        spawn_loop("beat", beat())?;
    }
    Ok(())
}

async fn beat() -> Result {
    log::info!("loop: begins");
    let _end = OnDrop(|| log::info!("loop: ends"));
    // Whichever instance is asked, the one that has the loop hears of it.
    let told = kv::open("loop")?;
    loop {
        sleep(Duration::from_millis(10)).await;
        if told.delete("traps").await? {
            log::info!("loop: ends");
            panic!("it panicked in a loop");
        }
        DONE.set(DONE.get() + 1);
    }
}

struct OnDrop(fn());

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

async fn stop() -> Result {
    log::info!("stopped");
    Ok(())
}

export!(Do, Counts, start = start, stop = stop);
