//! Has the host keep or copy as much as it does, in one way or another. `tests/host_memory.rs` sees the limits hold.

use std::cell::RefCell;
use std::task::Waker;

use wasip3::http::types::{Fields, Request};
use waterspout_sdk::prelude::*;
use waterspout_sdk::{kv, pubsub};

const MB: usize = 1 << 20;

thread_local! {
    static KEPT: RefCell<Vec<Fields>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Hoard;

#[handler]
impl RequestHandler for Hoard {
    async fn get(&mut self, cx: &Context) -> Result {
        match &*cx.get_query_argument("what")? {
            "fields" => loop {
                let fields = Fields::new();
                fields.append("x-long", &[b'a'; 60_000])?;
                KEPT.with_borrow_mut(|kept| kept.push(fields));
            },
            "files" => loop {
                std::mem::forget(std::fs::File::open("data/file")?);
            },
            "buckets" => {
                for number in 0.. {
                    let bucket = kv::open(&format!("bucket{number}"))?;
                    if bucket.set("key", "value").await.is_err() {
                        return cx.write(number.to_string());
                    }
                }
                Ok(())
            }
            "requests" => loop {
                let (_, trailers) = wasip3::wit_future::new(|| Ok(None));
                let (request, sent) = Request::new(Fields::new(), None, trailers, None);
                request
                    .set_path_with_query(Some(&"/a".repeat(25_000)))
                    .map_err(|()| HttpError::new(500))?;
                std::mem::forget((request, sent));
            },
            "publish" => {
                let topic = "t".repeat(20 * MB);
                for _ in 0..10 {
                    let mut publishing = Box::pin(pubsub::publish(&topic, "x"));
                    let mut nobody = std::task::Context::from_waker(Waker::noop());
                    let _ = publishing.as_mut().poll(&mut nobody);
                    // Neither waited for nor cancelled.
                    std::mem::forget(publishing);
                }
                cx.write("published")
            }
            "large" => cx.write("a".repeat(4 * MB)),
            "random" => {
                let bytes = wasip3::random::insecure::get_insecure_random_bytes(60 << 20);
                cx.write(bytes.len().to_string())
            }
            "trailers" => {
                cx.set_header("Trailer", "x-long")?;
                cx.write("begun")?;
                cx.flush().await?;
                cx.set_trailer("X-Long", "a".repeat(25 * MB))
            }
            "headers" => cx.set_header("X-Long", "a".repeat(20 * MB)),
            "message" => Err(HttpError::new(500).with_message("a".repeat(20 * MB)).into()),
            other => cx.write(format!("no such way: {other}")),
        }
    }
}

export!(Hoard);
