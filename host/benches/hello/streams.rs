//! Streams by TCP: Waterspout beside tokio alone and Tornado. Decides which parts are measured; each part knows how.

mod idle;
mod lines;
mod native;
mod report;

use crate::choice::{Choice, Extra};
use crate::peers::Peers;
use crate::process::raise_descriptors;
use crate::runs::Plan;

pub use native::serve;

/// The parts, in the order of the page.
pub const PARTS: [Extra; 2] = [Extra::Lines, Extra::IdleStreams];

/// Measures the parts that are chosen, and gives each part of the page as soon as it is complete. `wanted`: how many
/// streams there are where many are measured.
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
    if choice.has_extra(Extra::Lines) {
        page(&report::lines(plan, &lines::measure(plan, peers)?));
    }
    if choice.has_extra(Extra::IdleStreams) {
        page(&report::idle(&idle::measure(
            plan,
            peers,
            wanted.min(most),
        )?));
    }
    Ok(())
}
