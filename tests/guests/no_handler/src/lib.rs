//! Exports `work` and no handler: a schedule counts its runs in the bucket `counts`. A test of `contract` sees it run, and
//! that no route leads to it.

use raw::waterspout::kv::kv;
use raw::work::{Description, Guest, Schedule, Timing};

const FUNCTION: &str = "count";

struct NoHandler;

raw::work::export!(NoHandler with_types_in raw::work);

impl Guest for NoHandler {
    async fn describe() -> Description {
        let schedule = Schedule {
            name: "often".to_owned(),
            timing: Timing::Every(100_000_000),
            function: FUNCTION.to_owned(),
            arguments: None,
            jitter: None,
            time_zone: None,
        };
        Description {
            functions: vec![FUNCTION.to_owned()],
            schedules: vec![schedule],
        }
    }

    /// The new count.
    async fn call(name: String, arguments: Vec<u8>) -> Result<Vec<u8>, String> {
        if (&*name, &*arguments) != (FUNCTION, b"null") {
            let arguments = String::from_utf8_lossy(&arguments);
            return Err(format!("called as `{name}` with `{arguments}`"));
        }
        let told = |error: kv::Error| format!("{error:?}");
        let bucket = kv::open("counts").map_err(told)?;
        let count = bucket.increment("ran".to_owned(), 1).await.map_err(told)?;
        Ok(count.to_string().into_bytes())
    }

    async fn run(_: u64) -> Result<(), String> {
        unreachable!()
    }

    async fn cancel(_: u64) {
        unreachable!()
    }
}
