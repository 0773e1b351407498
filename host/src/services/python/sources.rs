//! What the component for Python apps is made of: the adapter, the part of the WIT that it needs, and the packages. All
//! of it is in this program.

use sha2::{Digest, Sha256};

/// The packages, each in the one version that the adapter was written for.
pub const PACKAGES: [&str; 2] = ["componentize-py==0.25.1", "tornado==6.6.1"];

/// A folder in which the adapter's modules are, and that of its WIT.
pub const MODULES: &str = "modules";
pub const WIT: &str = "wit";

/// The module that componentize-py makes a component of, and the world that it exports.
pub const ENTRY: &str = "waterspout_python";
pub const WORLD: &str = "runtime";

macro_rules! module {
    ($name:literal) => {
        (
            concat!("modules/", $name),
            include_str!(concat!("../../../python/", $name)),
        )
    };
}

macro_rules! wit {
    ($name:literal) => {
        (
            concat!("wit/deps/", $name),
            include_str!(concat!("../../../wit/deps/", $name)),
        )
    };
}

/// All files, by their paths.
pub const FILES: [(&str, &str); 52] = [
    module!("waterspout/__init__.py"),
    module!("waterspout/application.py"),
    module!("waterspout/errors.py"),
    module!("waterspout/handler.py"),
    module!("waterspout/request.py"),
    module!("waterspout_python/__init__.py"),
    module!("waterspout_python/app_servers.py"),
    module!("waterspout_python/asgi.py"),
    module!("waterspout_python/asgi_websocket.py"),
    module!("waterspout_python/blocking.py"),
    module!("waterspout_python/bytecode.py"),
    module!("waterspout_python/direct.py"),
    module!("waterspout_python/event_loop.py"),
    module!("waterspout_python/exchange.py"),
    module!("waterspout_python/host_log.py"),
    module!("waterspout_python/host_socket.py"),
    module!("waterspout_python/listening.py"),
    module!("waterspout_python/main_module.py"),
    module!("waterspout_python/modules.py"),
    module!("waterspout_python/no_ssl.py"),
    module!("waterspout_python/patches.py"),
    module!("waterspout_python/program.py"),
    module!("waterspout_python/server_options.py"),
    module!("waterspout_python/snapshot.py"),
    module!("waterspout_python/tornado_client.py"),
    module!("waterspout_python/tornado_server.py"),
    module!("waterspout_python/tornado_tcp.py"),
    module!("waterspout_python/tornado_websocket.py"),
    module!("waterspout_python/tornado_websocket_client.py"),
    module!("waterspout_python/warm_up.py"),
    module!("waterspout_python/web_app.py"),
    module!("waterspout_python/wsgi.py"),
    (
        "wit/python.wit",
        include_str!("../../../python/wit/python.wit"),
    ),
    wit!("clocks.wit"),
    wit!("http.wit"),
    wit!("lifecycle/lifecycle.wit"),
    wit!("lifecycle/state.wit"),
    wit!("logging/logging.wit"),
    wit!("sockets/sockets.wit"),
    wit!("sockets/websocket-client.wit"),
    wit!("sockets/websocket.wit"),
    wit!("tcp/iostream.wit"),
    wit!("tcp/streams.wit"),
    wit!("tcp/tcpclient.wit"),
    wit!("tcp/tcpserver.wit"),
    wit!("values/values.wit"),
    wit!("web/application.wit"),
    wit!("web/handler.wit"),
    wit!("web/request-body.wit"),
    wit!("web/request.wit"),
    wit!("web/response.wit"),
    wit!("web/types.wit"),
];

/// What tells the component that these make from all others.
pub fn key() -> String {
    let mut sum = Sha256::new();
    let texts = FILES.iter().flat_map(|(path, text)| [path, text]);
    for text in texts.chain(&PACKAGES) {
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text);
    }
    format!("{:x}", sum.finalize())
}
