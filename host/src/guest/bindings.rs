//! The one place where the WIT becomes Rust. Owns the generated types; decides nothing.

wasmtime::component::bindgen!({
    path: "wit",
    world: "web-with-jobs",
    imports: {
        "waterspout:web/request.body": async | store | trappable,
        "waterspout:web/request.body-chunk": async | store | trappable,
        "waterspout:web/request-body.wait-chunk": async | store | trappable,
        "waterspout:web/request-body.wait-body": async | store | trappable,
        "waterspout:web/response.flush": async | store | trappable,
        "waterspout:web/background.draining": async | store | trappable,
        "waterspout:web/executor.call": async | store | trappable,
        default: trappable,
    },
    with: {
        "waterspout:web/pubsub.subscription": crate::services::pubsub::Heard,
        "waterspout:web/kv.bucket": crate::services::kv::Bucket,
        "waterspout:web/kv.watcher": crate::services::kv::Watcher,
    },
    exports: { default: async | store },
});

pub use self::waterspout::web::types::{Arguments, Call, Failure, FailureCause, Outcome, Response};
pub use self::waterspout::web::{
    application, background, executor, kv, logging, pubsub, request, request_body, response, types,
};
pub use exports::waterspout::web::handler::{Description, Functions};
pub use exports::waterspout::web::jobs::{JobDescription, Schedule, Timing};
pub use published::wasi::keyvalue;

/// Interfaces of others that are not in wasmtime-wasi. What writes is asynchronous for the host alone.
mod published {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "wasi:keyvalue/imports@0.2.0-draft",
        imports: {
            "wasi:keyvalue/store.[method]bucket.set": async | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
            "wasi:keyvalue/atomics.increment": async | trappable,
            "wasi:keyvalue/batch.set-many": async | trappable,
            "wasi:keyvalue/batch.delete-many": async | trappable,
            default: trappable,
        },
        with: { "wasi:keyvalue/store.bucket": crate::services::kv::Bucket },
    });
}
