//! What a message costs that comes back: small ones and large ones, compressed and not.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use super::messages::Messages;

use super::{client, handshake};
use crate::app::{self, App};
use crate::load::{self, Run};
use crate::peers::Peers;
use crate::runs::{Plan, Runs, in_turns};
use crate::served::Server;
use crate::sides::{Row, Serves, Side};

/// A kind of messages.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in the tables.
    pub name: &'static str,
    pub size: usize,
    pub deflate: bool,
}

pub const SMALL: Kind = Kind::new("32 B", 32, false);
pub const LARGE: Kind = Kind::new("16 KB", 16_384, false);

const KINDS: [Kind; 4] = [
    SMALL,
    LARGE,
    Kind::new("32 B, deflate", 32, true),
    Kind::new("16 KB, deflate", 16_384, true),
];

impl Kind {
    const fn new(name: &'static str, size: usize, deflate: bool) -> Self {
        Self {
            name,
            size,
            deflate,
        }
    }
}

/// All results of one kind.
pub struct Echo {
    /// The messages.
    pub kind: Kind,
    /// The library alone is the first one.
    pub rows: Vec<Row<Runs>>,
}

/// Measures all sides with each kind of messages, all of them in each round.
pub fn measure(plan: &Plan, peers: &Peers) -> anyhow::Result<Vec<Echo>> {
    const FILE: &str = "ws_echo.wasm";
    let examples = app::build("examples", &[])?;
    let mut app = App::new()?;
    app.add(FILE, "/echo", &fs::read(examples.join(FILE))?)?;
    // The first start compiles, so that the measured ones find the code in the cache.
    app.serve("shared", None)?;
    let sides = Side::all(peers);
    let mut messages = Vec::new();
    for Kind { size, deflate, .. } in KINDS {
        messages.push(Arc::new(Messages::new(size, deflate)?));
    }
    let names = KINDS.iter().flat_map(|kind| {
        let name = |side: &Side| format!("{}, {}", kind.name, side.name());
        sides.iter().map(name)
    });
    let names: Vec<String> = names.collect();
    let runs = in_turns(plan, &names, |number| {
        let (kind, side) = (number / sides.len(), sides[number % sides.len()]);
        let server = side.start(Serves::Sockets, &app, peers, Some(&[plan.cores.server]))?;
        talk(plan, &server, KINDS[kind], &messages[kind]).map_err(|error| server.explain(error))
    })?;
    let mut runs = runs.into_iter();
    let mut echo = |kind| Echo {
        kind,
        rows: sides
            .iter()
            .zip(&mut runs)
            .map(|(side, of)| Row { side: *side, of })
            .collect(),
    };
    Ok(KINDS.map(&mut echo).into())
}

/// Sends messages to a server that sends them back.
pub fn talk(
    plan: &Plan,
    server: &Server,
    kind: Kind,
    messages: &Arc<Messages>,
) -> anyhow::Result<Run> {
    let open = |_| handshake::open(server.address, "/echo", kind.deflate);
    let sockets: Vec<_> = (0..plan.connections)
        .map(open)
        .collect::<anyhow::Result<_>>()?;
    let window = plan.load().window(Instant::now());
    let core = plan.cores.client;
    let client = || client::talk(core, sockets, messages, window);
    load::during(server, &[core], window, [client])
}
