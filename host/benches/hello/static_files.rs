//! Static files of two sizes: Waterspout beside nginx, with and without `sendfile`, and Tornado.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::app::App;
use crate::load::{self, Load, Run};
use crate::peers::{Peer, Peers, TORNADO_APP};
use crate::questions::Questions;
use crate::report::{cpu_ratio, show, speed_ratio};
use crate::runs::{Plan, Runs, in_turns};
use crate::served::{Server, free_address};

/// A file: its name, its size in bytes, and how many connections ask for it.
type Sized = (&'static str, usize, usize);

const FILES: [Sized; 2] = [("10KB.css", 10_000, 64), ("10MB.css", 10_000_000, 4)];

/// A server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Ours,
    Nginx { sendfile: bool },
    Tornado,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "Waterspout",
            Self::Nginx { sendfile: true } => "nginx, `sendfile on`",
            Self::Nginx { sendfile: false } => "nginx, `sendfile off`",
            Self::Tornado => "Tornado",
        }
    }
}

/// Measures all that are there, and gives the part of the page of each file.
pub fn measure(plan: &Plan, peers: &Peers, mut page: impl FnMut(&str)) -> anyhow::Result<()> {
    let nginx = Command::new("nginx").arg("-v").output();
    let has_nginx = nginx.is_ok_and(|output| output.status.success());
    let mut all = vec![Who::Ours];
    if has_nginx {
        all.extend([true, false].map(|sendfile| Who::Nginx { sendfile }));
    }
    if peers.version(Peer::Tornado).is_ok() {
        all.push(Who::Tornado);
    }
    page("\n## Static files\n");
    if !has_nginx {
        page("\nnginx is not installed.\n");
    }
    for (name, size, connections) in FILES {
        let text = "0123456789abcde\n".repeat(size / 16);
        let app = App::new()?;
        app.put(&format!("static/{name}"), text.as_bytes())?;
        let names: Vec<String> = all.iter().map(|who| who.name().to_owned()).collect();
        let load = Load {
            connections,
            ..plan.load()
        };
        let runs = in_turns(plan, &names, |number| {
            // Until the server has ended.
            let (server, _folder) = start(all[number], &app, peers, &[plan.cores.server])?;
            let asked = (format!("/static/{name}"), text.clone());
            let questions = Questions::texts(&server, [asked])?;
            load::run(&server, &[plan.cores.client], &questions, load)
        })?;
        page(&table(plan, name, connections, &all, &runs));
    }
    Ok(())
}

fn start(
    who: Who,
    app: &App,
    peers: &Peers,
    cores: &[usize],
) -> anyhow::Result<(Server, Option<TempDir>)> {
    let (address, cores) = (free_address()?, Some(cores));
    match who {
        Who::Ours => Ok((app.serve("shared", cores)?, None)),
        Who::Nginx { sendfile } => {
            let folder = tempfile::tempdir()?;
            let config = folder.path().join("nginx.conf");
            fs::write(
                &config,
                nginx(folder.path(), app.path(), address.port(), sendfile),
            )?;
            let mut command = Command::new("nginx");
            command.arg("-p").arg(folder.path()).arg("-c").arg(&config);
            command.args(["-e", "stderr"]);
            Ok((Server::start(command, address, cores)?, Some(folder)))
        }
        Who::Tornado => {
            let mut command = Command::new("python3");
            command
                .arg(TORNADO_APP)
                .args([&address.port().to_string(), "static"])
                .env("STATIC_PATH", app.path().join("static"))
                .env("PYTHONPATH", peers.program(Peer::Tornado)?);
            Ok((Server::start(command, address, cores)?, None))
        }
    }
}

/// One process, without an access log, everything else by default.
fn nginx(folder: &Path, root: &Path, port: u16, sendfile: bool) -> String {
    let (folder, root) = (folder.display(), root.display());
    let sendfile = if sendfile { "on" } else { "off" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};"));
    format!(
        "user root;\ndaemon off;\nmaster_process off;\npid {folder}/pid;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\naccess_log off;\nsendfile {sendfile};\nkeepalive_requests 1000000000;\n{}\n\
         types {{ text/css css; }}\nserver {{ listen 127.0.0.1:{port}; root {root}; }}\n}}\n",
        temporary.join("\n")
    )
}

fn table(plan: &Plan, name: &str, connections: usize, all: &[Who], runs: &[Runs]) -> String {
    let mut text = format!(
        "\n`{name}` on {connections} connections. Median (min..max) of {} rounds of {} s, ratios taken within a round. More is\n\
         better.\n\n| Waterspout ÷ | requests/s | per CPU time |\n|---|---|---|\n",
        plan.rounds,
        plan.time.as_secs()
    );
    let Some((ours, others)) = runs.split_first() else {
        return text;
    };
    for (who, other) in all.iter().skip(1).zip(others) {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            who.name(),
            show(ours.against(other, speed_ratio), 2),
            show(ours.against(other, cpu_ratio), 2)
        );
    }
    text += "\n| server | requests/s | CPU µs/request | p50 µs | p99 µs | peak MB | runs |\n|---|---|---|---|---|---|---|\n";
    for (who, of) in all.iter().zip(runs) {
        let figure = |value: fn(&Run) -> f64, digits| show(of.spread(value), digits);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            who.name(),
            figure(|run| run.per_second, 0),
            figure(|run| run.cpu, 1),
            figure(|run| run.p50, 0),
            figure(|run| run.p99, 0),
            figure(|run| run.peak as f64 / 1e6, 0),
            of.len()
        );
    }
    text
}
