//! Has `GET` alone, counts every call of its handler's and its lifecycle's functions, and answers with the counts: a test
//! of `invoke` reads that a request costs one call. It exports `start` and `stop`, and names neither.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use raw::{Arguments, Call, Failure, HandlerClass, Json, MessageHead, Outcome, RequestNumber};

struct Count;

raw::export!(Count with_types_in raw);
raw::lifecycle::export!(Count with_types_in raw::lifecycle);

macro_rules! counted {
    (
        also $($more:ident)*;
        $($function:ident($($argument:ty),*) -> $result:ty = $value:expr;)*
    ) => {
        #[derive(Clone, Copy)]
        #[allow(non_camel_case_types, reason = "a function's name is its key in the answer")]
        enum Function {
            $($more,)*
            $($function),*
        }

        const NAMES: &[&str] = &[$(stringify!($more),)* $(stringify!($function)),*];

        static COUNTS: [AtomicU32; NAMES.len()] = [const { AtomicU32::new(0) }; NAMES.len()];

        impl raw::Guest for Count {
            $(async fn $function($(_: $argument),*) -> $result {
                count(Function::$function);
                $value
            })*
        }
    };
}

counted! {
    also start stop;
    describe() -> Vec<HandlerClass> = raw::only_get("Count");
    initialize(Call, Option<Json>) -> Outcome = Outcome::Proceed;
    prepare(Call, Arguments) -> Outcome = Outcome::Proceed;
    get(Call, Arguments) -> Outcome = raw::ok(report());
    head(Call, Arguments) -> Outcome = Outcome::Proceed;
    post(Call, Arguments) -> Outcome = Outcome::Proceed;
    put(Call, Arguments) -> Outcome = Outcome::Proceed;
    delete(Call, Arguments) -> Outcome = Outcome::Proceed;
    patch(Call, Arguments) -> Outcome = Outcome::Proceed;
    options(Call, Arguments) -> Outcome = Outcome::Proceed;
    method(Call, u32, Arguments) -> Outcome = Outcome::Proceed;
    execute(Call, Option<Json>, Option<u32>, Arguments, Option<MessageHead>) -> Outcome =
        Outcome::Proceed;
    write_error(Call, Failure) -> Outcome = Outcome::Proceed;
    on_connection_close(Call) -> () = ();
    on_finish(Call) -> () = ();
    cancel(RequestNumber) -> () = ();
    release(RequestNumber) -> () = ();
}

impl raw::lifecycle::Guest for Count {
    async fn describe() -> Vec<String> {
        Vec::new()
    }

    async fn start() -> Result<(), String> {
        count(Function::start);
        Ok(())
    }

    async fn stop() {
        count(Function::stop);
    }
}

fn count(function: Function) {
    COUNTS[function as usize].fetch_add(1, Relaxed);
}

/// `{"start":0,"describe":0,"get":1,…}`: all of them, this call too.
fn report() -> String {
    let counts = NAMES
        .iter()
        .zip(&COUNTS)
        .map(|(name, count)| (name.to_string(), count.load(Relaxed).into()));
    serde_json::Value::Object(counts.collect()).to_string()
}
