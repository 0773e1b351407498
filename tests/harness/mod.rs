//! What every test uses: an app folder, the real binary that serves it, and a client.

mod app;
mod binary;
mod client;
mod guests;
mod launch;
mod limits;
mod lines;
mod load;
mod log;
pub mod peer;
mod place;
mod running;
mod serve;
mod status;
pub mod tls;
mod under_way;
mod vitals;
pub mod websocket;

pub use app::App;
pub use binary::{cache, command};
pub use client::{Answer, Client, LONG, soon};
pub use guests::{example, guest, hello_saying, renumbered, root, versioned};
pub use lines::{Lines, place_of};
pub use load::Load;
pub use log::Log;
pub use peer::Peer;
pub use place::{WAYS, Way, put};
pub use running::Running;
pub use status::entry;
pub use under_way::let_go;
pub use vitals::{entries, mebibytes, raise_descriptors, resident};
pub use websocket::{Frame, Ws};
