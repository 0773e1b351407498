//! All integration tests: the real binary or the real server, over real sockets, with guests built from source.
//!
//! Where a new test goes:
//!
//! | what it is about | file |
//! |---|---|
//! | a command | the one of its name: `build`, `check`, `dev`, `inspect`, `new` (and `add`), `routes`; `manual` for `completions` and `man` |
//! | what a fault looks like in the terminal | `diagnostics` |
//! | `--set`, the environment, what counts more than the file | `settings` |
//! | a single key of `waterspout.toml` that is wrong | no file here: `host/src/config/tests.rs` |
//! | connections, listeners, framing and logs, without a guest | `edge`; `http2`, `tls`, `unix` and `systemd` for these |
//! | which component has which path | `claims`, and for the router alone `host/src/base/router/tests.rs` |
//! | an answer that Tornado gives, too | no Rust: a request in `oracle`, see CONTRIBUTING.md |
//! | what a component may export, how it describes itself, a version of the WIT | `contract` |
//! | which functions of a handler are called, and in which order | `lifecycle`; `base` for those of a base |
//! | what is said of a fault in a handler | `faults` |
//! | a request's body | `request_body`, `forms` for forms and compression, `instances::bodies` for memory |
//! | a response | `outputs` for its head, `response` for what is sent in pieces |
//! | instances, queues, deadlines, grants | `instances` |
//! | a trap or a run that is too long | `traps`; `hostile` for many of them, and for clients that mean harm; `host_memory` for what the host keeps for a guest |
//! | waiting inside a request, locks, queues | `waiting` |
//! | an interface that guests import | the one of its name: `background`, `executor`, `kv`, `pubsub`; `schedule` for schedules |
//! | requests of handlers to other servers | `http_client`; `websocket_client` for WebSockets to them |
//! | WebSockets | `sockets` |
//! | static files | `static_files`; what Tornado answers as well is in `oracle/static_files.py` |
//! | Python apps | `python` |
//! | streams by TCP | `tcp_server` from clients, `tcp_client` to other servers, `driver` for a published driver in a guest |
//! | compiling, and what it may take | `compiler` |
//! | a change of the app while it is served | `swap`; `watch` for what is noticed, `refusals` for what is refused |
//! | the end of a server or of a version | `drain` |
//! | metrics | `metrics`; the status is seen by all tests that wait for it |
//! | an example | `examples`; `demo` for its place on the front page, and for pages in a browser |
//! | the crate `waterspout-test` | `testing` |
//! | a program in `docs/recipes.md` | `recipes` |
//! | a file in `docs/deploy` | `deploy` |
//! | what the crates have in their packages | `packages` |
//! | what the documents say of the code, and rules of the code itself | `house` |
//! | what a request costs | `instructions` |
//! | all that is hostile at the same time, for long | `soak` |
//!
//! A test that changes limits of its whole process has a program of its own, as `descriptors.rs` has. What all tests stand
//! on is in `harness`; how a server's process is run, and its log read, is in `guest-sdk/testing/src/process`, with its own
//! tests. Guests are in `guests`, examples in `examples/`.

mod background;
mod base;
mod build;
mod check;
mod claims;
mod compiler;
mod contract;
mod demo;
mod deploy;
mod dev;
mod diagnostics;
mod drain;
mod driver;
mod edge;
mod examples;
mod executor;
mod faults;
mod forms;
mod harness;
mod host_memory;
mod hostile;
mod house;
mod http2;
mod http_client;
mod inspect;
mod instances;
mod instructions;
mod kv;
mod lifecycle;
mod manual;
mod metrics;
mod new;
mod oracle;
mod outputs;
mod packages;
mod protection;
mod pubsub;
mod python;
mod recipes;
mod refusals;
mod request_body;
mod response;
mod routes;
mod schedule;
mod settings;
mod soak;
mod sockets;
mod state;
mod static_files;
mod swap;
mod systemd;
mod tcp_client;
mod tcp_server;
mod testing;
mod tls;
mod traps;
mod unix;
mod waiting;
mod watch;
mod websocket_client;
