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
                let missing = cx.request().header("x-missing");
                cx.write(missing.expect("panics on purpose"))
            }
            Some("error") => {
                let number: u32 = "seven".parse()?;
                cx.write(number.to_string())
            }
            Some("inside") => {
                // It ends the closure, and no function of the handler.
                let double = |text: &str| {
                    let number: u32 = text.parse()?;
                    Ok::<u32, std::num::ParseIntError>(2 * number)
                };
                if double("seven").is_err() {
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

    fn on_finish(&mut self, cx: &Context) -> Result {
        if cx.request().path() == "/faults/late" {
            let _: u32 = "seven".parse()?;
        }
        Ok(())
    }
}

export!(Faults);
