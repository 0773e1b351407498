//! Fails in ways that beginners meet. A test of `faults` sees what is said of each.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Faults;

#[handler]
#[route("/faults/(.*)", name = "fault")]
impl RequestHandler for Faults {
    async fn get(&mut self, cx: &Context) -> Result {
        match cx.path_args().first().and_then(Option::as_deref) {
            Some("panic") => {
                let nothing: Option<&str> = None;
                cx.write(nothing.expect("panics on purpose"))
            }
            Some("error") => {
                let number: u32 = "seven".parse()?;
                cx.write(number.to_string())
            }
            Some("inside") => {
                // It ends the closure, and no function of the handler.
                let parse = |text: &str| Ok::<u32, std::num::ParseIntError>(text.parse::<u32>()?);
                if parse("seven").is_err() {
                    bail!("no place is known");
                }
                Ok(())
            }
            Some("file") => cx.write(std::fs::read_to_string("data/file")?),
            Some("unknown-name") => cx.write(cx.reverse_url("falut", &[])?),
            Some("no-arguments") => cx.write(cx.reverse_url("fault", &[])?),
            other => cx.write(format!("{other:?}")),
        }
    }
}

export!(Faults);
