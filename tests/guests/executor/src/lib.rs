//! Has functions called in other instances: `/call?what=NAME&n=N` answers with the result or the error of one. Tests of
//! `executor` see what becomes of each; `/call?what=inline` computes here.

use std::cell::Cell;
use std::time::Duration;

use waterspout_sdk::prelude::*;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

#[derive(Default)]
struct Call;

#[handler]
#[route("/call")]
impl RequestHandler for Call {
    async fn get(&mut self, cx: &Context) -> Result {
        let n: u64 = cx.get_query_argument_or("n", "0")?.parse()?;
        let result = match cx.get_query_argument("what")?.as_str() {
            "inline" => compute(n),
            "compute" => run_in_executor(compute, &n).await,
            "pause" => run_in_executor(pause, &n).await,
            "count" => run_in_executor(count, &()).await.map(u64::from),
            "fail" => run_in_executor(fail, &(n, "x".to_owned())).await,
            "trap" => run_in_executor(trap, &n).await,
            "spin" => run_in_executor(spin, &()).await,
            "nested" => run_in_executor(nested, &n).await,
            "large" => run_in_executor(large, &"x".repeat(n as usize)).await,
            "spawns" => run_in_executor(spawns, &()).await,
            "namesake" => run_in_executor(other::compute, &n).await,
            "unknown" => run_in_executor(unknown, &n).await,
            "closure" => run_in_executor(|n: u64| Ok(n), &n).await,
            other => bail!("what is {other}?"),
        };
        match result {
            Ok(result) => cx.write(result.to_string()),
            Err(error) => cx.write(format!("error: {error:#}")),
        }
    }
}

/// Takes about `ms` milliseconds of a core.
fn compute(ms: u64) -> Result<u64> {
    let end = std::time::Instant::now() + Duration::from_millis(ms);
    let mut turns = 0_u64;
    while std::time::Instant::now() < end {
        turns = std::hint::black_box(turns + 1);
    }
    Ok(ms)
}

mod other {
    pub fn compute(_: u64) -> super::Result<u64> {
        Ok(0)
    }
}

async fn pause(ms: u64) -> Result<u64> {
    log::info!("it pauses");
    sleep(Duration::from_millis(ms)).await;
    Ok(ms)
}

/// The length of what it is given.
fn large(text: String) -> Result<u64> {
    Ok(text.len() as u64)
}

/// How often this instance was called so.
fn count((): ()) -> Result<u32> {
    CALLS.set(CALLS.get() + 1);
    Ok(CALLS.get())
}

fn fail((n, text): (u64, String)) -> Result<u64> {
    bail!("{text} failed {n} times")
}

fn trap(n: u64) -> Result<u64> {
    panic!("it panicked at {n}")
}

fn spin((): ()) -> Result<u64> {
    log::info!("it spins");
    loop {
        std::hint::black_box(());
    }
}

async fn nested(n: u64) -> Result<u64> {
    run_in_executor(compute, &n).await
}

fn spawns((): ()) -> Result<u64> {
    spawn(async { Ok(()) }).map(|()| 0)
}

fn unknown(n: u64) -> Result<u64> {
    Ok(n)
}

/// What instances that are only called take, and leave to others.
async fn start() -> Result {
    const HOUR: Duration = Duration::from_secs(3600);
    spawn(async {
        log::info!("it was spawned by `start`");
        Ok(())
    })?;
    PeriodicCallback::new(HOUR, || async { Ok(()) }).start()
}

export!(
    Call,
    start = start,
    functions = [
        compute, pause, count, fail, trap, spin, nested, large, spawns
    ]
);
