//! WebSockets: Waterspout beside the protocol's library alone and Tornado. Decides which parts are measured; each part
//! knows how.

mod client;
pub mod echo;
mod fan_out;
mod frames;
mod handshake;
mod idle;
pub mod messages;
mod native;
mod report;

use crate::choice::{Choice, Extra};
use crate::peers::Peers;
use crate::process::raise_descriptors;
use crate::runs::Plan;

pub use native::serve;

/// The parts, in the order of the page.
pub const PARTS: [Extra; 3] = [Extra::Echo, Extra::FanOut, Extra::IdleSockets];

/// Measures the parts that are chosen, and gives each part of the page as soon as it is complete. `wanted`: how many
/// sockets there are where many are measured.
pub fn measure(
    choice: &Choice,
    plan: &Plan,
    peers: &Peers,
    wanted: usize,
    mut page: impl FnMut(&str),
) -> anyhow::Result<()> {
    /// For all other open files.
    const SPARE: usize = 300;
    let most = raise_descriptors()?.saturating_sub(SPARE);
    let count = wanted.min(most);
    if choice.has_extra(Extra::Echo) {
        page(&report::echo(plan, &echo::measure(plan, peers)?));
    }
    if choice.has_extra(Extra::FanOut) {
        page(&report::fan_out(
            plan,
            &fan_out::measure(plan, peers, count)?,
        ));
    }
    if choice.has_extra(Extra::IdleSockets) {
        page(&report::idle(&idle::measure(plan, peers, count)?));
    }
    Ok(())
}
