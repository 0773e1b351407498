//! Not a guest: the bare bindings, for the guests that must not behave as the SDK makes them.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package waterspout:raw;
        world raw {
            include waterspout:web/web@0.1.0;
            import wasi:clocks/monotonic-clock@0.3.0;
        }
    ",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "raw",
});

pub use exports::waterspout::web::handler::{Description, Functions, Guest, HandlerClass};
pub use waterspout::web::types::{
    Arguments, Call, Failure, FailureCause, Outcome, RequestId, Response,
};

/// A component with one handler, which declares `get` and no route.
pub fn only_get(name: &str) -> Description {
    let handler = HandlerClass {
        name: name.to_owned(),
        functions: Functions::GET,
        routes: Vec::new(),
    };
    Description {
        handlers: vec![handler],
        single: false,
        start: false,
        stop: false,
    }
}

/// The response 200 with this body.
pub fn ok(body: impl Into<Vec<u8>>) -> Outcome {
    Outcome::Finished(Response {
        status: 200,
        reason: None,
        headers: Vec::new(),
        body: body.into(),
    })
}

/// Functions of the interface that the host has no reason to call: each traps.
#[macro_export]
macro_rules! never {
    ($($function:ident)*) => { $($crate::never_one!($function);)* };
}

#[doc(hidden)]
#[macro_export]
macro_rules! never_one {
    (describe) => {
        async fn describe() -> $crate::Description {
            unreachable!()
        }
    };
    (start) => {
        async fn start() -> Result<(), String> {
            unreachable!()
        }
    };
    (stop) => {
        async fn stop() {
            unreachable!()
        }
    };
    (initialize) => {
        async fn initialize(_: $crate::Call, _: String) -> $crate::Outcome {
            unreachable!()
        }
    };
    (write_error) => {
        async fn write_error(_: $crate::Call, _: $crate::Failure) -> $crate::Outcome {
            unreachable!()
        }
    };
    (on_connection_close) => {
        async fn on_connection_close(_: $crate::Call) {
            unreachable!()
        }
    };
    (on_finish) => {
        async fn on_finish(_: $crate::Call) {
            unreachable!()
        }
    };
    (cancel) => {
        async fn cancel(_: $crate::RequestId) {
            unreachable!()
        }
    };
    (release) => {
        async fn release(_: $crate::RequestId) {
            unreachable!()
        }
    };
    ($method:ident) => {
        async fn $method(_: $crate::Call, _: $crate::Arguments) -> $crate::Outcome {
            unreachable!()
        }
    };
}
