//! Not a guest: the bare bindings, for the guests that must not behave as the SDK makes them. A guest exports the handler
//! with `raw::export!`, and each of the other interfaces with the macro of its module.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package waterspout:raw;
        world raw {
            include waterspout:component/web@0.1.0;
            import wasi:clocks/monotonic-clock@0.3.0;
        }
    ",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "raw",
});

pub use exports::waterspout::web::handler::{Guest, HandlerClass, MessageHead, Route};
pub use waterspout::values::values::Json;
pub use waterspout::web::types::{
    Arguments, Call, Failure, FailureCause, Outcome, RequestNumber, Response,
};

/// How instances begin and end.
pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package waterspout:raw-lifecycle;
            world raw-lifecycle {
                export waterspout:lifecycle/lifecycle@0.1.0;
            }
        ",
        pub_export_macro: true,
        default_bindings_module: "raw::lifecycle",
    });

    pub use exports::waterspout::lifecycle::lifecycle::Guest;
}

/// Streams that clients open.
pub mod tcpserver {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package waterspout:raw-tcpserver;
            world raw-tcpserver {
                export waterspout:tcp/tcpserver@0.1.0;
            }
        ",
        pub_export_macro: true,
        default_bindings_module: "raw::tcpserver",
    });

    pub use exports::waterspout::tcp::tcpserver::{Guest, StreamClass};
}

/// Tasks, schedules and functions.
pub mod work {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package waterspout:raw-work;
            world raw-work {
                export waterspout:background/work@0.1.0;
            }
        ",
        with: {
            "waterspout:values/values@0.1.0": crate::waterspout::values::values,
            "waterspout:background/background@0.1.0": crate::waterspout::background::background,
        },
        pub_export_macro: true,
        default_bindings_module: "raw::work",
    });

    pub use exports::waterspout::background::work::{Description, Guest, Schedule, Timing};
}

/// The one handler of a component, which has `GET` and no route.
pub fn only_get(name: &str) -> Vec<HandlerClass> {
    vec![HandlerClass {
        name: name.to_owned(),
        methods: vec!["GET".to_owned()],
        functions: Vec::new(),
        routes: Vec::new(),
    }]
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
    (initialize) => {
        async fn initialize(_: $crate::Call, _: Option<$crate::Json>) -> $crate::Outcome {
            unreachable!()
        }
    };
    (method) => {
        async fn method(_: $crate::Call, _: u32, _: $crate::Arguments) -> $crate::Outcome {
            unreachable!()
        }
    };
    (execute) => {
        async fn execute(
            _: $crate::Call,
            _: Option<$crate::Json>,
            _: Option<u32>,
            _: $crate::Arguments,
            _: Option<$crate::MessageHead>,
        ) -> $crate::Outcome {
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
        async fn cancel(_: $crate::RequestNumber) {
            unreachable!()
        }
    };
    (release) => {
        async fn release(_: $crate::RequestNumber) {
            unreachable!()
        }
    };
    ($method:ident) => {
        async fn $method(_: $crate::Call, _: $crate::Arguments) -> $crate::Outcome {
            unreachable!()
        }
    };
}
