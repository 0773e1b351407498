//! The generated bindings of the WIT in `wit/`, and the only place that generates them. Authors of handlers see none
//! of them.

wit_bindgen::generate!({
    path: "wit",
    inline: "
        package waterspout:guest;
        world guest {
            include waterspout:component/web@0.1.0;
            include waterspout:component/lifecycle@0.1.0;
            include waterspout:component/background@0.1.0;
            import wasi:clocks/monotonic-clock@0.3.0;
            import wasi:http/client@0.3.0;
        }
    ",
    generate_all,
    // They never wait. A task for each would cost much, and so does each asynchronous export of a new instance.
    sync: [
        "export:waterspout:web/handler@0.1.0#describe",
        "export:waterspout:web/handler@0.1.0#initialize",
        "export:waterspout:web/handler@0.1.0#on-finish",
        "export:waterspout:web/handler@0.1.0#cancel",
        "export:waterspout:lifecycle/lifecycle@0.1.0#describe",
        "export:waterspout:background/work@0.1.0#describe",
    ],
    pub_export_macro: true,
    export_macro_name: "__export_bindings",
    default_bindings_module: "::waterspout_sdk::__private::bindings",
});

/// The interface that only a component with WebSocket handlers exports.
pub mod websocket {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waterspout:guest-websocket;
            world websocket {
                export waterspout:sockets/websocket@0.1.0;
            }
        ",
        with: {
            "waterspout:web/types@0.1.0": crate::runtime::bindings::waterspout::web::types,
            "waterspout:sockets/sockets@0.1.0": crate::runtime::bindings::waterspout::sockets::sockets,
        },
        sync: [
            "export:waterspout:sockets/websocket@0.1.0#describe",
            "export:waterspout:sockets/websocket@0.1.0#accept",
        ],
        pub_export_macro: true,
        export_macro_name: "__export_websocket",
        default_bindings_module: "::waterspout_sdk::__private::bindings::websocket",
    });
}

/// The interface that only a component with stream handlers exports.
pub mod tcpserver {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waterspout:guest-tcpserver;
            world tcpserver {
                export waterspout:tcp/tcpserver@0.1.0;
            }
        ",
        sync: ["export:waterspout:tcp/tcpserver@0.1.0#describe"],
        pub_export_macro: true,
        export_macro_name: "__export_tcpserver",
        default_bindings_module: "::waterspout_sdk::__private::bindings::tcpserver",
    });
}

/// The interface that only a component with state to hand over exports.
pub mod state {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package waterspout:guest-state;
            world state {
                export waterspout:lifecycle/state@0.1.0;
            }
        ",
        pub_export_macro: true,
        export_macro_name: "__export_state",
        default_bindings_module: "::waterspout_sdk::__private::bindings::state",
    });
}
