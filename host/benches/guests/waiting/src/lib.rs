//! Clients that wait for news: `/waiting/poll` answers when there are some, `/waiting/events` tells of all in one
//! response, `/waiting/publish` makes some, `/waiting/count` says how many wait.

use std::cell::Cell;

use waterspout_sdk::locks::Condition;
use waterspout_sdk::prelude::*;

static NEWS: Condition = Condition::new();

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

#[derive(Default)]
struct Waiting;

#[handler]
impl RequestHandler for Waiting {
    async fn get(&mut self, cx: &Context) -> Result {
        match &*cx.path_arg::<String>(0)? {
            "poll" => {
                news().await;
                cx.write("news")
            }
            "events" => {
                cx.set_header("Content-Type", "text/event-stream")?;
                cx.flush().await?;
                loop {
                    news().await;
                    cx.write("data: news\n\n")?;
                    cx.flush().await?;
                }
            }
            "publish" => {
                NEWS.notify_all();
                cx.write("published")
            }
            _ => cx.write(COUNT.get().to_string()),
        }
    }
}

async fn news() {
    COUNT.set(COUNT.get() + 1);
    let _counted = Counted;
    NEWS.wait().await;
}

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        COUNT.set(COUNT.get() - 1);
    }
}

export!(Waiting, single);
