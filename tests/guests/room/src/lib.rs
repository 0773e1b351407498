//! `single`, with state that goes to the next version: a list of numbers. The tests of `state` swap it, and `.ci/sockets`
//! with sockets open.

use std::cell::RefCell;
use std::env;
use std::time::Duration;

use waterspout_sdk::prelude::*;

thread_local! {
    static NUMBERS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// GET: the numbers. POST: adds that of its body; with `?ms=N` it waits that long before.
#[derive(Default)]
struct Numbers;

#[handler]
#[route("/numbers")]
impl RequestHandler for Numbers {
    async fn get(&mut self, cx: &Context) -> Result {
        NUMBERS.with_borrow(|numbers| cx.write_json(numbers))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let ms: u64 = cx.get_query_argument_or("ms", "0")?.parse()?;
        if ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
        let number = std::str::from_utf8(cx.request().body().await?)?.parse()?;
        NUMBERS.with_borrow_mut(|numbers| numbers.push(number));
        cx.write(number.to_string())
    }
}

/// Counts with its client: `AT NUMBER` counts the number at that place by one, to what it says, or adds a number at the
/// end. The answer is the message.
#[derive(Default)]
struct Count;

#[handler]
#[route("/count")]
impl WebSocketHandler for Count {
    async fn on_message(&mut self, cx: &Context, message: Message) -> Result {
        let text = message.text().context("no text")?;
        let (at, number) = text.split_once(' ').context("no number")?;
        let (at, number): (usize, u64) = (at.parse()?, number.parse()?);
        NUMBERS.with_borrow_mut(|numbers| {
            if numbers.len() == at {
                numbers.push(number);
                return Ok(());
            }
            let counted = numbers.get_mut(at).context("past the end")?;
            if *counted + 1 != number {
                bail!("{number} after {counted}");
            }
            *counted = number;
            Ok(())
        })?;
        cx.socket().write_message(text).await?;
        Ok(())
    }

    async fn suspend(&mut self, _: &Context) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    async fn resume(&mut self, _: &Context, _: Vec<u8>) -> Result {
        Ok(())
    }
}

/// The version of this instance.
#[derive(Default)]
struct Version;

#[handler]
#[route("/version")]
impl RequestHandler for Version {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(env::var("VERSION").unwrap_or_default())
    }
}

async fn save() -> Result<Vec<u8>> {
    if env::var("SAVE").is_ok_and(|save| save == "fails") {
        bail!("as it was told");
    }
    NUMBERS.with_borrow(|numbers| Ok(numbers.iter().flat_map(|n| n.to_be_bytes()).collect()))
}

async fn restore(state: Vec<u8>) -> Result {
    match env::var("RESTORE").unwrap_or_default().as_str() {
        "fails" => bail!("another format"),
        "traps" => panic!("another format"),
        _ => {}
    }
    let numbers = state.as_chunks::<8>().0.iter();
    NUMBERS.set(numbers.map(|bytes| u64::from_be_bytes(*bytes)).collect());
    Ok(())
}

export!(
    Numbers,
    Count,
    Version,
    websocket,
    single,
    save = save,
    restore = restore
);
