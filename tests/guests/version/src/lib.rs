//! Answers with its version, in the body and in `X-Version`, after `?ms=N`; with `?static=PATH` the URL of a static file
//! follows. Tests of hot swap patch the 32 bytes of `VERSION` in the file, and see that no answer is late, lost or mixed.

use std::hint::black_box;
use std::time::Duration;

use waterspout_sdk::prelude::*;

/// `GUEST_VERSION=`, the version, dots up to 32 bytes.
static VERSION: [u8; 32] = *b"GUEST_VERSION=v1................";

#[derive(Default)]
struct Version;

#[handler]
impl RequestHandler for Version {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Version", version()?)?;
        let ms: u64 = cx.get_query_argument_or("ms", "0")?.parse()?;
        if ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
        match cx.get_query_argument_or("static", "")? {
            path if path.is_empty() => cx.write(version()?),
            path => cx.write(format!("{} {}", version()?, cx.static_url(&path)?)),
        }
    }

    /// Answers when the last byte of the body has come, and so lasts as long as a test wants it to.
    async fn post(&mut self, cx: &Context) -> Result {
        cx.set_header("X-Version", version()?)?;
        cx.request().body().await?;
        cx.write(version()?)
    }
}

fn version() -> Result<&'static str> {
    let marker = std::str::from_utf8(black_box(&VERSION))?;
    Ok(marker
        .trim_start_matches("GUEST_VERSION=")
        .trim_end_matches('.'))
}

export!(Version);
