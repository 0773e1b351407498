//! Written for the published `wasi:keyvalue`, of which the SDK knows nothing: the test that it runs here reads what each
//! function answered.

use serde_json::json;
use waterspout_sdk::prelude::*;

use wasi::keyvalue::{atomics, batch, store};

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package tests:keyvalue;
        world guest {
            include wasi:keyvalue/imports@0.2.0-draft;
        }
    ",
    generate_all,
});

#[derive(Default)]
struct Keyvalue;

#[handler]
#[route("/keyvalue")]
impl RequestHandler for Keyvalue {
    async fn get(&mut self, cx: &Context) -> Result {
        let bucket = match store::open(&cx.get_query_argument_or("bucket", "")?) {
            Ok(bucket) => bucket,
            Err(error) => return cx.write_json(&format!("{error:?}")),
        };
        let was = bucket.exists("a").map_err(told)?;
        bucket.set("a", b"1").map_err(told)?;
        let a = bucket.get("a").map_err(told)?;
        let sums = [
            atomics::increment(&bucket, "n", 5).map_err(told)?,
            atomics::increment(&bucket, "n", 2).map_err(told)?,
        ];
        bucket.set("text", b"one").map_err(told)?;
        let no_number = atomics::increment(&bucket, "text", 1).is_err();
        let pairs: Vec<_> = (0..1200)
            .map(|at| (format!("k{at:04}"), at.to_string().into_bytes()))
            .collect();
        batch::set_many(&bucket, &pairs).map_err(told)?;
        let many = batch::get_many(&bucket, &["k0007".to_owned(), "no".to_owned()]);
        let many: Vec<_> = many
            .map_err(told)?
            .into_iter()
            .map(|pair| pair.map(|(key, value)| format!("{key} {}", text(value))))
            .collect();
        let (mut keys, mut pages, mut cursor) = (Vec::new(), 0, None);
        loop {
            let page = bucket.list_keys(cursor).map_err(told)?;
            keys.extend(page.keys);
            pages += 1;
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let unknown = bucket.list_keys(Some(77)).is_err();
        let names: Vec<_> = pairs.into_iter().map(|(key, _)| key).collect();
        batch::delete_many(&bucket, &names).map_err(told)?;
        bucket.delete("text").map_err(told)?;
        let left = bucket.list_keys(None).map_err(told)?.keys;
        cx.write_json(&json!({
            "was": was,
            "a": a.map(text),
            "sums": sums,
            "no_number": no_number,
            "many": many,
            "keys": keys.len(),
            "pages": pages,
            "unknown": unknown,
            "left": left,
        }))
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn told(error: store::Error) -> waterspout_sdk::Error {
    anyhow!("{error:?}")
}

export!(Keyvalue);
