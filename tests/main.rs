//! All integration tests: the real binary or the real server, over real sockets, with guests built from source.

mod check;
mod dev;
mod diagnostics;
mod edge;
mod examples;
mod forms;
mod harness;
mod hostile;
mod house;
mod http2;
mod inspect;
mod instances;
mod instructions;
mod lifecycle;
mod manual;
mod metrics;
mod new;
mod oracle;
mod outputs;
mod refusals;
mod routes;
mod swap;
mod systemd;
mod testing;
mod tls;
mod traps;
