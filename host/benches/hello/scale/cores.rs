//! The gain of a second core: the same client with a server on one core and on two.
//!
//! The client has the same number of threads in all variants, and each thread the same number of connections. With
//! only two cores, the server on both shares them with the client. Then it is first compared with a server on one core
//! that shares it with the same client: each core has the same mix of work.

use std::path::Path;

use crate::process::allowed_cores;
use crate::runs::Plan;

use super::pairs::{self, Pair, Variant};

/// All variants.
pub struct Cores {
    /// Those with one core come first, and the one with two is the last. Empty on a machine with one core.
    pub rows: Vec<(Variant, Pair)>,
    /// Whether the client always has cores of its own.
    pub apart: bool,
}

/// With this many cores the client needs none of the server's.
const ENOUGH: usize = 4;

/// Measures Waterspout and the native peer in each variant.
pub fn measure(hello: &Path, plan: &Plan) -> anyhow::Result<Cores> {
    let cores = allowed_cores()?;
    let variants = variants(&cores, plan.connections);
    let pairs = match variants.is_empty() {
        true => Vec::new(),
        false => pairs::measure(hello, plan, &variants)?,
    };
    Ok(Cores {
        rows: variants.into_iter().zip(pairs).collect(),
        apart: cores.len() >= ENOUGH,
    })
}

fn variants(cores: &[usize], connections: usize) -> Vec<Variant> {
    let variant = |name: &str, server: &[usize], client: &[usize]| Variant {
        name: name.to_owned(),
        server: server.to_vec(),
        client: client.to_vec(),
        connections,
    };
    match *cores {
        [] | [_] => Vec::new(),
        [one, other, ref rest @ ..] if cores.len() >= ENOUGH => {
            let rest = &rest[..rest.len().min(ENOUGH)];
            vec![
                variant("one core, client on others", &[one], rest),
                variant("two cores, client on others", &[one, other], rest),
            ]
        }
        [one, other, ..] => vec![
            variant("one core, client on it too", &[one], &[one, one]),
            variant("one core, client on the other", &[one], &[other, other]),
            variant("two cores, client on both", &[one, other], &[one, other]),
        ],
    }
}
