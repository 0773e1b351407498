//! Owns the process where components are compiled: this very program once more, with a limit on its memory. It is
//! started for the first component, and kept for the next ones, with the functions that it has compiled. Whatever
//! becomes of it, only the component that it compiles is at fault.

mod code_cache;
mod helper;
mod wire;
mod work;

use std::time::Duration;

use tokio::sync::Mutex;

use self::helper::{Ended, Helper, Program};
use super::Binary;
use crate::base::error::Error;
use crate::config::{show_duration, show_size};

pub use work::compile_for_parent;

/// What compiling one component may take.
#[derive(Clone, Copy, Debug)]
pub struct CompileLimits {
    /// Bytes that its process may write.
    pub memory: u64,
    pub time: Duration,
}

/// Compiles one component at a time, on all cores.
pub struct Compiler {
    program: Program,
    debug_info: bool,
    /// Between two components.
    idle: Mutex<Option<Helper>>,
}

impl Compiler {
    /// With `debug_info`, what it compiles has that of the component in it.
    pub fn new(debug_info: bool) -> std::io::Result<Self> {
        Ok(Self {
            program: Program::this()?,
            debug_info,
            idle: Mutex::default(),
        })
    }

    /// The component's compiled form. The time begins when it is this component's turn. Where nobody waits for the
    /// result any more, the process is killed.
    pub async fn compile(&self, binary: &Binary, limits: CompileLimits) -> Result<Vec<u8>, Error> {
        let mut idle = self.idle.lock().await;
        let compiled = self.compile_with(&mut idle, binary.component()?, limits.memory);
        match tokio::time::timeout(limits.time, compiled).await {
            Ok(Ok(code)) => Ok(code),
            Ok(Err(reason)) => Err(Error::component(reason)),
            Err(_) => Err(Error::component(format!(
                "compiling it takes longer than `compile_timeout`, {}",
                show_duration(limits.time)
            ))),
        }
    }

    async fn compile_with(
        &self,
        idle: &mut Option<Helper>,
        component: &[u8],
        memory: u64,
    ) -> Result<Vec<u8>, String> {
        if let Some(mut helper) = idle.take()
            // One that has compiled before holds more than a new one, and may have ended since.
            && let Ok(answer) = helper.compile(component, memory).await
        {
            *idle = Some(helper);
            return answer;
        }
        let started = Helper::start(&self.program, self.debug_info);
        let mut helper = started.map_err(|error| format!("can't be compiled: {error}"))?;
        match helper.compile(component, memory).await {
            Ok(answer) => {
                *idle = Some(helper);
                answer
            }
            Err(ended) => Err(reason(&ended, memory)),
        }
    }
}

/// Why a process gave no answer.
fn reason(ended: &Ended, memory: u64) -> String {
    let memory = show_size(memory);
    match ended.signal {
        Some(libc::SIGABRT) => {
            format!("compiling it takes more memory than `compile_memory`, {memory}")
        }
        Some(libc::SIGKILL) => format!(
            "the system has ended its compiler, probably for want of memory; `compile_memory` is {memory}"
        ),
        _ => format!("its compiler has ended: {}", ended.how),
    }
}
