//! The cost of a request with many connections under load, each with one request in flight, beside the native peer.

use std::path::Path;

use crate::process::raise_descriptors;
use crate::runs::Plan;

use super::pairs::{self, Pair, Variant};

/// The numbers of connections. The others are divided by the first.
const COUNTS: [usize; 4] = [10, 100, 1000, 10_000];

/// All numbers of connections.
pub struct Connections {
    /// Those that the limit of open files allows.
    pub rows: Vec<(usize, Pair)>,
    /// Those that it does not.
    pub left_out: Vec<usize>,
}

/// Measures Waterspout and the native peer at each number of connections.
pub fn measure(hello: &Path, plan: &Plan) -> anyhow::Result<Connections> {
    /// For all other open files.
    const SPARE: usize = 200;
    let allowed = raise_descriptors()?.saturating_sub(SPARE);
    let (counts, left_out): (Vec<usize>, Vec<usize>) =
        COUNTS.into_iter().partition(|count| *count <= allowed);
    let variant = |connections: &usize| Variant {
        name: format!("{connections} connections"),
        server: vec![plan.cores.server],
        client: vec![plan.cores.client],
        connections: *connections,
    };
    let variants: Vec<Variant> = counts.iter().map(variant).collect();
    let pairs = pairs::measure(hello, plan, &variants)?;
    Ok(Connections {
        rows: counts.into_iter().zip(pairs).collect(),
        left_out,
    })
}
