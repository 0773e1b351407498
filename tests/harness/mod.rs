//! What every test uses: an app folder, the real binary that serves it, and a client.

mod app;
mod client;
mod guests;
mod load;
pub mod peer;
mod place;
pub mod tls;
mod under_way;
mod vitals;

pub use app::{App, Running, cache, command, entry};
pub use client::{Answer, Client, LONG, soon};
pub use guests::{example, guest, hello_saying, renumbered, root, versioned};
pub use load::Load;
pub use peer::Peer;
pub use place::{WAYS, Way, put};
pub use under_way::let_go;
pub use vitals::{mebibytes, raise_descriptors};
