//! How many writes a second the state of an app takes, in memory and in a file, and how many the library of that file
//! takes alone.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use redb::{Database, TableDefinition};

use crate::app::App;
use crate::load;
use crate::questions::Questions;
use crate::runs::Plan;

/// The bytes of each value.
pub const VALUE: usize = 100;

/// How many keys are written, in turns.
const KEYS: usize = 1000;

/// Writes a second of each round.
#[derive(Default)]
pub struct Writes {
    /// The library, one thread, a commit for each write.
    pub one: Vec<f64>,
    /// The library, one thread, a commit for as many writes as there are connections.
    pub many: Vec<f64>,
    /// A handler that sets a key, in a file.
    pub file: Vec<f64>,
    /// The same in memory.
    pub memory: Vec<f64>,
}

/// Measures all of them in each round, one after the other: they would share the disk.
pub fn measure(guest: &Path, plan: &Plan) -> anyhow::Result<Writes> {
    let guest = fs::read(guest)?;
    let mut writes = Writes::default();
    for _ in 0..plan.rounds {
        writes.one.push(library(1, plan.time)?);
        writes.many.push(library(plan.connections, plan.time)?);
        writes.file.push(server(&guest, plan, true)?);
        writes.memory.push(server(&guest, plan, false)?);
    }
    Ok(writes)
}

/// A handler that answers when its key is set.
fn server(guest: &[u8], plan: &Plan, in_file: bool) -> anyhow::Result<f64> {
    let mut app = App::with_kept_cache()?;
    app.add("kv.wasm", "/kv/([a-z]+)", guest)?;
    if in_file {
        app.configure("kv", "file", "kv.redb")?;
    }
    let server = app.serve("shared", Some(&[plan.cores.server]))?;
    let put = |key| {
        (
            format!("/kv/put?key=k{key}&size={VALUE}"),
            "true".to_owned(),
        )
    };
    let questions = Questions::texts(&server, (0..KEYS).map(put))?;
    let run = load::run(&server, &[plan.cores.client], &questions, plan.load())?;
    Ok(run.per_second)
}

/// The same writes without a server, with `at_once` of them in each commit.
fn library(at_once: usize, time: Duration) -> anyhow::Result<f64> {
    const TABLE: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("keys");
    let folder = tempfile::tempdir()?;
    let database = Database::create(folder.path().join("kv.redb"))?;
    let (began, mut written) = (Instant::now(), 0);
    while began.elapsed() < time {
        let transaction = database.begin_write()?;
        let mut table = transaction.open_table(TABLE)?;
        for _ in 0..at_once {
            let key = format!("k{}", written % KEYS);
            table.insert(("b", &*key), &[0; VALUE][..])?;
            written += 1;
        }
        drop(table);
        transaction.commit()?;
    }
    Ok(written as f64 / began.elapsed().as_secs_f64())
}
