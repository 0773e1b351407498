//! Does with a bucket what the path and the query say, and answers in JSON: the tests of `kv` read it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use waterspout_sdk::kv::{self, Bucket, Entry, Swapped};
use waterspout_sdk::prelude::*;

thread_local! {
    static WATCHING: Cell<u32> = const { Cell::new(0) };
}

/// `/kv/OPERATION?bucket=B&key=K…`; an error is `{"error": …}`.
#[derive(Default)]
struct Operation;

#[handler]
#[route("/kv/([a-z]+)")]
impl RequestHandler for Operation {
    async fn get(&mut self, cx: &Context) -> Result {
        let operation: String = cx.path_arg(0)?;
        let answer = match operate(cx, &operation).await {
            Ok(answer) => answer,
            Err(error) => match error.downcast_ref::<kv::Error>() {
                Some(error) => json!({ "error": format!("{error:?}") }),
                None => return Err(error),
            },
        };
        cx.write_json(&answer)
    }
}

async fn operate(cx: &Context, operation: &str) -> Result<Value> {
    let argument = |name: &str| cx.get_query_argument_or(name, "");
    let number = |name: &str| -> Result<Option<u64>> {
        Ok(match &*argument(name)? {
            "" => None,
            text => Some(text.parse()?),
        })
    };
    let (bucket, key) = (cx.get_query_argument_or("bucket", "b")?, argument("key")?);
    let bucket = kv::open(&bucket)?;
    let value = match number("size")? {
        Some(size) => "x".repeat(usize::try_from(size)?),
        None => argument("value")?.to_string(),
    };
    Ok(match operation {
        "get" => shown(bucket.get_entry(&key).await?),
        "exists" => json!(bucket.exists(&key).await?),
        "set" => json!(match number("ttl")? {
            Some(ttl) =>
                bucket
                    .set_with_ttl(&key, value, Duration::from_millis(ttl))
                    .await?,
            None => bucket.set(&key, value).await?,
        }),
        // The same answer each time, for the benchmark.
        "put" => {
            bucket.set(&key, value).await?;
            json!(true)
        }
        "delete" => json!(bucket.delete(&key).await?),
        "swap" => match bucket.swap(&key, number("expected")?, value).await? {
            Swapped::Done(version) => json!({ "done": version }),
            Swapped::Differs(entry) => json!({ "differs": shown(entry) }),
        },
        "increment" => json!(bucket.increment(&key, argument("by")?.parse()?).await?),
        "append" => {
            let list = bucket.update_json(&key, |list: Option<Vec<String>>| {
                let mut list = list.unwrap_or_default();
                list.push(value.clone());
                Ok(list)
            });
            json!(list.await?.len())
        }
        "list" => {
            let cursor = Some(argument("cursor")?.to_string()).filter(|cursor| !cursor.is_empty());
            let limit = number("limit")?.unwrap_or(1000) as u32;
            let page = bucket
                .list_keys(&argument("prefix")?, cursor, limit)
                .await?;
            json!({ "keys": page.keys, "cursor": page.cursor })
        }
        "watch" => watch(cx, &bucket).await?,
        "watching" => json!(WATCHING.get()),
        // A value that says of itself whether it is whole.
        "sum" => {
            let text = format!("{value}:{}", "y".repeat(argument("length")?.parse()?));
            let sum = sum(&text);
            json!(bucket.set(&key, format!("{text}:{sum}")).await?)
        }
        "sums" => {
            let mut found = serde_json::Map::new();
            let mut cursor = None;
            loop {
                let page = bucket.list_keys("", cursor, 1000).await?;
                for key in page.keys {
                    let value = bucket.get(&key).await?.unwrap_or_default();
                    let value = String::from_utf8(value)?;
                    let (text, said) = value.rsplit_once(':').unwrap_or_default();
                    let whole = said == sum(text).to_string();
                    let first = text.split(':').next().unwrap_or_default();
                    found.insert(key, if whole { json!(first) } else { json!("torn") });
                }
                cursor = page.cursor;
                if cursor.is_none() {
                    break Value::Object(found);
                }
            }
        }
        // As many at once as it takes to fill something up.
        "flood" => {
            let (count, mut full) = (number("count")?.unwrap_or(1), 0);
            for at in 0..count {
                match bucket.set(&format!("{key}{at}"), &*value).await {
                    Ok(_) => {}
                    Err(kv::Error::Full) => full += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            json!({ "written": count - full, "full": full })
        }
        // One write after the other, for so long and until there is a `stop`.
        "busy" => {
            let end = Instant::now() + Duration::from_millis(number("ms")?.unwrap_or(0));
            let mut writes = 0;
            while Instant::now() < end || !bucket.exists("stop").await? {
                bucket.set(&key, &*value).await?;
                writes += 1;
            }
            json!(writes)
        }
        other => bail!("no operation {other}"),
    })
}

async fn watch(cx: &Context, bucket: &Bucket) -> Result<Value> {
    let count: usize = cx.get_query_argument_or("count", "1")?.parse()?;
    let capacity: u32 = cx.get_query_argument_or("capacity", "100")?.parse()?;
    let mut watcher = match cx.get_query_argument_or("key", "")? {
        key if key.is_empty() => {
            let prefix = cx.get_query_argument_or("prefix", "")?;
            bucket.watch_prefix(&prefix, capacity).await?
        }
        key => bucket.watch(&key).await?,
    };
    WATCHING.set(WATCHING.get() + 1);
    let mut seen = Vec::new();
    for _ in 0..count {
        let change = watcher.next().await;
        let value = shown(change.entry)["value"].clone();
        seen.push(json!([change.key, value, change.dropped]));
    }
    WATCHING.set(WATCHING.get() - 1);
    Ok(json!(seen))
}

fn shown(entry: Option<Entry>) -> Value {
    let shown = entry.map(|entry| {
        let value = String::from_utf8_lossy(&entry.value).into_owned();
        json!({ "value": value, "version": entry.version })
    });
    shown.unwrap_or_default()
}

/// FNV-1a, which needs no crate.
fn sum(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

export!(Operation);
