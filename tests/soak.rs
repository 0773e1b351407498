//! Attacks for minutes or hours, beside a component that must not notice. `.ci/soak` runs both; neither is part of
//! `cargo test`.
//!
//! `WATERSPOUT_SOAK` says how long, `20s` or `1h`: each attack, or the soak as a whole. `WATERSPOUT_ATTACK` names one
//! attack, or several that come together: `spins+executor`. `WATERSPOUT_CGROUP` is the folder of a control group where the server is put, so that its memory has an
//! end; there `WATERSPOUT_BINARY` may name another build of it.

pub mod attacks;
mod beside;
mod record;

use std::time::Duration;

use waterspout::config;

use self::attacks::{ATTACKS, Assault, Attack};
use self::beside::Beside;
use self::record::{Record, Totals};
use crate::harness::{App, Running, Way, guest, put, raise_descriptors, soon, versioned};

/// How long memory may take to come back, and how much more than before may stay: what two instances have written, and
/// the state in `[kv]`.
const BACK: Duration = Duration::from_secs(30);
const MORE_MIB: u64 = 160;

fn lasts(usual: &str) -> Duration {
    let said = std::env::var("WATERSPOUT_SOAK").ok();
    config::duration(said.as_deref().unwrap_or(usual)).expect("WATERSPOUT_SOAK: `20s`, `5m`, `1h`")
}

/// An app with a component for each attack, and a healthy one.
async fn serve() -> Running {
    raise_descriptors();
    let mut app = App::new()
        .handler("version.wasm", versioned("v1"))
        .handler("names.wasm", attacks::with_grown_names(guest("trap")))
        .config(attacks::CONFIG);
    for name in [
        "hoard", "spin", "grow", "recurse", "executor", "slow", "bodies",
    ] {
        app = app.handler(&format!("{name}.wasm"), guest(name));
    }
    std::fs::create_dir(app.path().join("data")).expect("a folder");
    std::fs::write(app.path().join("data/file"), "content").expect("a file");
    if std::env::var_os("WATERSPOUT_CGROUP").is_some() {
        let script = "echo $$ > \"$WATERSPOUT_CGROUP/cgroup.procs\"; exec \"${WATERSPOUT_BINARY:-$0}\" \"$@\"";
        app = app.through("sh", &["-c", script].map(str::to_owned));
    }
    app.serve().await
}

/// What one attack did to the component beside it, and to the process.
async fn attack(name: &str, attacks: &[&'static Attack], lasts: Duration) -> bool {
    let mut server = serve().await;
    let totals = Totals::of(server.pid());
    let beside = Beside::start(server.address);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = totals.now();
    let mut record = Record::default();
    let assaults: Vec<_> = attacks
        .iter()
        .map(|attack| Assault::begin(attack, &server))
        .collect();
    let end = tokio::time::Instant::now() + lasts;
    while tokio::time::Instant::now() < end && server.is_alive() {
        record.take(&totals);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut times = 0;
    for assault in assaults {
        times += assault.end().await;
    }
    let seen = beside.end().await;
    let is_alive = server.is_alive();
    let ended = tokio::time::Instant::now();
    while is_alive && ended.elapsed() < BACK && totals.now().mib > before.mib + MORE_MIB {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let back = (ended.elapsed(), is_alive.then(|| totals.now().mib));
    let began = tokio::time::Instant::now();
    let is_ended = is_alive && server.stop().await.success();
    println!(
        "{name:<12.40} {times:>8} times | beside: {seen} | MB before {}, most {}, after {:?} in {:.1} s | ended {is_ended} in {:.1} s",
        before.mib,
        record.most(),
        back.1,
        back.0.as_secs_f64(),
        began.elapsed().as_secs_f64(),
    );
    is_ended && seen.errors == 0 && back.0 < BACK
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/soak"]
async fn each_attack_and_all_together() {
    let lasts = lasts("10s");
    let all: Vec<&str> = ATTACKS.iter().map(|attack| attack.name).collect();
    let mut together: Vec<Vec<&str>> = all.iter().map(|name| vec![*name]).collect();
    together.push(all);
    let only = std::env::var("WATERSPOUT_ATTACK").ok();
    if let Some(only) = &only {
        together = vec![only.split('+').collect()];
    }
    let mut failed = Vec::new();
    for names in together {
        let is_meant = |attack: &&Attack| names.contains(&attack.name);
        let attacks: Vec<&Attack> = ATTACKS.iter().filter(is_meant).collect();
        if !attack(&names.join("+"), &attacks, lasts).await {
            failed.push(names.join("+"));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// How long attacks go on before the server has a rest, in which what it holds is measured: under attack that follows the
/// load of the moment.
const ROUND: Duration = Duration::from_secs(55);
const REST: Duration = Duration::from_secs(6);

/// All attacks, with pauses, and a swap each second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: .ci/soak"]
async fn nothing_grows_under_faults_of_every_kind() {
    let lasts = lasts("2m");
    let round = ROUND.min(lasts / 4);
    let mut server = serve().await;
    let totals = Totals::of(server.pid());
    let beside = Beside::start(server.address);
    let pause = Duration::from_millis(200);
    let (mut busy, mut at_rest) = (Record::default(), Record::default());
    let began = tokio::time::Instant::now();
    let mut version = 1;
    while began.elapsed() < lasts {
        let assaults: Vec<_> = ATTACKS
            .iter()
            .map(|attack| Assault::begin_with_rests(attack, &server, pause))
            .collect();
        let until = tokio::time::Instant::now() + round;
        while tokio::time::Instant::now() < until {
            version = 3 - version;
            put(
                Way::Renamed,
                &server.app,
                "version.wasm",
                &versioned(&format!("v{version}")),
            );
            busy.take(&totals);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(server.is_alive(), "{}", server.log.text());
        }
        for assault in assaults {
            assault.end().await;
        }
        tokio::time::sleep(REST).await;
        at_rest.take(&totals);
        println!("at rest after {:.0?}: {:?}", began.elapsed(), totals.now());
    }
    let seen = beside.end().await;
    println!("beside: {seen}\nunder attack\n{busy}at rest\n{at_rest}");
    assert_eq!(seen.errors, 0);
    // What is held under attack is what the attacks of the moment take.
    at_rest.assert_flat();
    assert!(soon(server.stop()).await.success());
}
