//! What a request costs that Tornado answers: in the sandbox, and on the machine's own Python. And one that a handler of the
//! package `waterspout` answers.

use std::process::Command;

use crate::load;
use crate::peers::{Peer, Peers, TORNADO_APP};
use crate::questions::Questions;
use crate::runs::{Plan, Runs, in_turns};
use crate::served::{Server, free_address};
use crate::workload::Workload;

/// What was measured.
pub struct Hello {
    pub ours: Runs,
    /// Of a handler of the package `waterspout`.
    pub direct: Runs,
    /// Tornado's, with the versions of it and of Python, if it is installed.
    pub native: Option<(String, Runs)>,
}

/// Measures both, both of them in each round.
pub fn measure(plan: &Plan, peers: &Peers) -> anyhow::Result<Hello> {
    let (app, direct) = (super::app()?, super::app_of(super::DIRECT)?);
    // The first start makes and compiles, so that the measured ones find all in the cache.
    app.serve("shared", None)?;
    let version = peers.version(Peer::Tornado).ok();
    let mut names = vec!["Python app".to_owned(), "without Tornado".to_owned()];
    names.extend(version.map(str::to_owned));
    let runs = in_turns(plan, &names, |number| {
        let cores = Some(&[plan.cores.server][..]);
        let server = match number {
            0 => app.serve("shared", cores)?,
            1 => direct.serve("shared", cores)?,
            _ => native(peers, cores)?,
        };
        let questions = Questions::of(&server, Workload::Get)?;
        load::run(&server, &[plan.cores.client], &questions, plan.load())
    })?;
    let mut runs = runs.into_iter();
    Ok(Hello {
        ours: runs.next().unwrap_or_default(),
        direct: runs.next().unwrap_or_default(),
        native: version.map(str::to_owned).zip(runs.next()),
    })
}

fn native(peers: &Peers, cores: Option<&[usize]>) -> anyhow::Result<Server> {
    let address = free_address()?;
    let mut command = Command::new("python3");
    command
        .arg(TORNADO_APP)
        .args([&address.port().to_string(), "get"])
        .env("PYTHONPATH", peers.program(Peer::Tornado)?);
    Server::start(command, address, cores)
}
