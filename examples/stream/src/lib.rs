//! Streams both ways: a clock that a page listens to, and an upload whose progress it shows.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use waterspout_sdk::prelude::*;
use waterspout_sdk::web::Event;

#[derive(Default)]
struct Page;

#[handler]
#[route("/stream")]
impl RequestHandler for Page {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(include_str!("page.html"))
    }
}

/// The time, once a second.
#[derive(Default)]
struct Clock;

#[handler]
#[route("/stream/clock")]
impl RequestHandler for Clock {
    async fn get(&mut self, cx: &Context) -> Result {
        loop {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            // An error where the client is gone: that is how the loop ends.
            cx.send_event(Event::new(now.as_millis().to_string()))
                .await?;
            // A page whose stream ends connects again, to the next version.
            if with_timeout(Duration::from_secs(1), draining())
                .await
                .is_ok()
            {
                return Ok(());
            }
        }
    }
}

thread_local! {
    /// How many bytes of each upload are here, by the number that the page has given it.
    static UPLOADS: RefCell<BTreeMap<String, u64>> = RefCell::default();
}

#[derive(Default)]
struct Upload {
    number: String,
    bytes: u64,
}

#[handler]
#[route("/stream/upload")]
#[stream_request_body]
impl RequestHandler for Upload {
    async fn prepare(&mut self, cx: &Context) -> Result {
        self.number = cx.get_query_argument("number")?;
        Ok(())
    }

    async fn data_received(&mut self, _: &Context, chunk: Bytes) -> Result {
        self.bytes += chunk.len() as u64;
        let number = self.number.clone();
        UPLOADS.with_borrow_mut(|uploads| uploads.insert(number, self.bytes));
        Ok(())
    }

    async fn put(&mut self, cx: &Context) -> Result {
        cx.write(format!("{} bytes", self.bytes))
    }

    /// The client may be gone by then.
    fn on_finish(&mut self, _: &Context) -> Result {
        UPLOADS.with_borrow_mut(|uploads| uploads.remove(&self.number));
        Ok(())
    }
}

/// How an upload gets on, as long as it does.
#[derive(Default)]
struct Progress;

#[handler]
#[route("/stream/progress")]
impl RequestHandler for Progress {
    async fn get(&mut self, cx: &Context) -> Result {
        let number = cx.get_query_argument("number")?;
        loop {
            let bytes = UPLOADS.with_borrow(|uploads| uploads.get(&number).copied());
            let bytes = bytes.map_or("none".to_owned(), |bytes| bytes.to_string());
            cx.send_event(Event::new(bytes)).await?;
            let pause = Duration::from_millis(200);
            if with_timeout(pause, draining()).await.is_ok() {
                return Ok(());
            }
        }
    }
}

// What an upload notes, another request has to find.
export!(Page, Clock, Upload, Progress, single);
