//! A response that is sent as it is made: while one chunk goes out, the next is on its way.

use std::time::Duration;

use futures_util::future::join;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Interleave {
    chunks: u32,
}

#[handler]
impl RequestHandler for Interleave {
    async fn get(&mut self, cx: &Context) -> Result {
        let mut chunk = self.fetch_next_chunk().await;
        while let Some(text) = chunk {
            cx.write(text)?;
            let (next, flushed) = join(self.fetch_next_chunk(), cx.flush()).await;
            flushed?;
            chunk = next;
        }
        Ok(())
    }
}

impl Interleave {
    /// Something that takes its time.
    async fn fetch_next_chunk(&mut self) -> Option<String> {
        sleep(Duration::from_millis(100)).await;
        self.chunks += 1;
        (self.chunks <= 3).then(|| format!("chunk {}\n", self.chunks))
    }
}

export!(Interleave);
