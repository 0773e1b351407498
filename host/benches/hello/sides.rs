//! The servers of WebSockets and of streams, and how each is started. Measures nothing.

use std::process::Command;

use crate::app::App;
use crate::peers::{Peer, Peers, TORNADO_APP};
use crate::runs::Runs;
use crate::served::{Server, free_address};

/// What the servers serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Serves {
    Sockets,
    Streams,
}

/// A server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The library of Waterspout's protocol, on hyper, and nothing else; for streams tokio alone.
    Library,
    /// Waterspout, shared.
    Shared,
    /// Tornado.
    Tornado,
}

impl Side {
    /// All that can be started, in the order of the tables.
    pub fn all(peers: &Peers) -> Vec<Self> {
        let all = [Self::Library, Self::Shared, Self::Tornado].into_iter();
        all.filter(|side| *side != Self::Tornado || peers.version(Peer::Tornado).is_ok())
            .collect()
    }

    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Library => "library alone",
            Self::Shared => "shared",
            Self::Tornado => "Tornado",
        }
    }

    /// Starts it, on all cores or on these. `app` is Waterspout's.
    pub fn start(
        self,
        serves: Serves,
        app: &App,
        peers: &Peers,
        cores: Option<&[usize]>,
    ) -> anyhow::Result<Server> {
        let address = free_address()?;
        let mut command;
        let (option, workload) = match serves {
            Serves::Sockets => ("--native-sockets", "sockets"),
            Serves::Streams => ("--native-streams", "streams"),
        };
        match self {
            Self::Shared => {
                let mut server = app.serve("shared", cores)?;
                if let Some(streams) = app.streams {
                    server.address = streams;
                }
                return Ok(server);
            }
            Self::Library => {
                command = Command::new(std::env::current_exe()?);
                command.args([option, &address.to_string()]);
            }
            Self::Tornado => {
                command = Command::new("python3");
                command
                    .arg(TORNADO_APP)
                    .args([&address.port().to_string(), workload])
                    .env("PYTHONPATH", peers.program(Peer::Tornado)?);
            }
        }
        Server::start(command, address, cores)
    }
}

/// What has a result for each side.
pub struct Row<T> {
    /// The server.
    pub side: Side,
    /// Its results.
    pub of: T,
}

/// Measures all sides in each round. None is always first, or always after the same one.
pub fn in_turns<T: Default>(
    sides: &[Side],
    rounds: usize,
    mut measure: impl FnMut(Side, &mut T) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Row<T>>> {
    let mut rows: Vec<Row<T>> = sides
        .iter()
        .map(|side| Row {
            side: *side,
            of: T::default(),
        })
        .collect();
    for round in 0..rounds {
        for place in 0..rows.len() {
            let at = (place + round) % sides.len();
            let row = &mut rows[at];
            eprintln!("round {}, {}", round + 1, row.side.name());
            measure(row.side, &mut row.of)?;
        }
    }
    Ok(rows)
}

/// The runs of one side.
pub fn runs(rows: &[Row<Runs>], side: Side) -> Option<&Runs> {
    let row = rows.iter().find(|row| row.side == side)?;
    Some(&row.of)
}
