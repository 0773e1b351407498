//! Work that takes a core for a while: done inline, where it holds up its instance and shows in the log, and handed to
//! another instance, where it holds up nobody.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Blocking;

#[handler]
impl RequestHandler for Blocking {
    async fn get(&mut self, cx: &Context) -> Result {
        let below: u32 = match cx.get_query_argument_or("below", "1000")?.parse() {
            Ok(below) if below <= 5_000_000 => below,
            _ => bail!(HttpError::new(400).with_message("below is a number up to 5000000")),
        };
        let primes = match cx.path_arg::<String>(0)?.as_str() {
            "inline" => primes(below)?,
            _ => run_in_executor(primes, &below).await?,
        };
        cx.write(format!("{primes} primes below {below}"))
    }
}

/// How many there are, by trying.
fn primes(below: u32) -> Result<usize> {
    let is_prime = |n: &u32| {
        (2..)
            .take_while(|m| m * m <= *n)
            .all(|m| !n.is_multiple_of(m))
    };
    Ok((2..below).filter(is_prime).count())
}

export!(Blocking, functions = [primes]);
