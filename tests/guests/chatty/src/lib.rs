//! Floods the app log, stdout and stderr with `?lines=N` lines each, and says its request's id in a header. Tests of
//! `logging` see that it never waits, and whose lines they are. `/half?end=HOW` prints lines that have no end, and traps.

use waterspout_sdk::gen_::moment;
use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Chatty;

#[handler]
#[route("/chatty")]
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

#[derive(Default)]
struct Half;

#[handler]
#[route("/half")]
impl RequestHandler for Half {
    async fn get(&mut self, cx: &Context) -> Result {
        eprint!("half a line on stderr");
        print!("half a line on stdout");
        match cx.get_query_argument_or("end", "")?.as_str() {
            "panic" => panic!("in the midst of a line"),
            "trap" => {
                // Until here it is in the instance.
                moment().await;
                core::arch::wasm32::unreachable()
            }
            _ => cx.write("halves"),
        }
    }
}

export!(Chatty, Half);
