//! What the process of a compiler does: it reads components, compiles them within a limit on its memory, and writes
//! what came of it. Runs no component.

use std::any::Any;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{abort, exit};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use anyhow::Context;
use wasmtime::Engine;

use super::code_cache::CodeCache;
use super::wire::{self, Answer};
use crate::base::shards;
use crate::guest::engine::binary::check_functions;
use crate::guest::engine::config::compiler_config;
use crate::guest::stack;

/// Compiles what comes on standard input, until it ends. Then whatever is under way ends, too.
pub fn compile_for_parent(debug_info: bool) -> anyhow::Result<()> {
    be_the_first_to_go();
    shards::step_back();
    let config = compiler_config(Arc::new(CodeCache::default()), debug_info)?;
    let engine = Engine::new(&config)?;
    let (send, jobs) = mpsc::channel();
    std::thread::Builder::new()
        .name("compiler".to_owned())
        .spawn(move || answer_all(&jobs, &engine))
        .context("the compiler's thread can't start")?;
    let at_rest = data_size();
    let mut input = io::stdin().lock();
    while let Some(head) = wire::read_job_head(&mut input)? {
        limit_memory(at_rest.saturating_add(head.memory));
        let mut component = Vec::new();
        let mut bytes = (&mut input).take(head.length);
        if bytes.read_to_end(&mut component)? as u64 != head.length || send.send(component).is_err()
        {
            break;
        }
    }
    Ok(())
}

/// Answers one job after the other.
fn answer_all(jobs: &Receiver<Vec<u8>>, engine: &Engine) {
    for component in jobs {
        let compiled = catch_unwind(AssertUnwindSafe(|| compile(engine, &component)));
        let is_broken = compiled.is_err();
        let answer = compiled.unwrap_or_else(|panic| Err(fault(&*panic)));
        let written = wire::write_answer(io::stdout().lock(), &answer);
        if is_broken || written.is_err() {
            exit(1);
        }
    }
}

fn compile(engine: &Engine, component: &[u8]) -> Answer {
    check_functions(component).map_err(|error| error.to_string())?;
    let code = engine
        .precompile_component(component)
        .map_err(|error| format!("not a valid component: {}", stack::message(&error)))?;
    match code.len() > wire::MAX_ANSWER {
        true => Err(format!(
            "is {} MB of code once compiled; {} MB is the most that is taken",
            code.len() >> 20,
            wire::MAX_ANSWER >> 20
        )),
        false => Ok(code),
    }
}

/// What is said of a compiler that has panicked. Where it did so for want of memory, it ends as on any other allocation
/// that fails.
fn fault(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or_default();
    if text.contains("out of memory") {
        abort();
    }
    format!("the compiler has a fault: {text}")
}

/// Where memory runs out, the system ends this process before any other (proc_pid_oom_score_adj(5)).
fn be_the_first_to_go() {
    if cfg!(target_os = "linux") {
        // Without it, the limit still holds.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
}

/// The bytes of memory that this process may write; 0 where the system does not say (proc_pid_status(5)).
fn data_size() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let number = size.and_then(|size| size.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1024
}

/// Past this many bytes, an allocation fails, which aborts the process (getrlimit(2)).
fn limit_memory(bytes: u64) {
    let data = rlimit::Resource::DATA;
    // Where there is no such limit, the one on time holds.
    if let Ok((_, hard)) = data.get() {
        let _ = data.set(bytes.min(hard), hard);
    }
}
