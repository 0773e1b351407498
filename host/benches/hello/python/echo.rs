//! What a message costs that Tornado's `WebSocketHandler` sends back: in the sandbox, and on the machine's own Python.

use std::sync::Arc;

use crate::peers::{Peer, Peers};
use crate::runs::{Plan, Runs, in_turns};
use crate::sides::{Serves, Side};
use crate::sockets::echo::{Kind, LARGE, SMALL, talk};
use crate::sockets::messages::Messages;

/// What was measured of one kind of messages.
pub struct Echo {
    pub kind: Kind,
    pub ours: Runs,
    /// Tornado's, with the versions of it and of Python, if it is installed.
    pub native: Option<(String, Runs)>,
}

/// Measures both with each kind, all of them in each round.
pub fn measure(plan: &Plan, peers: &Peers) -> anyhow::Result<Vec<Echo>> {
    let app = super::app()?;
    app.serve("shared", None)?;
    let version = peers.version(Peer::Tornado).ok();
    let kinds = [SMALL, LARGE];
    let mut messages = Vec::new();
    for kind in kinds {
        messages.push(Arc::new(Messages::new(kind.size, kind.deflate)?));
    }
    let mut servers = vec!["Python app"];
    servers.extend(version);
    let names = kinds.iter().flat_map(|kind| {
        let name = |server: &&str| format!("{}, {server}", kind.name);
        servers.iter().map(name)
    });
    let names: Vec<String> = names.collect();
    let runs = in_turns(plan, &names, |number| {
        let (kind, server) = (number / servers.len(), number % servers.len());
        let cores = Some(&[plan.cores.server][..]);
        let server = match server {
            0 => app.serve("shared", cores)?,
            _ => Side::Tornado.start(Serves::Sockets, &app, peers, cores)?,
        };
        talk(plan, &server, kinds[kind], &messages[kind]).map_err(|error| server.explain(error))
    })?;
    let mut runs = runs.into_iter();
    Ok(kinds
        .map(|kind| Echo {
            kind,
            ours: runs.next().unwrap_or_default(),
            native: version
                .map(str::to_owned)
                .zip(version.and_then(|_| runs.next())),
        })
        .into())
}
