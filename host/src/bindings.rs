//! The one place where the WIT becomes Rust. Owns the generated types; decides nothing.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "web",
    imports: {
        "waterspout:web/request.body": async | store | trappable,
        "waterspout:web/request.body-chunk": async | store | trappable,
        "waterspout:web/response.flush": async | store | trappable,
        default: trappable,
    },
    exports: { default: async | store },
});

pub use self::waterspout::web::types::{Arguments, Call, Failure, FailureCause, Outcome, Response};
pub use self::waterspout::web::{application, logging, request, request_body, response, types};
pub use exports::waterspout::web::handler::{Description, Functions};
