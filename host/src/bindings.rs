//! The one place where the WIT becomes Rust. Owns the generated types; decides nothing.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "web",
    imports: {
        "waterspout:web/request.body": async | store | trappable,
        "waterspout:web/request.body-chunk": async | store | trappable,
        default: trappable,
    },
    exports: { default: async | store },
});

pub use exports::waterspout::web::handler::{Description, Functions};
pub use waterspout::web::types::{Arguments, Call, Failure, FailureCause, Outcome, Response};
pub use waterspout::web::{application, logging, request, types};
