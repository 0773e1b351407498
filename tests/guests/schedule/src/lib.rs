//! Has functions for schedules, each of which logs when it begins and ends. Tests of `schedule` read there that no two
//! runs are under way concurrently.

use std::time::Duration;

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Schedule;

#[handler]
impl RequestHandler for Schedule {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write("schedule")
    }
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Job {
    name: String,
    ms: u64,
}

async fn job(job: Job) -> Result {
    log::info!("{}: begins", job.name);
    sleep(Duration::from_millis(job.ms)).await;
    log::info!("{}: ends", job.name);
    Ok(())
}

fn fail((): ()) -> Result {
    bail!("it failed on time")
}

async fn start() -> Result {
    const HOUR: Duration = Duration::from_secs(3600);
    PeriodicCallback::new(HOUR, || async { Ok(()) }).start()
}

export!(
    Schedule,
    start = start,
    functions = [job, fail],
    schedules = [
        every("50ms", job, name = "declared", arguments = { "name": "declared", "ms": 1 }),
        cron("* * * * * *", fail, time_zone = "UTC"),
    ],
);
