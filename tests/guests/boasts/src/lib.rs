//! Describes more than anybody needs, in the way that the variable `WHAT` of its environment names. A test of `contract`
//! reads why each is refused.

use raw::{Arguments, Call, Guest, HandlerClass, Outcome, RequestNumber, Route, work};

struct Boasts;

raw::export!(Boasts with_types_in raw);
raw::work::export!(Boasts with_types_in raw::work);

fn what(way: &str) -> bool {
    std::env::var("WHAT").is_ok_and(|what| what == way)
}

impl Guest for Boasts {
    async fn describe() -> Vec<HandlerClass> {
        let mut class = raw::only_get("Boasts").remove(0);
        let route = |pattern: String| Route {
            pattern,
            name: None,
            kwargs: None,
            host: None,
        };
        if what("routes") {
            class.routes = (0..20_000).map(|at| route(format!("/{at}"))).collect();
        }
        if what("patterns") {
            let pattern = |at| route(format!(r"/r{at}/((?:\pL|x\pN){{14}})y"));
            class.routes = (0..10_000).map(pattern).collect();
        }
        if what("text") {
            class.routes = vec![route(format!("/{}", "a".repeat(8 << 20)))];
        }
        if what("handlers") {
            return (0..2_000)
                .flat_map(|at| raw::only_get(&format!("Boasts{at}")))
                .collect();
        }
        vec![class]
    }

    async fn get(_: Call, _: Arguments) -> Outcome {
        raw::ok("modest")
    }

    async fn cancel(_: RequestNumber) {}

    async fn release(_: RequestNumber) {}

    raw::never! { initialize prepare head post put delete patch options method execute }
    raw::never! { write_error on_connection_close on_finish }
}

impl work::Guest for Boasts {
    async fn describe() -> work::Description {
        let schedule = |at| work::Schedule {
            name: format!("schedule{at}"),
            timing: work::Timing::Every(1_000_000_000),
            time_zone: None,
            function: "function".to_owned(),
            arguments: None,
            jitter: None,
        };
        let count = if what("schedules") { 30_000 } else { 0 };
        work::Description {
            functions: vec!["function".to_owned()],
            schedules: (0..count).map(schedule).collect(),
        }
    }

    async fn run(_: u64) -> Result<(), String> {
        Ok(())
    }

    async fn cancel(_: u64) {}

    async fn call(_: String, _: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(b"null".to_vec())
    }
}
