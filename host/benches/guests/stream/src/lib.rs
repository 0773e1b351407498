//! The workload `stream`: 1 MB in pieces, each of which is made, written and flushed.

use waterspout_sdk::prelude::*;

const PIECE: usize = 65_536;
const PIECES: usize = 16;

#[derive(Default)]
struct Stream;

#[handler]
impl RequestHandler for Stream {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("Content-Length", PIECE * PIECES)?;
        for _ in 0..PIECES {
            cx.write(vec![b'x'; PIECE])?;
            cx.flush().await?;
        }
        Ok(())
    }
}

export!(Stream);
