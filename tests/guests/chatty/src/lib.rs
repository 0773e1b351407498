//! Floods the app log, stdout and stderr with `?lines=N` lines each, and says its request's id in a header. Tests of
//! `logging` see that it never waits, and whose lines they are.

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
        cx.set_header("X-Request-Id", cx.request().id())?;
        cx.write(lines.to_string())
    }
}

export!(Chatty);
