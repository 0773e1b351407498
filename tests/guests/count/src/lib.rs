//! Declares `get` alone, counts every call of every export, and answers with the counts: a test of `invoke` reads
//! that a request costs one call.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use raw::{Arguments, Call, Description, Failure, Guest, Outcome, RequestId};

struct Count;

raw::export!(Count with_types_in raw);

macro_rules! counted {
    ($($function:ident($($argument:ty),*) -> $result:ty = $value:expr;)*) => {
        #[derive(Clone, Copy)]
        #[allow(non_camel_case_types, reason = "a function's name is its key in the answer")]
        enum Function {
            $($function),*
        }

        const NAMES: &[&str] = &[$(stringify!($function)),*];

        static COUNTS: [AtomicU32; NAMES.len()] = [const { AtomicU32::new(0) }; NAMES.len()];

        impl Guest for Count {
            $(async fn $function($(_: $argument),*) -> $result {
                COUNTS[Function::$function as usize].fetch_add(1, Relaxed);
                $value
            })*
        }
    };
}

counted! {
    describe() -> Description = raw::only_get("Count");
    start() -> Result<(), String> = Ok(());
    stop() -> () = ();
    initialize(Call, String) -> Outcome = Outcome::Proceed;
    prepare(Call, Arguments) -> Outcome = Outcome::Proceed;
    get(Call, Arguments) -> Outcome = raw::ok(report());
    head(Call, Arguments) -> Outcome = Outcome::Proceed;
    post(Call, Arguments) -> Outcome = Outcome::Proceed;
    put(Call, Arguments) -> Outcome = Outcome::Proceed;
    delete(Call, Arguments) -> Outcome = Outcome::Proceed;
    patch(Call, Arguments) -> Outcome = Outcome::Proceed;
    options(Call, Arguments) -> Outcome = Outcome::Proceed;
    write_error(Call, Failure) -> Outcome = Outcome::Proceed;
    on_connection_close(Call) -> () = ();
    on_finish(Call) -> () = ();
    cancel(RequestId) -> () = ();
    release(RequestId) -> () = ();
}

/// `{"describe":0,"get":1,…}`: all of them, this call too.
fn report() -> String {
    let counts = NAMES
        .iter()
        .zip(&COUNTS)
        .map(|(name, count)| (name.to_string(), count.load(Relaxed).into()));
    serde_json::Value::Object(counts.collect()).to_string()
}
