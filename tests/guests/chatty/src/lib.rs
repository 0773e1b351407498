//! Floods the app log, stdout and stderr with `?lines=N` lines each. A test of `logging` sees that it never waits.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Chatty;

#[handler]
impl RequestHandler for Chatty {
    async fn get(&mut self, cx: &Context) -> Result {
        let lines: u64 = cx.get_query_argument_or("lines", "10000")?.parse()?;
        for line in 0..lines {
            println!("line {line} on stdout");
            eprintln!("line {line} on stderr");
            log::info!("line {line} of the log");
        }
        cx.write(lines.to_string())
    }
}

export!(Chatty);
