//! The workload `headers`: three of the request's headers are read, and written one on a line.

use waterspout_sdk::prelude::*;

const NAMES: [&str; 3] = ["user-agent", "accept-language", "x-request-id"];

#[derive(Default)]
struct Headers;

#[handler]
impl RequestHandler for Headers {
    async fn get(&mut self, cx: &Context) -> Result {
        for name in NAMES {
            let value = cx.request().header(name);
            cx.write(value.with_context(|| format!("no {name}"))?)?;
            cx.write("\n")?;
        }
        Ok(())
    }
}

export!(Headers);
