//! The one place where the WIT becomes Rust. Owns the generated types; decides nothing.

wasmtime::component::bindgen!({
    path: "wit",
    inline: "
        package waterspout:host;
        world everything {
            include waterspout:component/web@0.1.0;
            include waterspout:component/lifecycle@0.1.0;
            include waterspout:component/background@0.1.0;
            include waterspout:component/websocket@0.1.0;
            include waterspout:component/state@0.1.0;
            include waterspout:component/tcpserver@0.1.0;
        }
    ",
    imports: {
        "waterspout:web/request-body.wait-chunk": async | store | trappable,
        "waterspout:web/request-body.wait-body": async | store | trappable,
        "waterspout:web/response.flush": async | store | trappable,
        "waterspout:background/background.draining": async | store | trappable,
        "waterspout:background/executor.call": async | store | trappable,
        "waterspout:sockets/sockets.ready": async | store | trappable,
        "waterspout:sockets/websocket-client.connect": async | store | trappable,
        "waterspout:sockets/websocket-client.[method]connection.ready": async | store | trappable,
        "waterspout:sockets/websocket-client.[method]connection.writable": async | store | trappable,
        "waterspout:tcp/tcpclient.connect": async | store | trappable,
        "waterspout:tcp/streams.next": async | store | trappable,
        "waterspout:tcp/iostream.[method]tcp-stream.readable": async | store | trappable,
        "waterspout:tcp/iostream.[method]tcp-stream.writable": async | store | trappable,
        "waterspout:tcp/iostream.[method]tcp-stream.ended": async | store | trappable,
        "waterspout:tcp/iostream.[method]tcp-stream.close-writing": async | store | trappable,
        "waterspout:tcp/iostream.[method]tcp-stream.start-tls": async | store | trappable,
        "waterspout:tcp/iostream.[method]tcp-stream.accept-tls": async | store | trappable,
        default: trappable,
    },
    with: {
        "waterspout:pubsub/pubsub.subscription": crate::services::pubsub::MessageSubscription,
        "waterspout:sockets/websocket-client.connection": crate::services::websocket_client::Connection,
        "waterspout:tcp/iostream.tcp-stream": crate::services::tcp::Stream,
        "waterspout:kv/kv.bucket": crate::services::kv::Bucket,
        "waterspout:kv/kv.watcher": crate::services::kv::Watcher,
    },
    exports: { default: async | store },
});

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lower};

use crate::base::router;

pub use self::waterspout::background::{background, executor};
pub use self::waterspout::kv::kv;
pub use self::waterspout::logging::logging;
pub use self::waterspout::pubsub::pubsub;
pub use self::waterspout::settings::settings;
pub use self::waterspout::signing::signing;
pub use self::waterspout::sockets::{sockets, websocket_client};
pub use self::waterspout::tcp::{iostream, streams, tcpclient};
pub use self::waterspout::values::values;
pub use self::waterspout::web::types::{Arguments, Call, Failure, FailureCause, Outcome, Response};
pub use self::waterspout::web::{
    application, protection, request, request_body, response, static_files, types,
};
pub use exports::waterspout::background::work;
pub use exports::waterspout::sockets::websocket;
pub use exports::waterspout::tcp::tcpserver;
pub use exports::waterspout::web::handler;
pub use published::wasi::keyvalue;

/// `waterspout:sockets/sockets.message`, as it is handed to a guest: bytes are lowered from where they were read.
#[derive(Debug, ComponentType, Lower)]
#[component(variant)]
pub enum ReceivedMessage {
    #[component(name = "text")]
    Text(String),
    #[component(name = "binary")]
    Binary(Bytes),
}

impl From<router::Arguments> for Arguments {
    fn from(arguments: router::Arguments) -> Self {
        match arguments {
            // A list needs a call into the guest, for its memory, even where the list is empty.
            router::Arguments::Positional(values) if values.is_empty() => Self::None,
            router::Arguments::Positional(values) => Self::Positional(values),
            router::Arguments::Named(values) => Self::Named(values),
        }
    }
}

/// Interfaces of others that are not in wasmtime-wasi. Functions that write are asynchronous for the host only.
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
